"""Remote paths: which store, and never out of a folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickloop.errors import PathError
from brickloop.model.paths import Store, join_remote, parse_remote_path, workspace_path


@pytest.mark.parametrize(
    ("text", "store", "path", "shown"),
    [
        ("/tmp/x", Store.DBFS, "/tmp/x", "dbfs:/tmp/x"),
        ("dbfs:/tmp/x", Store.DBFS, "/tmp/x", "dbfs:/tmp/x"),
        ("dbfs:///tmp//x/", Store.DBFS, "/tmp/x", "dbfs:/tmp/x"),
        ("/dbfs/tmp/x", Store.DBFS, "/tmp/x", "dbfs:/tmp/x"),
        ("dbfs:/", Store.DBFS, "/", "dbfs:/"),
        ("dbfs:/Users/me", Store.DBFS, "/Users/me", "dbfs:/Users/me"),
        ("/Volumes/c/s/v/a.txt", Store.VOLUME, "/Volumes/c/s/v/a.txt", "/Volumes/c/s/v/a.txt"),
        ("dbfs:/Volumes/c/s/v", Store.VOLUME, "/Volumes/c/s/v", "/Volumes/c/s/v"),
        ("/Workspace/Users/me/x", Store.WORKSPACE, "/Workspace/Users/me/x", None),
        ("/Users/me/x", Store.WORKSPACE, "/Workspace/Users/me/x", "/Workspace/Users/me/x"),
        ("file:/Workspace/Shared/a", Store.WORKSPACE, "/Workspace/Shared/a", None),
    ],
)
def test_a_path_belongs_to_the_store_that_notebooks_take_it_for(text, store, path, shown):
    found = parse_remote_path(text)
    assert (found.store, found.path) == (store, path)
    assert str(found) == (shown or path)


@pytest.mark.parametrize(
    "text", ["x/y", "", "s3://bucket/x", "/tmp/../etc", "dbfs:/a/../../b", "/a\x00"]
)
def test_a_path_that_is_none_is_refused(text):
    with pytest.raises(PathError):
        parse_remote_path(text)


def test_users_and_workspace_users_are_one_spelling():
    assert workspace_path("/Users/me//x/") == "/Workspace/Users/me/x"
    assert workspace_path("/Workspace/Users/me/x") == "/Workspace/Users/me/x"
    assert workspace_path("/") == "/Workspace"


@given(st.text(max_size=30))
def test_joining_never_leads_out_of_the_folder(relative):
    try:
        joined = join_remote("/Workspace/Users/me", relative)
    except PathError:
        return
    assert joined == "/Workspace/Users/me" or joined.startswith("/Workspace/Users/me/")
    assert ".." not in joined.split("/")
