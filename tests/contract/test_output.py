"""NotebookOutput in real notebooks of the local workspace, and its reader on every store."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.workspace import ImportFormat, Language
from tests.conftest import VOLUME
from tests.fakes.notebook import png

from brickloop import NotebookOutputReader
from brickloop.clients.files import RemoteFiles
from brickloop.errors import OutputEmpty, OutputMissing, OutputNotText, OutputUnavailable
from brickloop.jobs.document_follower import DocumentFollower
from brickloop.jobs.status import run_status
from brickloop.jobs.submit import NotebookWork, RunRequest, submit
from brickloop.model.document import Document, Section
from brickloop.model.run import RunStatus
from brickloop.runtime.wheel import runtime_wheel

MIB = 1024 * 1024
BEGIN = "from brickloop import NotebookOutput\noutput = NotebookOutput()"


class Notebooks:
    """Runs notebooks with the runtime wheel, as brickloop does, and follows their output."""

    def __init__(self, client: WorkspaceClient, folder: str) -> None:
        self.client = client
        self.folder = folder
        self.host = client.config.host or ""
        self.files = RemoteFiles(client, self.host)
        name, data = runtime_wheel("0.0")
        self.wheel = f"{folder}/{name}"
        self.files.write(self.wheel, data)
        self.output = ""

    def start(
        self, *cells: str, output: str = "", sql: bool = False, **more: Any
    ) -> tuple[int, DocumentFollower]:
        mark = "--" if sql else "#"
        text = f"{mark} Databricks notebook source\n" + f"\n\n{mark} COMMAND ----------\n\n".join(
            cells
        )
        path = f"{self.folder}/{uuid.uuid4().hex[:8]}"
        self.client.workspace.upload(
            path,
            text.encode(),
            format=ImportFormat.SOURCE,
            language=Language.SQL if sql else Language.PYTHON,
        )
        key = uuid.uuid4().hex
        self.output = output or f"{VOLUME}/runs/{key}"
        request = RunRequest("test", NotebookWork(path), key, self.output, self.wheel, **more)
        return submit(self.client, self.host, request), self.follower()

    def follower(self) -> DocumentFollower:
        return DocumentFollower(self.files, self.output)

    def until(self, run_id: int, holds: Callable[[RunStatus], bool]) -> RunStatus:
        deadline = time.monotonic() + 90
        while not holds(status := run_status(self.client, self.host, run_id)):
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def run(self, *cells: str, **more: Any) -> tuple[RunStatus, Document | None]:
        run_id, follower = self.start(*cells, **more)
        status = self.until(run_id, lambda status: status.life_cycle.is_final)
        follower.finish(succeeded=status.succeeded)
        assert follower.error is None
        return status, follower.document()


@pytest.fixture
def notebooks(client: WorkspaceClient, remote_folder: str) -> Notebooks:
    return Notebooks(client, remote_folder)


EVERYTHING = """\
import base64
import matplotlib
import pandas
import pyarrow
from matplotlib import pyplot

