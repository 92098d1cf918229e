"""Targets in pyproject.toml: what holds on each, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from brickloop.config.settings import load_settings
from brickloop.config.value import Value
from brickloop.errors import SettingsError

PYPROJECT = """
[project]
name = "shop"

[tool.brickloop]
target = "dev"
profile = "work"
warehouse = "small"
compute = "serverless"

[tool.brickloop.targets.dev]

[tool.brickloop.targets.prod]
host = "https://prod.example.com"
folder = "/Workspace/Shared/shop"
warehouse = "large"
run_timeout = 7200

[tool.brickloop.targets.prod.compute]
num_workers = 4

[tool.brickloop.targets.prod.parameters]
month = "all"

[tool.brickloop.targets.prod.parameters.01_load]
source = "raw"
limit = 5

[tool.brickloop.targets.test]
protected = true
outputs = "seen"
"""


def load(root, env=None, **flags):
    (root / "pyproject.toml").write_text(PYPROJECT)
    return load_settings(root, env or {}, flags)


def test_a_targets_settings_win_over_the_projects_and_know_where_they_are_from(tmp_path):
    settings = load(tmp_path, target="prod")
    assert settings["warehouse"] == Value("large", "pyproject.toml [tool.brickloop.targets.prod]")
    assert settings.seconds("run_timeout") == 7200
    assert settings.text("compute") == '{"num_workers": 4}'
    assert settings.target.is_protected
    assert settings.project == "shop"
    usual = load(tmp_path)
    assert usual.target.name == "dev"
    assert usual.text("warehouse") == "small"
    assert not usual.target.is_protected


def test_flag_beats_variable_beats_target(tmp_path):
    env = {"BRICKLOOP_WAREHOUSE": "mine", "BRICKLOOP_TARGET": "prod"}
    settings = load(tmp_path, env)
    assert settings["target"].source == "BRICKLOOP_TARGET"
    assert settings.text("warehouse") == "mine"
    assert load(tmp_path, env, warehouse="typed").text("warehouse") == "typed"
    assert load(tmp_path, env, target="test").target.name == "test"


def test_who_gives_a_host_takes_the_profile_away(tmp_path):
    settings = load(tmp_path, target="prod")
    assert settings.text("host") == "https://prod.example.com"
    assert settings.text("profile") is None
    assert load(tmp_path, {"BRICKLOOP_PROFILE": "ci"}, target="prod").text("host") is None
    assert load(tmp_path, profile="ci", target="prod").text("host") is None


def test_parameters_are_for_all_notebooks_or_for_one(tmp_path):
    target = load(tmp_path, target="prod").target
    assert target.parameters_of("01_load") == {"month": "all", "source": "raw", "limit": 5}
    assert target.parameters_of("02_clean") == {"month": "all"}
    assert target.notebooks == ["01_load"]


def test_outputs_of_a_target_that_is_not_the_usual_one_lie_apart(tmp_path):
    assert load(tmp_path).text("outputs") == "outputs"
    assert load(tmp_path, target="prod").text("outputs") == "outputs/prod"
    assert load(tmp_path, target="test").text("outputs") == "seen"
    assert load(tmp_path, {"BRICKLOOP_OUTPUTS": "x"}, target="prod").text("outputs") == "x"


def test_protection_is_said_by_the_table_or_the_name(tmp_path):
    assert load(tmp_path, target="test").target.is_protected
    (tmp_path / "pyproject.toml").write_text("[tool.brickloop.targets.prod]\nprotected = false\n")
    assert not load_settings(tmp_path, {}, {"target": "prod"}).target.is_protected


def test_without_targets_nothing_is_chosen(tmp_path):
    settings = load_settings(tmp_path, {})
    assert settings.target is None
    assert settings.text("outputs") == "outputs"
    assert settings.project == tmp_path.name


def test_an_unknown_target_names_the_known_ones_and_the_file(tmp_path):
    with pytest.raises(SettingsError, match=r"no target 'prd' \(--target\)") as caught:
        load(tmp_path, target="prd")
    assert "the targets are: dev, prod, test" in str(caught.value)
    assert str(tmp_path / "pyproject.toml") in str(caught.value)
    (tmp_path / "pyproject.toml").unlink()
    with pytest.raises(SettingsError, match=r"BRICKLOOP_TARGET\); there are none"):
        load_settings(tmp_path, {"BRICKLOOP_TARGET": "prod"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets = 1", "tool.brickloop.targets is no table"),
        ("targets.prod = 'x'", "targets.prod is no table"),
        ("targets.'../up' = {}", "cannot be the name of a target"),
        ("targets.'' = {}", "cannot be the name of a target"),
        ("targets.prod.protected = 'yes'", "protected is not true or false"),
        ("targets.prod.parameters = 'yes'", "parameters is no table"),
        ("targets.prod.parameters.day = 2024-01-01", "JSON does not have, such as a date"),
        ("targets.prod.target = 'dev'", "has no setting 'target'"),
        ("targets.prod.cache = 'x'", "has no setting 'cache'"),
        ("targets.prod.computer = 'x'", "[tool.brickloop.targets.prod] has no setting 'computer'"),
        ("force = 1", "has no setting 'force'"),
        ("parameters = {a = 1}", "has no setting 'parameters'"),
        ("target = 'dev'", "there is no target 'dev'"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, text, said):
    (tmp_path / "pyproject.toml").write_text(f"[tool.brickloop]\n{text}\n")
    with pytest.raises(SettingsError, match=r"pyproject\.toml") as caught:
        load_settings(tmp_path, {})
    assert said in str(caught.value)
