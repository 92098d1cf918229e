from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    DatabricksError,
    NotFound,
    NotImplemented,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language, ObjectType

from brickloop.launcher import LocalServer
from brickloop.localws.layout import StoreLayout

SOURCE = (
    "# Databricks notebook source\nprint(1)\n\n# COMMAND ----------\n\n# MAGIC %md\n# MAGIC # Hi"
)
Ask = Callable[..., requests.Response]


def put_source(
    client: WorkspaceClient, path: str, text: str = SOURCE, *, overwrite: bool = False
) -> None:
    client.workspace.upload(
        path,
        text.encode(),
        format=ImportFormat.SOURCE,
        language=Language.PYTHON,
        overwrite=overwrite,
    )


def ipynb(*sources: str) -> bytes:
    cells = [
        {"cell_type": "code", "metadata": {}, "source": source, "outputs": []} for source in sources
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document).encode()


def exported(client: WorkspaceClient, path: str, format: ExportFormat) -> str:
    content = client.workspace.export(path, format=format).content
    assert content is not None
    return base64.b64decode(content).decode()


def test_a_source_notebook_comes_back(client: WorkspaceClient, remote_folder: str) -> None:
    path = f"{remote_folder}/nb"
    put_source(client, path, SOURCE + "\n")
    assert exported(client, path, ExportFormat.SOURCE) == SOURCE
    assert client.workspace.download(path).read().decode() == SOURCE
    found = client.workspace.get_status(path)
    assert (found.object_type, found.language) == (ObjectType.NOTEBOOK, Language.PYTHON)
    assert found.path == path


def test_the_header_is_added_once_and_line_ends_become_lf(
    client: WorkspaceClient, remote_folder: str
) -> None:
    for name, text in {
        "bare": "print(1)",
        "headed": SOURCE,
        "dos": SOURCE.replace("\n", "\r\n"),
    }.items():
        put_source(client, f"{remote_folder}/{name}", text)
        back = exported(client, f"{remote_folder}/{name}", ExportFormat.SOURCE)
        assert back.count("# Databricks notebook source") == 1
        assert back.startswith("# Databricks notebook source\nprint(1)")
        assert "\r" not in back


@pytest.mark.parametrize(
    ("language", "header"),
    [
        (Language.SQL, "-- Databricks notebook source"),
        (Language.SCALA, "// Databricks notebook source"),
        (Language.R, "# Databricks notebook source"),
    ],
)
def test_each_language_has_its_header(
    client: WorkspaceClient, remote_folder: str, language: Language, header: str
) -> None:
    path = f"{remote_folder}/nb"
    client.workspace.upload(path, b"x", format=ImportFormat.SOURCE, language=language)
    assert exported(client, path, ExportFormat.SOURCE) == f"{header}\nx"
    assert client.workspace.get_status(path).language is language


def test_source_with_a_language_keeps_the_suffix_in_the_path(
    client: WorkspaceClient, remote_folder: str
) -> None:
    put_source(client, f"{remote_folder}/nb.py")
    assert client.workspace.get_status(f"{remote_folder}/nb.py").object_type is ObjectType.NOTEBOOK


def test_the_json_form_of_import_works_as_well(client: WorkspaceClient, remote_folder: str) -> None:
    client.workspace.import_(
        f"{remote_folder}/nb",
        content=base64.b64encode(SOURCE.encode()).decode(),
        format=ImportFormat.SOURCE,
        language=Language.PYTHON,
    )
    assert exported(client, f"{remote_folder}/nb", ExportFormat.SOURCE) == SOURCE


