"""Which workspace is meant: the order, and the reasons given."""

import pytest

from brickloop.config.profile import normalize_host, profiles, resolve_target
from brickloop.config.settings import load_settings
from brickloop.errors import SettingsError

CONFIG = """
[dev]
host = https://Dev.Example.com/
token = dapi%secret
[bare]
token = x
[local]
host = https://never.example.com
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "databrickscfg"
    path.write_text(CONFIG)
    return path


def resolve(root, env, **flags):
    return resolve_target(load_settings(root, env, flags), env)


def test_without_anything_it_is_the_local_workspace(tmp_path):
    target = resolve(tmp_path, {"DATABRICKS_CONFIG_FILE": str(tmp_path / "none")})
    assert target.is_local
    assert target.why == "no workspace is configured"


def test_the_order_of_the_places(tmp_path, config):
    env = {"DATABRICKS_CONFIG_FILE": str(config), "DATABRICKS_HOST": "env.example.com"}
    assert resolve(tmp_path, env).host == "https://env.example.com"
    env["BRICKLOOP_PROFILE"] = "dev"
    assert resolve(tmp_path, env).host == "https://dev.example.com"
    env["DATABRICKS_CONFIG_PROFILE"] = "local"
    assert resolve(tmp_path, env).is_local
    flagged = resolve(tmp_path, env, profile="dev")
    assert (flagged.host, flagged.profile) == ("https://dev.example.com", "dev")
    assert flagged.why == "profile 'dev' (--profile)"


def test_default_profile_and_default_section(tmp_path):
    path = tmp_path / "cfg"
    env = {"DATABRICKS_CONFIG_FILE": str(path)}
    path.write_text("[DEFAULT]\nhost = https://d.example.com\n")
    assert resolve(tmp_path, env).profile == "DEFAULT"
    path.write_text("[__settings__]\ndefault_profile = a\n[a]\nhost = https://a.example.com\n")
    assert resolve(tmp_path, env).host == "https://a.example.com"
    assert profiles(env) == {"a": "https://a.example.com"}


@pytest.mark.parametrize(("name", "said"), [("nope", "there is no profile"), ("bare", "no host")])
def test_a_profile_that_cannot_be_used_is_an_error_never_the_local_one(
    tmp_path, config, name, said
):
    with pytest.raises(SettingsError, match=said):
        resolve(tmp_path, {"DATABRICKS_CONFIG_FILE": str(config)}, profile=name)


def test_a_broken_file_is_named_without_its_content(tmp_path):
    path = tmp_path / "cfg"
    path.write_text("token = dapi-very-secret\n")
    with pytest.raises(SettingsError) as caught:
        resolve(tmp_path, {"DATABRICKS_CONFIG_FILE": str(path)})
    assert "dapi" not in str(caught.value)
    assert "line 1" in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("text", ["", "https://", "ftp://x", "https://user:pw@host", "a b"])
def test_a_host_that_is_none_is_refused_without_quoting_it(text):
    with pytest.raises(SettingsError) as caught:
        normalize_host(text, "DATABRICKS_HOST")
    assert "pw" not in str(caught.value)


TARGETS = """
[tool.brickloop]
target = "dev"
[tool.brickloop.targets.dev]
profile = "dev"
[tool.brickloop.targets.stage]
host = "https://stage.example.com"
[tool.brickloop.targets.prod]
host = "https://prod.example.com"
profile = "prod"
"""


@pytest.fixture
def targets(tmp_path, config):
    """``resolve`` in a project with targets and the profiles of ``config``."""
    (tmp_path / "pyproject.toml").write_text(TARGETS)

    def found(env, **flags):
        return resolve(tmp_path, {"DATABRICKS_CONFIG_FILE": str(config), **env}, **flags)

    return found


def test_a_targets_profile_is_meant_and_named(targets):
    found = targets({})
    assert (found.host, found.profile) == ("https://dev.example.com", "dev")
    assert found.why == (
        "target 'dev', profile 'dev' (pyproject.toml [tool.brickloop.targets.dev])"
    )


def test_a_targets_host_is_signed_in_to_by_its_profile_or_by_the_environment(targets, config):
    env = {"DATABRICKS_HOST": "stage.example.com/", "DATABRICKS_TOKEN": "t"}
    found = targets(env, target="stage")
    assert (found.host, found.profile) == ("https://stage.example.com", None)
    # no profile 'prod' here, as on a machine of CI
    env = {"DATABRICKS_HOST": "https://prod.example.com"}
    found = targets(env, target="prod")
    assert (found.host, found.profile) == ("https://prod.example.com", None)
    assert targets({}, target="stage").profile is None
    config.write_text(f"{CONFIG}[s]\nhost = https://STAGE.example.com\n")
    found = targets({}, target="stage")
    assert (found.host, found.profile) == ("https://stage.example.com", "s")
    config.write_text(f"{CONFIG}[s]\nhost = stage.example.com\n[s2]\nhost = stage.example.com\n")
    with pytest.raises(SettingsError, match=r"several profiles are for .*: s, s2"):
        targets({}, target="stage")


def test_credentials_of_another_host_are_not_shown_to_a_target(targets):
    env = {"DATABRICKS_HOST": "https://other.example.com", "DATABRICKS_TOKEN": "t"}
    with pytest.raises(SettingsError, match=r"https://stage.* https://other") as caught:
        targets(env, target="stage")
    assert "auth login --host https://stage.example.com" in (caught.value.hint or "")


@pytest.mark.parametrize("variable", ["DATABRICKS_CONFIG_PROFILE", "BRICKLOOP_PROFILE"])
def test_a_named_target_is_never_replaced_by_a_variable(targets, config, variable):
    for name in ("dev", "local"):
        with pytest.raises(SettingsError, match="target 'stage' is https://stage") as caught:
            targets({variable: name}, target="stage")
        assert variable in str(caught.value)
    with pytest.raises(SettingsError, match="target 'prod' is https://prod"):
        targets({variable: "dev", "BRICKLOOP_TARGET": "prod"})
    # another profile of the same host is fine
    config.write_text(f"{CONFIG}[ci]\nhost = stage.example.com\n")
    assert targets({variable: "ci"}, target="stage").profile == "ci"


def test_the_usual_target_gives_way_to_a_variable_unless_it_is_protected(targets, tmp_path):
    assert targets({"BRICKLOOP_PROFILE": "local"}).is_local
    text = TARGETS.replace('profile = "dev"', 'profile = "dev"\nprotected = true')
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(SettingsError, match="target 'dev' is https://dev"):
        targets({"BRICKLOOP_PROFILE": "local"})


def test_a_profile_that_is_typed_is_meant(targets):
    found = targets({"DATABRICKS_CONFIG_PROFILE": "bare"}, target="prod", profile="dev")
    assert found.host == "https://dev.example.com"
    assert found.why == "target 'prod', profile 'dev' (--profile)"


def test_profile_and_host_of_different_workspaces_are_refused(tmp_path, config):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.brickloop]\nprofile = "dev"\nhost = "x.example.com"\n'
    )
    with pytest.raises(SettingsError, match=r"profile 'dev' is for https://dev.* https://x"):
        resolve(tmp_path, {"DATABRICKS_CONFIG_FILE": str(config)})