price = "CAST(id AS DECIMAL(9,2)) AS price"
frame = spark.range(1000).selectExpr("id", "id % 2 = 0 AS even", price)
output.metadata["rows"] = 1000
output.add_section("Text", "plain")
output.add_markdown("Markdown", "# heading")
output.add_code("Code", "print(1)")
output.add_section("Statement", "SELECT 1", "sql")
output.add_json("JSON", {"a": 1})
output.add_html("HTML", "<b>x</b>")
output.add_dataframe("Spark", frame, max_rows=3)
output.add_dataframe("Short", frame.limit(2))
output.add_dataframe("Pandas", pandas.DataFrame({"n": [1, 2]}), max_rows=1)
output.add_dataframe("Arrow", pyarrow.table({"n": [1, None]}))
output.add_query_result("Query", "SELECT 2 AS two", spark.sql("SELECT 2 AS two"))
output.add_query_result("As text", "SELECT 3", frame.limit(1).toPandas().to_string())
figure, axes = pyplot.subplots()
axes.plot([1, 3, 2])
output.add_figure("Matplotlib", figure)
output.add_figure("SVG", "<svg xmlns='http://www.w3.org/2000/svg'/>")
output.add_error("Error", ValueError("said"))
output.add_values("Values", {"a": 1})
output.add_metric("Metric", 0.5)
output.add_warning("Warning", "careful")
output.add_log("Log", "line")
output.add_progress("Progress", 1, 2)
"""


@pytest.mark.parametrize("store", ["volume", "dbfs", "workspace"])
def test_a_notebook_with_every_kind_of_section(notebooks, remote_folder, store):
    key = uuid.uuid4().hex
    root = {"volume": f"{VOLUME}/runs", "dbfs": "dbfs:/tmp/runs", "workspace": remote_folder}
    status, document = notebooks.run(
        BEGIN, EVERYTHING, output=f"{root[store]}/{key}", parameters={"day": "1"}
    )
    assert status.succeeded, status.message
    assert document is not None
    assert (document.complete, document.status, document.reason) == (True, "finished", "")
    assert document.metadata == {"rows": "1000"}
    assert document.params == {"day": "1"}
    assert [section.done for section in document.progress] == [1.0]
    found = {section.title: section for section in document.sections}
    assert len(found) == len(document.sections) == 19
    spark = found["Spark"]
    assert spark.columns == (("id", "bigint"), ("even", "boolean"), ("price", "decimal(9,2)"))
    assert spark.rows == ((0, True, "0.00"), (1, False, "1.00"), (2, True, "2.00"))
    assert (spark.rows_total, spark.truncated) == (1000, True)
    assert spark.ms is not None and spark.ms > 0
    assert (found["Short"].rows_total, found["Short"].truncated) == (2, False)
    assert (found["Pandas"].rows_total, found["Pandas"].rows) == (2, ((1,),))
    assert found["Arrow"].rows == ((1,), (None,))
    assert (found["Query"].query, found["Query"].rows) == ("SELECT 2 AS two", ((2,),))
    assert "price" in found["As text"].text
    image = found["Matplotlib"].image
    assert image is not None and image.startswith(b"\x89PNG") and len(image) > 1000
    assert (found["SVG"].image or b"").startswith(b"<svg")
    assert found["Error"].text == "ValueError: said"


def test_sections_can_be_read_while_the_notebook_runs(notebooks, client):
    run_id, follower = notebooks.start(
        BEGIN,
        'import time\noutput.add_section("first", "1")',
        f"import os\nwhile not os.path.exists({notebooks.folder + '/go'!r}):\n    time.sleep(0.01)",
        'output.add_section("second", "2")',
    )
    seen: list[Section] = []
    deadline = time.monotonic() + 60
    while not seen:
        assert time.monotonic() < deadline
        seen += follower.poll()
        time.sleep(0.02)
    assert [section.title for section in seen] == ["first"]
    assert not run_status(client, notebooks.host, run_id).life_cycle.is_final
    notebooks.files.write(f"{notebooks.folder}/go", b"go")
    notebooks.until(run_id, lambda status: status.life_cycle.is_final)
    assert [section.title for section in follower.finish(succeeded=True)] == ["second"]
    assert follower.document().complete


def test_a_notebook_that_fails_keeps_what_it_said(notebooks):
    status, document = notebooks.run(
        BEGIN,
        'output.add_section("before", "kept")\nraise ValueError("end")',
        'output.add_section("never", "x")',
    )
    assert not status.succeeded
    assert document.status == "failed"
    assert document.sections[0].title == "before"
    assert "never" not in [section.title for section in document.sections]


def test_an_error_inside_with_is_a_section(notebooks):
    status, document = notebooks.run(
        "from brickloop import NotebookOutput\n"
        'with NotebookOutput() as output:\n    output.add_section("before", "x")\n    1 / 0'
    )
    assert not status.succeeded
    assert [section.kind for section in document.sections] == ["text", "error"]
    assert "ZeroDivisionError: division by zero" in document.sections[1].trace
    assert (document.complete, document.status) == (True, "failed")


def test_a_driver_that_is_killed_leaves_what_it_had_written(notebooks):
    begun = time.monotonic()
    status, document = notebooks.run(
        BEGIN,
        'import os, signal\noutput.add_section("before", "kept")\n'
        f'output.add_figure("figure", {png()!r})\n'
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    assert not status.succeeded
    assert [section.title for section in document.sections] == ["before", "figure"]
    assert document.complete is False
    assert document.status == "failed"
    assert document.reason.startswith("output incomplete")
    assert time.monotonic() - begun < 90


def test_leaving_by_exit_closes_the_output(notebooks):
    status, document = notebooks.run(
        "from brickloop import NotebookOutput\n"
        'with NotebookOutput() as output:\n    output.add_section("a", "x")\n'
        '    dbutils.notebook.exit("value")'
    )
    assert status.succeeded
    assert [section.title for section in document.sections] == ["a"]
    assert (document.complete, document.status) == (True, "finished")
    status, document = notebooks.run(
        BEGIN, 'output.add_section("a", "x")\ndbutils.notebook.exit("value")'
    )
    assert (document.complete, document.status) == (True, "finished")


def test_a_retried_task_does_not_mix_with_the_first(notebooks):
    status, document = notebooks.run(
        BEGIN,
        "import os\n"
        f"mark = {notebooks.folder + '/mark'!r}\n"
        "again = os.path.exists(mark)\n"
        'output.add_section("attempt", "second" if again else "first")\n'
        'open(mark, "w").write("x")\n'
        "assert again",
        retries=1,
    )
    assert status.succeeded
    assert [section.text for section in document.sections] == ["second"]
    assert (document.attempt, document.complete) == (2, True)


def test_two_outputs_in_one_notebook_are_one_document(notebooks):
    status, document = notebooks.run(
        BEGIN,
        "another = NotebookOutput()\n"
        'output.add_section("a", "1")\nanother.add_section("b", "2")\noutput.add_section("c", "3")',
    )
    assert status.succeeded
    assert [section.title for section in document.sections] == ["a", "b", "c"]
    assert document.complete


def test_a_notebook_of_sql_alone_has_no_document(notebooks):
    status, document = notebooks.run("SELECT 1 AS one", "SELECT 2 AS two", sql=True)
    assert status.succeeded
    assert document is None


def test_secrets_do_not_leave_the_notebook(notebooks):
    status, document = notebooks.run(
        # what the workspace would answer
        "import base64\nanswer = {'value': base64.b64encode(b'very s3cret').decode()}\n"
        "dbutils.secrets._ask = lambda what, **query: answer",
        BEGIN,
        'value = dbutils.secrets.get("scope", "key")\nassert value == "very s3cret"\n'
        'output.add_section("Secret", f"it is {value}")\n'
        'output.add_dataframe("Table", [{"value": value}])\n'
        "output.write_to_dbfs()",
    )
    assert status.succeeded
    assert document.sections[0].text == "it is [REDACTED]"
    assert document.sections[1].rows == (("[REDACTED]",),)


def test_a_folder_that_takes_nothing_does_not_fail_the_run(notebooks, volume_folder):
    notebooks.files.write(f"{volume_folder}/file", b"in the way")
    run_id, follower = notebooks.start(
        BEGIN,
        'output.add_section("a", "x")',
        output=f"{volume_folder}/file",
    )
    status = notebooks.until(run_id, lambda status: status.life_cycle.is_final)
    assert status.succeeded, status.message
    follower.finish(succeeded=True)
    assert follower.document() is None


WRITES = """\
from brickloop import NotebookOutput