@pytest.mark.parametrize(
    ("name", "content", "stored", "kind"),
    [
        ("nb.py", SOURCE.encode(), "nb", ObjectType.NOTEBOOK),
        ("nb.sql", b"-- Databricks notebook source\nselect 1", "nb", ObjectType.NOTEBOOK),
        ("nb.ipynb", ipynb("1"), "nb", ObjectType.NOTEBOOK),
        ("module.py", b"x = 1\n", "module.py", ObjectType.FILE),
        ("headed", SOURCE.encode(), "headed", ObjectType.FILE),
        ("headed.txt", SOURCE.encode(), "headed.txt", ObjectType.FILE),
        ("mark.py", b"\xef\xbb\xbf" + SOURCE.encode(), "mark.py", ObjectType.FILE),
        ("broken.ipynb", b"{}", "broken.ipynb", ObjectType.FILE),
        ("data.bin", bytes(range(256)), "data.bin", ObjectType.FILE),
    ],
)
def test_auto_decides_by_suffix_and_header(
    client: WorkspaceClient,
    remote_folder: str,
    name: str,
    content: bytes,
    stored: str,
    kind: ObjectType,
) -> None:
    client.workspace.upload(f"{remote_folder}/{name}", content, format=ImportFormat.AUTO)
    (found,) = list(client.workspace.list(remote_folder))
    assert (found.path, found.object_type) == (f"{remote_folder}/{stored}", kind)
    if kind is ObjectType.FILE:
        assert client.workspace.download(f"{remote_folder}/{stored}").read() == content
        assert found.size == len(content)


def test_raw_is_always_a_file(client: WorkspaceClient, remote_folder: str) -> None:
    client.workspace.upload(f"{remote_folder}/nb.py", SOURCE.encode(), format=ImportFormat.RAW)
    assert client.workspace.get_status(f"{remote_folder}/nb.py").object_type is ObjectType.FILE


def test_jupyter_is_kept_and_turned_into_source(
    client: WorkspaceClient, remote_folder: str, ask: Ask
) -> None:
    path = f"{remote_folder}/nb"
    client.workspace.upload(path, ipynb("print(1)", "%sql\nselect 1"), format=ImportFormat.JUPYTER)
    assert exported(client, path, ExportFormat.SOURCE) == (
        "# Databricks notebook source\nprint(1)\n\n# COMMAND ----------\n\n"
        "# MAGIC %sql\n# MAGIC select 1"
    )
    document = json.loads(exported(client, path, ExportFormat.JUPYTER))
    assert [cell["source"] for cell in document["cells"]] == ["print(1)", "%sql\nselect 1"]
    info = ask(
        "GET",
        "/api/2.0/workspace/get-status",
        params={"path": path, "return_export_info": "true"},
    ).json()
    assert info["repos_export_format"] == "JUPYTER"


def test_source_is_turned_into_jupyter(
    client: WorkspaceClient, remote_folder: str, ask: Ask
) -> None:
    path = f"{remote_folder}/nb"
    put_source(client, path)
    document = json.loads(exported(client, path, ExportFormat.JUPYTER))
    assert [(c["cell_type"], "".join(c["source"])) for c in document["cells"]] == [
        ("code", "print(1)"),
        ("markdown", "# Hi"),
    ]
    assert exported(client, path, ExportFormat.JUPYTER) == exported(
        client, path, ExportFormat.JUPYTER
    )
    params = {"path": path, "return_export_info": "true"}
    info = ask("GET", "/api/2.0/workspace/get-status", params=params).json()
    assert info["repos_export_format"] == "SOURCE"


def test_no_notebook_is_made_of_what_is_none(client: WorkspaceClient, remote_folder: str) -> None:
    for content, format, language in (
        (b"{}", ImportFormat.JUPYTER, None),
        (b"\xff\xfe", ImportFormat.JUPYTER, None),
        (b"\xff\xfe", ImportFormat.SOURCE, Language.PYTHON),
    ):
        with pytest.raises(DatabricksError) as caught:
            client.workspace.upload(
                f"{remote_folder}/nb", content, format=format, language=language
            )
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert list(client.workspace.list(remote_folder)) == []


