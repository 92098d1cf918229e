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
