"""databricks.yml: what is taken from it, who wins over it, and what is said of a wrong one."""

from __future__ import annotations

import sys

import pytest

from brickloop.config.bundle import read_bundle
from brickloop.config.profile import resolve_target
from brickloop.config.settings import load_settings
from brickloop.config.value import Value
from brickloop.errors import SettingsError
from brickloop.flows.target import upload_folder

BUNDLE = """
bundle:
  name: shop
include:
  - resources/*.yml
variables:
  area:
    description: where it goes
    default: ${var.kind}-area
  kind:
    default: plain
  cluster:
    lookup: {cluster: x}
workspace:
  host: https://dev.example.com
targets:
  dev:
    default: true
    mode: development
  stage:
    workspace:
      profile: stage
      root_path: /Workspace/Users/${workspace.current_user.userName}/${bundle.name}/${bundle.target}
  live:
    mode: production
    variables:
      kind: fine
    workspace:
      host: https://live.example.com/
      root_path: /Workspace/Shared/${var.area}
  odd:
    workspace:
      host: https://${var.cluster}.example.com
      root_path: /Workspace/Shared/${resources.jobs.x.id}
"""
CONFIG = """
[stage]
host = https://dev.example.com
[other]
host = https://other.example.com
"""


@pytest.fixture
def load(tmp_path):
    """Settings and environment of a folder with a databricks.yml and a .databrickscfg."""
    (tmp_path / "databricks.yml").write_text(BUNDLE)
    config = tmp_path / "cfg"
    config.write_text(CONFIG)

    def settings(pyproject="", env=None, **flags):
        (tmp_path / "pyproject.toml").write_text(pyproject)
        env = {"DATABRICKS_CONFIG_FILE": str(config), **(env or {})}
        return load_settings(tmp_path, env, flags), env

    return settings


def test_the_default_target_is_meant_on_its_host(load):
    settings, env = load()
    assert settings.target.name == "dev"
    assert settings["target"] == Value("dev", "databricks.yml")
    assert settings["host"].source == "databricks.yml targets.dev.workspace"
    assert not settings.is_protected
    found = resolve_target(settings, env)
    assert (found.host, found.profile) == ("https://dev.example.com", "stage")
    assert settings.project == "shop"
    assert settings.text("outputs") == "outputs"


def test_a_target_has_its_own_workspace_and_folder(load):
    settings, env = load(target="stage")
    assert resolve_target(settings, env).profile == "stage"
    assert upload_folder(settings, "me@x.com", "nb") == "/Workspace/Users/me@x.com/shop/stage"
    live, env = load(target="live")
    assert resolve_target(live, env).host == "https://live.example.com"
    assert live.is_protected
    assert live.target.protected.source == "databricks.yml targets.live.mode"
    assert live.text("folder") == "/Workspace/Shared/fine-area"
    assert live.text("outputs") == "outputs/live"


def test_a_variable_of_the_environment_wins_over_the_files(load):
    settings, _ = load(env={"BUNDLE_VAR_kind": "typed"}, target="live")
    assert settings.text("folder") == "/Workspace/Shared/typed-area"


def test_what_cannot_be_known_is_an_error_where_it_is_used_and_never_a_wrong_host(load):
    settings, env = load(target="odd")
    with pytest.raises(SettingsError, match=r"\$\{var\.cluster\}") as caught:
        resolve_target(settings, env)
    assert caught.value.where == "databricks.yml targets.odd.workspace"
    with pytest.raises(SettingsError, match=r"\$\{resources\.jobs\.x\.id\}"):
        upload_folder(settings, "me", "nb")


def test_brickloops_own_settings_win_over_the_default_target(load):
    settings, env = load('[tool.brickloop]\nprofile = "local"\n')
    assert resolve_target(settings, env).is_local
    assert settings.target.name == "dev"


def test_a_named_target_of_the_bundle_wins_over_settings_for_all(load):
    settings, env = load('[tool.brickloop]\nprofile = "other"\nwarehouse = "w"\n', target="live")
    assert resolve_target(settings, env).host == "https://live.example.com"
    assert settings.text("warehouse") == "w"


def test_a_target_in_both_files_is_joined_and_ours_wins(load):
    text = '[tool.brickloop.targets.live]\nprotected = false\ncompute = "x"\nprofile = "other"\n'
    settings, env = load(text, target="live")
    assert not settings.is_protected
    assert settings.text("compute") == "x"
    assert settings.text("folder") == "/Workspace/Shared/fine-area"
    assert resolve_target(settings, env).host == "https://other.example.com"
    assert set(settings.targets) == {"dev", "stage", "live", "odd"}


def test_an_unknown_target_names_both_files(load):
    with pytest.raises(
        SettingsError, match=r"pyproject\.toml, databricks\.yml: .* dev, live"
    ) as caught:
        load(target="prd")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("targets:\n  only:\n", "only"),
        ("targets:\n  a:\n  b:\n", None),
        ("environments:\n  a:\n  b: {default: true}\n", "b"),
        ("", None),
        ("bundle: {name: x}\n", None),
    ],
)
def test_the_only_target_is_the_default_one(tmp_path, text, default):
    (tmp_path / "databricks.yml").write_text(text)
    found = load_settings(tmp_path, {})
    assert found.default_target == default
    assert (found.target and found.target.name) == default


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bundle:\n  name: x\n bad: y\n", "databricks.yml:3: is no valid YAML"),
        ("a: [1\nb: 2\n", "databricks.yml:2: is no valid YAML"),
        ("- a\n", "it is not a mapping"),
        ("targets: [dev]\n", "targets is not a mapping"),
        ("targets:\n  dev: on\n", "targets.dev is not a mapping"),
        ("targets:\n  dev:\n    workspace: {host: 5}\n", "targets.dev.workspace.host is not text"),
        ("targets:\n  a b: {}\n", "'a b' cannot be the name of a target"),
        ("targets:\n  a: {default: true}\n  b: {default: true}\n", "a and b are both the default"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path, text, said):
    (tmp_path / "databricks.yml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, {})
    assert said in str(caught.value)
    assert str(tmp_path / "databricks.yml") in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "databricks.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path, {})


def test_variables_that_name_each_other_end(tmp_path):
    (tmp_path / "databricks.yml").write_text(
        "variables: {a: {default: '${var.b}'}, b: {default: '${var.a}'}}\n"
        "workspace: {host: '${var.a}'}\n"
    )
    assert "${var." in read_bundle(tmp_path, {}).values["host"].value


def test_yaml_is_not_loaded_where_there_is_no_such_file(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert read_bundle(tmp_path, {}).targets == {}
    (tmp_path / "databricks.yaml").write_text("bundle: {name: x}\n")
    with pytest.raises(ImportError):
        read_bundle(tmp_path, {})
