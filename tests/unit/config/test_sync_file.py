"""``.databricks_sync.json``: what is understood, and each mistake with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from brickloop.config.sync_file import (
    FILE_NAME,
    Direction,
    SyncPair,
    parse_sync_file,
    read_sync_file,
    schema_text,
)
from brickloop.errors import SettingsError, UsageError

SEED = """{
    "sync_pairs": [
        {
            "local": "projects/my_project",
            "workspace": "/Workspace/Users/user@example.com/my_project",
            "patterns": ["**/*.py", "**/*.sql"],
            "auto_sync": true,
            "direction": "bidirectional"
        }
    ],
    "exclude_patterns": [
        "**/__pycache__/**",
        "**/*.pyc",
        "**/.git/**"
    ],
    "sync_on_save": true
}
"""


def read(root: Path, text: str):
    return parse_sync_file(root / FILE_NAME, text.encode())


def pairs(*each: dict[str, object], **more: object) -> str:
    return json.dumps({"sync_pairs": list(each), **more}, indent=1)


def test_the_file_as_the_sketch_draws_it(tmp_path):
    (tmp_path / FILE_NAME).write_text(SEED)
    found = read_sync_file(tmp_path)
    (pair,) = found.pairs
    assert (pair.local, pair.name) == ("projects/my_project", "my_project")
    assert pair.workspace == "/Workspace/Users/user@example.com/my_project"
    assert pair.patterns == ("**/*.py", "**/*.sql")
    assert (pair.auto_sync, pair.direction, found.sync_on_save) == (
        True, Direction.BIDIRECTIONAL, True,
    )  # fmt: skip
    assert found.exclude_patterns == ("**/__pycache__/**", "**/*.pyc", "**/.git/**")
    assert found.folder_of(pair) == tmp_path / "projects" / "my_project"


def test_what_is_left_out_has_a_default(tmp_path):
    found = read(tmp_path, pairs({"local": "./a/", "workspace": "/Users/me/a/"}))
    assert found.pairs[0] == SyncPair("a", "/Workspace/Users/me/a", line=found.pairs[0].line)
    assert found.exclude_patterns == ()


def test_home_and_the_own_folder(tmp_path):
    found = read(tmp_path, pairs({"local": ".", "workspace": "~/work"}))
    assert (found.pairs[0].workspace, found.pairs[0].name) == ("~/work", "work")
    assert found.folder_of(found.pairs[0]) == tmp_path


PAIR = {"local": "a", "workspace": "/Workspace/a"}
WRONG = [
    ('{\n "sync_pairs": [\n  {,}\n ]\n}', 3, "is no JSON"),
    ("[]", 1, "the file is no JSON object"),
    ('{\n"a": 1,\n"sync_pairs": []}', 2, "unknown key 'a'"),
    ('{\n"sync_on_save": true\n}', 1, "'sync_pairs' is missing"),
    ('{\n"sync_pairs":\n []}', 3, "'sync_pairs' is empty"),
    ('{\n"sync_pairs": {}}', 2, "is an object, not a list"),
    ('{"sync_pairs": [\n\n{}]}', 3, "'local' is missing"),
    ('{"sync_pairs": [\n{"local": "a"}]}', 2, "'workspace' is missing"),
    ('{"sync_pairs": [\n"a"]}', 2, "a pair is no JSON object"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a",\n"pattern": []}]}', 2, "key 'pattern'"),
    ('{"sync_pairs": [{"local": "a", "local": "b",\n"workspace": "/a"}]}', 1, "given twice"),
    ('{"sync_pairs": [{"local":\n7, "workspace": "/a"}]}', 2, "is the number 7, not text"),
    ('{"sync_pairs": [{"local":\n" ", "workspace": "/a"}]}', 2, "'local' is empty"),
    ('{"sync_pairs": [{"local":\n"/a", "workspace": "/a"}]}', 2, "which is absolute"),
    ('{"sync_pairs": [{"local":\n"C:/a", "workspace": "/a"}]}', 2, "which is absolute"),
    ('{"sync_pairs": [{"local":\n"~/a", "workspace": "/a"}]}', 2, "which is absolute"),
    ('{"sync_pairs": [{"local":\n"a\\\\b", "workspace": "/a"}]}', 2, "with slashes"),
    ('{"sync_pairs": [{"local":\n"a/../../b", "workspace": "/a"}]}', 2, "leads out of"),
    ('{"sync_pairs": [{"local": "a", "workspace":\n"Users/a"}]}', 2, "is not absolute"),
    ('{"sync_pairs": [{"local": "a", "workspace":\n"/Users/../b"}]}', 2, "leads upwards"),
    ('{"sync_pairs": [{"local": "a", "workspace":\n"~/../b"}]}', 2, "leads upwards"),
    ('{"sync_pairs": [{"local": "a", "workspace":\n"/"}]}', 2, "the whole workspace"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a", "patterns":\n"x"}]}', 2, "not a list"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a", "patterns":\n[]}]}', 2, "is empty"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a", "patterns": ["a",\n"!"]}]}', 2, "no gitig"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a", "auto_sync":\n1}]}', 2, "not true or"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a", "direction":\n"up"}]}', 2, "is 'up'"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a"}],\n"sync_on_save": "yes"}', 2, "is text"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a"},\n{"local": "a/b", "workspace": "/b"}]}',
     2, "overlaps 'a' of line 1"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a/b"},\n{"local": "b", "workspace": "/a"}]}',
     2, "'workspace' is '/Workspace/a', which overlaps"),
    ('{"sync_pairs": [{"local": "a", "workspace": "/a"},\n{"local": ".", "workspace": "/b"}]}',
     2, "overlaps"),
    ('{"sync_pairs": NaN}', 1, "NaN is no JSON value"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said"), WRONG)
def test_a_mistake_is_said_with_its_line(tmp_path, text, line, said):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / FILE_NAME}:{line}: ")
    assert caught.value.exit_code == 2


def test_bytes_that_are_no_text(tmp_path):
    with pytest.raises(SettingsError, match=":2: is not UTF-8"):
        parse_sync_file(tmp_path / FILE_NAME, b"{\n\xff}")


def test_a_local_folder_that_is_a_link_out_of_the_project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (root / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="a link that leads out"):
        read(root, pairs(PAIR))


def test_two_names_of_one_folder_overlap(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(SettingsError, match="overlaps"):
        read(tmp_path, pairs(PAIR, {"local": "b", "workspace": "/Workspace/b"}))


def test_no_file_says_how_to_write_one(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_sync_file(tmp_path)
    assert "invoke sync.init" in (caught.value.hint or "")


def test_a_project_is_chosen_by_name_or_path(tmp_path):
    found = read(
        tmp_path,
        pairs(
            {"local": "x/etl", "workspace": "/Workspace/1"},
            {"local": "y/etl", "workspace": "/Workspace/2"},
            {"local": "z/web", "workspace": "/Workspace/3"},
        ),
    )
    assert found.choose(None) == found.pairs
    assert found.choose("web") == found.choose("z/web/") == (found.pairs[2],)
    assert found.choose("y/etl") == (found.pairs[1],)
    with pytest.raises(UsageError, match="name of 2 pairs") as caught:
        found.choose("etl")
    assert "--project x/etl, --project y/etl" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="no pair 'nope'"):
        found.choose("nope")


def test_the_schema_has_the_same_keys_and_rules():
    schema = json.loads(schema_text())
    pair = schema["properties"]["sync_pairs"]["items"]
    assert set(schema["properties"]) == {
        "$schema", "sync_pairs", "exclude_patterns", "sync_on_save",
    }  # fmt: skip
    assert set(pair["properties"]) == {"local", "workspace", "patterns", "auto_sync", "direction"}
    assert schema["additionalProperties"] is pair["additionalProperties"] is False
    assert pair["required"] == ["local", "workspace"]
    assert pair["properties"]["direction"]["enum"] == [one.value for one in Direction]
    local = re.compile(pair["properties"]["local"]["pattern"])
    assert all(local.search(good) for good in ("a", ".", "a/b", "a..b", "..a"))
    assert not any(
        local.search(bad) for bad in ("/a", "~/a", "C:/a", "../a", "a/../b", "a/..", "a\\b")
    )
    remote = re.compile(pair["properties"]["workspace"]["pattern"])
    assert all(remote.search(good) for good in ("/Workspace/a", "~", "~/a"))
    assert not any(remote.search(bad) for bad in ("Users/a", "~a", "/a/../b"))
