"""Settings: who wins, and what is said of a wrong one."""

import json

import pytest

from brickloop.config.settings import DEFAULTS, DESCRIPTIONS, find_root, load_settings
from brickloop.errors import SettingsError


def write(root, text):
    (root / "pyproject.toml").write_text(text)


def test_flag_beats_variable_beats_file_beats_default(tmp_path):
    assert load_settings(tmp_path, {})["compute"].source == "default"
    write(tmp_path, '[tool.brickloop]\ncompute = "a"\nrun_timeout = 60\n')
    settings = load_settings(tmp_path, {})
    assert settings["compute"].value == "a"
    assert settings["compute"].source == "pyproject.toml [tool.brickloop]"
    assert settings.seconds("run_timeout") == 60
    settings = load_settings(tmp_path, {"BRICKLOOP_COMPUTE": "b"})
    assert (settings["compute"].value, settings["compute"].source) == ("b", "BRICKLOOP_COMPUTE")
    settings = load_settings(tmp_path, {"BRICKLOOP_COMPUTE": "b"}, {"compute": "c", "folder": None})
    assert (settings["compute"].value, settings["compute"].source) == ("c", "--compute")
    assert settings["folder"].source == "default"


def test_a_job_cluster_is_written_as_a_table(tmp_path):
    write(tmp_path, '[tool.brickloop.compute]\nspark_version = "15.4.x"\nnum_workers = 1\n')
    value = load_settings(tmp_path, {}).text("compute")
    assert json.loads(value) == {"spark_version": "15.4.x", "num_workers": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.brickloop]\ncomputer = 'a'\n", "no setting 'computer'"),
        ("[tool.brickloop]\ncompute = ['a']\n", "must be text or a number"),
        ("[tool.brickloop]\ncompute = true\n", "must be text or a number"),
        ("[tool", "no valid TOML"),
    ],
)
def test_a_wrong_file_is_named_and_nothing_is_guessed(tmp_path, text, said):
    write(tmp_path, text)
    with pytest.raises(SettingsError, match=r"pyproject\.toml") as caught:
        load_settings(tmp_path, {})
    assert said in str(caught.value)


def test_a_folder_of_that_name_is_named(tmp_path):
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(SettingsError, match=r"pyproject\.toml: cannot be read"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan", "inf", ""])
def test_seconds_are_a_number_above_zero(tmp_path, text):
    settings = load_settings(tmp_path, {"BRICKLOOP_RUN_TIMEOUT": text or " "})
    with pytest.raises(SettingsError, match="BRICKLOOP_RUN_TIMEOUT"):
        settings.seconds("run_timeout")


def test_a_missing_setting_says_where_to_put_it(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, {}).required("folder")
    assert "BRICKLOOP_FOLDER" in (caught.value.hint or "")


def test_every_setting_is_described():
    assert set(DEFAULTS) == set(DESCRIPTIONS)


def test_the_root_is_the_nearest_project_upwards(tmp_path):
    (tmp_path / "dodo.py").touch()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_root(inner) == tmp_path.resolve()


def test_a_bundle_is_a_project_where_there_is_nothing_else(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "databricks.yml").touch()
    assert find_root(inner) == (tmp_path / "a").resolve()
    (tmp_path / "dodo.py").touch()
    assert find_root(inner) == tmp_path.resolve()