def test_source_without_language_wants_an_archive(
    client: WorkspaceClient, remote_folder: str
) -> None:
    with pytest.raises(BadRequest, match="zip archive"):
        client.workspace.upload(f"{remote_folder}/nb", b"print(1)", format=ImportFormat.SOURCE)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.py", SOURCE)
    with pytest.raises(NotImplemented, match="as a zip archive is not available"):
        client.workspace.upload(
            f"{remote_folder}/all", archive.getvalue(), format=ImportFormat.SOURCE
        )


@pytest.mark.parametrize("format", [ImportFormat.HTML, ImportFormat.DBC])
def test_a_format_that_is_not_offered_names_itself(
    client: WorkspaceClient, remote_folder: str, format: ImportFormat
) -> None:
    with pytest.raises(NotImplemented, match=f"{format.value} is not available"):
        client.workspace.upload(f"{remote_folder}/nb", b"x", format=format)


@pytest.mark.parametrize("path", ["/Users/nobody/nothing", "/Workspace/nothing"])
def test_a_missing_path_is_named_as_it_was_asked(client: WorkspaceClient, path: str) -> None:
    for call in (
        lambda: client.workspace.get_status(path),
        lambda: list(client.workspace.list(path)),
        lambda: client.workspace.export(path),
        lambda: client.workspace.delete(path),
    ):
        with pytest.raises(ResourceDoesNotExist) as caught:
            call()
        assert str(caught.value) == f"Path ({path}) doesn't exist."


def test_both_spellings_name_the_same_object(client: WorkspaceClient, remote_folder: str) -> None:
    put_source(client, f"{remote_folder}/nb")
    short = remote_folder.removeprefix("/Workspace")
    one = client.workspace.get_status(f"{remote_folder}/nb")
    two = client.workspace.get_status(f"{short}/nb")
    assert one.object_id == two.object_id
    assert two.path == f"{short}/nb"
    assert [found.path for found in client.workspace.list(short)] == [f"{short}/nb"]


def test_a_list_of_a_file_is_that_file(client: WorkspaceClient, remote_folder: str) -> None:
    client.workspace.upload(f"{remote_folder}/a.txt", b"x", format=ImportFormat.RAW)
    (found,) = list(client.workspace.list(f"{remote_folder}/a.txt"))
    assert found.path == f"{remote_folder}/a.txt"


def test_an_empty_folder_lists_nothing_at_all(remote_folder: str, ask: Ask) -> None:
    assert ask("GET", "/api/2.0/workspace/list", params={"path": remote_folder}).json() == {}


def test_a_list_is_one_level_deep_and_can_leave_out_old_notebooks(
    client: WorkspaceClient, remote_folder: str
) -> None:
    client.workspace.mkdirs(f"{remote_folder}/sub/deeper")
    put_source(client, f"{remote_folder}/old")
    stamp = client.workspace.get_status(f"{remote_folder}/old").modified_at
    time.sleep(0.002)
    put_source(client, f"{remote_folder}/new")
    names = [str(found.path).rpartition("/")[2] for found in client.workspace.list(remote_folder)]
    assert names == ["new", "old", "sub"]
    later = client.workspace.list(remote_folder, notebooks_modified_after=stamp)
    assert [str(found.path).rpartition("/")[2] for found in later] == ["new", "sub"]


def test_parents_are_never_made(client: WorkspaceClient, remote_folder: str, ask: Ask) -> None:
    with pytest.raises(NotFound, match=rf"The parent folder \({remote_folder}/no\) does not exist"):
        put_source(client, f"{remote_folder}/no/nb")
    answer = ask("POST", f"/api/2.0/workspace-files/import-file{remote_folder}/no/f", data=b"x")
    assert answer.status_code == 404