output = NotebookOutput(output_path={path!r})
output.metadata["who"] = "me"
output.add_query_result("Sample", "SELECT 1", spark.sql("SELECT 1 AS one").toPandas().to_string())
output.add_dataframe("Counts", spark.sql("SELECT 1 AS one").toPandas())
assert output.write_to_dbfs() == {path!r}
assert output.write_json({path!r} + ".json")
"""


@pytest.mark.parametrize(
    "folder",
    ["/tmp", "dbfs:/tmp/deep/er", VOLUME, "dbfs:" + VOLUME, "workspace"],
)
def test_what_write_to_dbfs_wrote_is_read_by_its_path(
    notebooks, client, folder, capsys, remote_folder
):
    folder = remote_folder if folder == "workspace" else folder
    path = f"{folder}/{uuid.uuid4().hex}.txt"
    status, _ = notebooks.run(WRITES.format(path=path))
    assert status.succeeded, status.message
    reader = NotebookOutputReader(client)
    text = reader.read_output(path)
    assert text.startswith("=" * 100 + "\nNOTEBOOK OUTPUT\n" + "=" * 100 + "\nGenerated: ")
    rule = "-" * 100
    assert f"{rule}\n📊 Sample\n{rule}\nQuery: SELECT 1\n\nResults:\n   one\n0    1\n" in text
    assert reader.display_output(path) is True
    assert capsys.readouterr().out.rstrip("\n") == text
    saved = json.loads(reader.read_output(f"{path}.json"))
    assert saved["metadata"] == {"who": "me"}
    assert [section["title"] for section in saved["sections"]] == ["Sample", "Counts"]


def test_by_default_the_volume_is_written_to_and_read_from(notebooks, client):
    mark = uuid.uuid4().hex
    status, _ = notebooks.run(
        BEGIN, f'output.add_section("{mark}", "x")\nprint(output.write_to_dbfs())'
    )
    assert status.succeeded
    assert mark in NotebookOutputReader(client).read_output()


def test_a_text_over_the_limit_of_workspace_files_is_read_whole(
    notebooks, client, remote_folder, tmp_path
):
    path = f"{remote_folder}/large.txt"
    status, _ = notebooks.run(
        f"from brickloop import NotebookOutput\noutput = NotebookOutput({path!r})",
        'output.add_section("Large", "é" * 10_000_000)\nassert output.write_to_dbfs()',
    )
    assert status.succeeded, status.message
    reader = NotebookOutputReader(client)
    size = reader.copy_output(path, tmp_path / "copy.txt")
    assert size > 20_000_000
    text = (tmp_path / "copy.txt").read_text(encoding="utf-8")
    assert text.count("é") == 10_000_000
    assert "continued" not in text


@pytest.fixture(params=["dbfs:/tmp/reader", "volume", "workspace"])
def place(request, client, volume_folder, remote_folder) -> str:
    """A folder in each of the stores."""
    if request.param == "volume":
        return volume_folder
    return remote_folder if request.param == "workspace" else f"{request.param}/{uuid.uuid4().hex}"


def test_any_size_comes_whole_from_each_store(client, place, tmp_path):
    files = RemoteFiles(client, client.config.host or "")
    reader = NotebookOutputReader(client)
    for size in (1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7):
        data = bytes(range(256)) * (size // 256 + 1)
        data = data[:size]
        files.write(f"{place}/file", data)
        status = files.status(f"{place}/file")
        assert status is not None and (status.is_folder, status.size) == (False, size)
        assert files.read(f"{place}/file") == data
        assert files.read_if_there(f"{place}/file") == data
        heard: list[tuple[int, int | None]] = []
        copied = reader.copy_output(
            f"{place}/file", tmp_path / "copy", lambda *at, into=heard: into.append(at)
        )
        assert copied == size
        assert (tmp_path / "copy").read_bytes() == data
        assert heard[-1] == (size, size)
    assert files.names(place) == ["file"]
    assert files.names(f"{place}/none") is None
    assert files.status(f"{place}/none") is None
    assert files.read_if_there(f"{place}/none") is None
    assert files.status(place).is_folder


def test_what_cannot_be_read_is_named(client, place, capsys):
    files = RemoteFiles(client, client.config.host or "")
    reader = NotebookOutputReader(client)
    files.write(f"{place}/a.txt", "héllo".encode())
    files.write(f"{place}/b.bin", b"\xff\xfe")
    files.write(f"{place}/empty.txt", b"")
    assert reader.read_output(f"{place}/a.txt") == "héllo"
    for name, error, said in (
        ("none.txt", OutputMissing, "there is no output"),
        ("empty.txt", OutputEmpty, "empty"),
        ("b.bin", OutputNotText, "not UTF-8 text"),
        ("", OutputUnavailable, "holds no output of NotebookOutput"),
    ):
        with pytest.raises(error, match=said):
            reader.read_output(f"{place}/{name}")
        assert reader.display_output(f"{place}/{name}") is False
        written = capsys.readouterr()
        assert written.out == ""
        assert written.err.startswith("warning: ")
        assert said in written.err
    with pytest.raises(OutputMissing):
        files.read(f"{place}/none.txt")
    with pytest.raises(OutputUnavailable, match="a folder"):
        files.read(place)


def test_display_makes_remote_text_harmless(client, volume_folder, capsys):
    evil = "a\x1b]0;owned\x07\x1b[2Jb\x9b31m <script>\n"
    path = f"{volume_folder}/evil.txt"
    client.files.upload(path, io.BytesIO(evil.encode()), overwrite=True)
    assert NotebookOutputReader(client).display_output(path) is True
    shown = capsys.readouterr().out
    assert shown == "ab\\x9b31m <script>\n"


def test_a_live_document_is_displayed_followed_and_copied_by_its_folder(
    notebooks, client, capsys, tmp_path: Path
):
    notebooks.run(BEGIN, 'output.add_section("One", "1")\noutput.add_dataframe("Two", [{"a": 1}])')
    reader = NotebookOutputReader(client)
    folder = notebooks.output
    assert reader.display_output(folder) is True
    shown = capsys.readouterr()
    assert "One" in shown.out and "Two" in shown.out
    assert shown.err == ""
    assert [section.title for section in reader.follow(folder)] == ["One", "Two"]
    assert reader.read_document(folder).complete
    assert reader.copy_output(folder, tmp_path / "copy.txt") > 300
    assert "📊 Two" in (tmp_path / "copy.txt").read_text(encoding="utf-8")
    notebooks.run(
        BEGIN,
        'output.add_section("One", "1")\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)',
    )
    assert reader.display_output(notebooks.output) is True
    assert "output incomplete" in capsys.readouterr().err
    found = list(reader.follow(notebooks.output, run_ended=lambda: True))
    assert [section.title for section in found] == ["One", "Output incomplete"]
