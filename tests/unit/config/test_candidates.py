"""What may name the workspace, in order; the one that decides is the one that is taken."""

from __future__ import annotations

import itertools

import pytest

from brickloop.config.candidates import workspace_candidates
from brickloop.config.profile import resolve_target
from brickloop.config.settings import load_settings

_CFG = "[DEFAULT]\nhost = https://default.example.com\n"
_PROFILES = "".join(
    f"[{name}]\nhost = https://{name}.example.com\n" for name in ("flag", "env", "own", "std")
)


@pytest.mark.parametrize("places", list(itertools.product([False, True], repeat=6)))
def test_the_first_place_that_names_something_decides(tmp_path, places):
    flag, variable, own, host, default, top = places
    (tmp_path / "pyproject.toml").write_text('[tool.brickloop]\nprofile = "own"\n' if own else "")
    config = tmp_path / "cfg"
    config.write_text(
        (_CFG if top else "")
        + _PROFILES
        + ("[__settings__]\ndefault_profile = std\n" if default else "")
    )
    env = {"DATABRICKS_CONFIG_FILE": str(config)}
    if variable:
        env["DATABRICKS_CONFIG_PROFILE"] = "env"
    if host:
        env["DATABRICKS_HOST"] = "https://variable.example.com"
    settings = load_settings(tmp_path, env, {"profile": "flag" if flag else None})
    found = workspace_candidates(settings, env)
    decides = [one for one in found if one.decides]
    assert len(decides) == 1
    target = resolve_target(settings, env)
    said = decides[0].says or ""
    named = "local" if target.is_local else target.profile or target.host
    assert said == (target.host if named == "DEFAULT" else named)
    order = [place for place, there in enumerate(places) if there]
    # the setting "host" stands between the others, and has a test of its own
    place = order[0] if order else 6
    assert found.index(decides[0]) == (place if place < 3 else place + 1)


def test_an_unreadable_file_names_nothing_and_a_password_in_a_host_is_not_shown(tmp_path):
    config = tmp_path / "cfg"
    config.write_text("[DEFAULT\nhost")
    env = {
        "DATABRICKS_CONFIG_FILE": str(config),
        "DATABRICKS_HOST": "https://me:secret@x.example.com",
    }
    found = workspace_candidates(load_settings(tmp_path, env), env)
    assert [one.place for one in found if one.decides] == ["DATABRICKS_HOST"]
    assert "secret" not in str(found)


def test_the_host_of_a_target_decides_before_the_environment(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.brickloop]\nprofile = "local"\n'
        '[tool.brickloop.targets.dev]\nhost = "https://own.example.com"\n'
    )
    env = {"DATABRICKS_CONFIG_FILE": str(tmp_path / "none")}
    settings = load_settings(tmp_path, env, {"target": "dev"})
    (decides,) = [one for one in workspace_candidates(settings, env) if one.decides]
    assert decides.says == resolve_target(settings, env).host
    assert decides.place == "host of pyproject.toml [tool.brickloop.targets.dev]"