def test_what_is_there_is_not_overwritten_unless_asked(
    client: WorkspaceClient, remote_folder: str
) -> None:
    path = f"{remote_folder}/nb"
    put_source(client, path)
    before = client.workspace.get_status(path)
    with pytest.raises(ResourceAlreadyExists):
        put_source(client, path, "print(2)")
    assert exported(client, path, ExportFormat.SOURCE) == SOURCE
    put_source(client, path, "print(2)", overwrite=True)
    after = client.workspace.get_status(path)
    assert after.object_id == before.object_id
    assert (after.modified_at or 0) > (before.modified_at or 0)


def test_each_of_many_quick_writes_has_its_own_stamp(
    client: WorkspaceClient, remote_folder: str
) -> None:
    path = f"{remote_folder}/nb"
    stamps = []
    for number in range(5):
        put_source(client, path, f"print({number})", overwrite=True)
        stamps.append(client.workspace.get_status(path).modified_at)
    assert stamps == sorted(set(stamps))


def test_kinds_do_not_replace_each_other(client: WorkspaceClient, remote_folder: str) -> None:
    client.workspace.mkdirs(f"{remote_folder}/folder")
    put_source(client, f"{remote_folder}/nb")
    for path in (f"{remote_folder}/folder", f"{remote_folder}/nb"):
        with pytest.raises(ResourceAlreadyExists):
            client.workspace.upload(path, b"x", format=ImportFormat.RAW, overwrite=True)
    with pytest.raises(ResourceAlreadyExists):
        client.workspace.mkdirs(f"{remote_folder}/nb")
    with pytest.raises(ResourceAlreadyExists):
        client.workspace.mkdirs(f"{remote_folder}/nb/below")


def test_folders_are_made_with_parents(client: WorkspaceClient, remote_folder: str) -> None:
    for _ in range(2):
        client.workspace.mkdirs(f"{remote_folder}/a/b/c")
    found = client.workspace.get_status(f"{remote_folder}/a/b/c")
    assert found.object_type is ObjectType.DIRECTORY


def test_a_full_folder_is_deleted_only_recursively(
    client: WorkspaceClient, remote_folder: str
) -> None:
    put_source(client, f"{remote_folder}/sub_nb")
    with pytest.raises(BadRequest) as caught:
        client.workspace.delete(remote_folder)
    assert caught.value.error_code == "DIRECTORY_NOT_EMPTY"
    assert exported(client, f"{remote_folder}/sub_nb", ExportFormat.SOURCE) == SOURCE
    client.workspace.delete(remote_folder, recursive=True)
    with pytest.raises(ResourceDoesNotExist):
        client.workspace.get_status(f"{remote_folder}/sub_nb")


def test_a_name_used_again_is_a_new_object(client: WorkspaceClient, remote_folder: str) -> None:
    put_source(client, f"{remote_folder}/nb")
    before = client.workspace.get_status(f"{remote_folder}/nb").object_id
    client.workspace.delete(f"{remote_folder}/nb")
    client.workspace.upload(f"{remote_folder}/nb", b"x", format=ImportFormat.RAW)
    after = client.workspace.get_status(f"{remote_folder}/nb")
    assert (after.object_id != before, after.object_type) == (True, ObjectType.FILE)


@pytest.mark.parametrize("path", ["/", "/Workspace", "/Users/"])
def test_the_roots_cannot_be_deleted(ask: Ask, path: str) -> None:
    answer = ask("POST", "/api/2.0/workspace/delete", json={"path": path, "recursive": True})
    assert answer.status_code == 400
    assert ask("GET", "/api/2.0/workspace/list", params={"path": "/"}).json()["objects"]


def test_of_five_creators_at_once_one_wins(remote_folder: str, ask: Ask) -> None:
    url = f"/api/2.0/workspace-files/import-file{remote_folder}/one.txt"

    def create(number: int) -> int:
        params = {"overwrite": "false"}
        return ask("POST", url, params=params, data=str(number).encode()).status_code

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(create, range(5))) == [200, 409, 409, 409, 409]


def test_import_file_tells_a_notebook_in_its_way(
    client: WorkspaceClient, remote_folder: str, ask: Ask
) -> None:
    put_source(client, f"{remote_folder}/nb")
    url = f"/api/2.0/workspace-files/import-file{remote_folder}/nb.py?overwrite=false"
    answer = ask("POST", url, data=SOURCE.encode())
    assert (answer.status_code, answer.json()["error_code"]) == (400, "")
    assert answer.json()["message"].endswith("already exists.")


def test_import_file_makes_notebooks_and_files(
    client: WorkspaceClient, remote_folder: str, ask: Ask
) -> None:
    base = f"/api/2.0/workspace-files/import-file{remote_folder}"
    assert ask("POST", f"{base}/nb.py?overwrite=true", data=SOURCE.encode()).status_code == 200
    assert ask("POST", f"{base}/a%20b%23.txt", data=b"hello").status_code == 200
    kinds = {
        str(f.path).rpartition("/")[2]: f.object_type for f in client.workspace.list(remote_folder)
    }
    assert kinds == {"nb": ObjectType.NOTEBOOK, "a b#.txt": ObjectType.FILE}


def test_ten_megabytes_are_the_limit(client: WorkspaceClient, remote_folder: str) -> None:
    path = f"{remote_folder}/big"
    put_source(client, path, "# " + "x" * (10 * 1024 * 1024 - 200))
    for text in ("x" * (10 * 1024 * 1024 + 1), "x" * (20 * 1024 * 1024)):
        with pytest.raises(BadRequest) as caught:
            put_source(client, path, text, overwrite=True)
        assert caught.value.error_code == "MAX_NOTEBOOK_SIZE_EXCEEDED"
        with pytest.raises(BadRequest) as caught:
            client.workspace.import_(
                path,
                content=base64.b64encode(text.encode()).decode(),
                format=ImportFormat.RAW,
                overwrite=True,
            )
        assert caught.value.error_code == "MAX_NOTEBOOK_SIZE_EXCEEDED"


def test_a_large_file_goes_and_comes_as_it_is(client: WorkspaceClient, remote_folder: str) -> None:
    path, data = f"{remote_folder}/large.bin", bytes(range(256)) * 50_000
    client.workspace.upload(path, data, format=ImportFormat.RAW)
    assert client.workspace.download(path, format=ExportFormat.AUTO).read() == data
    with pytest.raises(BadRequest) as caught:
        client.workspace.export(path, format=ExportFormat.AUTO)
    assert caught.value.error_code == "MAX_READ_SIZE_EXCEEDED"


def test_a_file_written_behind_the_api_is_an_object(
    client: WorkspaceClient, remote_folder: str, local_server: LocalServer
) -> None:
    real = StoreLayout(local_server.root).real(f"{remote_folder}/made.txt")
    real.write_text("one")
    first = client.workspace.get_status(f"{remote_folder}/made.txt")
    assert (first.object_type, first.size) == (ObjectType.FILE, 3)
    real.write_text("two!")
    second = client.workspace.get_status(f"{remote_folder}/made.txt")
    assert second.object_id == first.object_id
    assert (second.modified_at or 0) > (first.modified_at or 0)
    real.unlink()
    with pytest.raises(ResourceDoesNotExist):
        client.workspace.get_status(f"{remote_folder}/made.txt")


def test_a_link_in_the_store_leads_nowhere(
    client: WorkspaceClient,
    remote_folder: str,
    local_server: LocalServer,
    tmp_path: Path,
    ask: Ask,
) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    real = StoreLayout(local_server.root).real(remote_folder)
    (real / "out").symlink_to(tmp_path)
    assert list(client.workspace.list(remote_folder)) == []
    for path in (f"{remote_folder}/out", f"{remote_folder}/out/secret.txt"):
        answer = ask("GET", "/api/2.0/workspace/export", params={"path": path})
        assert answer.status_code in {400, 404}
        assert "secret" not in answer.json().get("content", "")
