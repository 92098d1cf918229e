"""``dbutils`` in a notebook that runs."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from .conftest import Bench

VOLUME = "/Volumes/main/default/brickloop"
TOKEN = "a-token"
SECRETS = {"scope": {"key": "hunter2-äö", "other": "s3cret"}}


class SecretsApi(BaseHTTPRequestHandler):
    """The workspace's secrets API, as far as dbutils asks it."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        secrets = SECRETS.get(query.get("scope", ""), {})
        status, answer = 200, {}
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status, answer = 403, {"error_code": "403", "message": "Invalid access token."}
        elif parts.path.endswith("/secrets/list"):
            answer = {"secrets": [{"key": key} for key in secrets]}
        elif parts.path.endswith("/scopes/list"):
            answer = {"scopes": [{"name": name} for name in SECRETS]}
        elif query["key"] in secrets:
            answer = {"value": base64.b64encode(secrets[query["key"]].encode()).decode()}
        else:
            message = f"Secret does not exist with scope: {query['scope']} and key: {query['key']}"
            status, answer = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": message}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SecretsApi)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_fs(bench: Bench) -> None:
    base = f"/tmp/{bench.folder.rpartition('/')[2]}"
    ran = bench.run(
        f"base = 'dbfs:{base}'\nfs = dbutils.fs\n"
        "print(fs.mkdirs(base + '/d/e'), fs.put(base + '/d/a.txt', 'äbc'))",
        "info = fs.ls(base + '/d')\n"
        "print([(i.path, i.name, i.size, i.isDir(), i.isFile()) for i in info])\n"
        "print(info[0].modificationTime > 1_600_000_000_000, fs.ls(base + '/d/a.txt')[0].name)",
        "print(fs.head(base + '/d/a.txt'), fs.head(base + '/d/a.txt', 3))",
        "print(fs.cp(base + '/d/a.txt', base + '/b.txt'), fs.cp(base + '/d', base + '/c', "
        "recurse=True))\n"
        "print(fs.mv(base + '/b.txt', base + '/c'), sorted(i.name for i in fs.ls(base + '/c')))",
        "print(fs.rm(base + '/c/a.txt'), fs.rm(base + '/nothing'), fs.rm(base, True), fs.rm(base))",
        "print(fs.mounts()[0].mountPoint)",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text(1) == "Wrote 4 bytes.\nTrue True\n"
    assert ran.text(2) == (
        f"[('dbfs:{base}/d/a.txt', 'a.txt', 4, False, True),"
        f" ('dbfs:{base}/d/e/', 'e/', 0, True, False)]\nTrue a.txt\n"
    )
    assert ran.text(3) == "[Truncated to first 3 bytes]\näbc äb\n"
    assert ran.text(4) == "True True\nTrue ['a.txt', 'b.txt', 'e/']\n"
    assert ran.text(5) == "True False True False\n"
    assert not bench.layout.real(f"dbfs:{base}").exists()


def test_fs_knows_volumes_and_workspace_files(bench: Bench) -> None:
    bench.write("file.txt", "x")
    ran = bench.run(
        f"dbutils.fs.put('{VOLUME}/in_volume.txt', 'v', True)\n"
        f"print(dbutils.fs.ls('{VOLUME}/in_volume.txt')[0].path)\n"
        f"print(dbutils.fs.ls('file:{bench.folder}/file.txt')[0].path)\n"
        f"dbutils.fs.cp('file:{bench.folder}/file.txt', 'dbfs:/tmp/of_workspace.txt')\n"
        "print(dbutils.fs.head('/tmp/of_workspace.txt'))"
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text().splitlines()[1:] == [
        f"dbfs:{VOLUME}/in_volume.txt",
        f"file:{bench.folder}/file.txt",
        "x",
    ]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ls('dbfs:/nowhere')", "java.io.FileNotFoundException"),
        ("head('dbfs:/nowhere')", "FileNotFoundError"),
        ("cp('dbfs:/nowhere', '/x')", "FileNotFoundError"),
        ("ls('s3://bucket/x')", "cloud storage"),
        ("ls('dbfs:/../x')", "leads upwards"),
        ("ls('relative')", "is not absolute"),
        ("mount('s3://b', '/mnt/b')", "UNSUPPORTED"),
    ],
)
def test_fs_errors(bench: Bench, code: str, words: str) -> None:
    assert words in (bench.run(f"dbutils.fs.{code}").outcome.error or "")


def test_fs_does_not_overwrite_or_empty_by_accident(bench: Bench) -> None:
    base = f"dbfs:/tmp/{bench.folder.rpartition('/')[2]}"
    ran = bench.run(
        f"fs, base = dbutils.fs, '{base}'\nfs.put(base + '/d/a', 'one')\n"
        "for work in (lambda: fs.put(base + '/d/a', 'two'), lambda: fs.rm(base + '/d'),\n"
        "             lambda: fs.cp(base + '/d', base + '/e')):\n"
        "    try:\n        work()\n    except OSError as error:\n        "
        "print(type(error).__name__)\n"
        "print(fs.head(base + '/d/a'))"
    )
    assert ran.text().splitlines()[1:] == ["FileExistsError", "OSError", "IsADirectoryError", "one"]


def test_widgets(bench: Bench) -> None:
    ran = bench.run(
        "w = dbutils.widgets\nw.text('a', 'da', 'Label')\nw.dropdown('b', 'x', ['x', 'y'])\n"
        "w.combobox('c', 'free', ['x'])\nw.multiselect('d', 'x', ['x', 'y'])\n"
        "print(w.get('a'), w.get('b'), w.get('c'), w.get('d'), w.get('only'), w.getArgument('z', "
        "'dz'))",
        "print(w.getAll())",
        "w.remove('a'); w.removeAll(); print(w.getAll())",
        "w.get('a')",
        parameters={"a": "given", "only": "here"},
    )
    assert ran.text(1) == "given x free x here dz\n"
    assert ran.text(2) == "{'a': 'given', 'b': 'x', 'c': 'free', 'd': 'x', 'only': 'here'}\n"
    assert ran.text(3) == "{}\n"
    assert ran.outcome.error == "InputWidgetNotDefined: No input widget named a is defined"


def test_a_widget_whose_default_is_no_choice(bench: Bench) -> None:
    ran = bench.run("dbutils.widgets.dropdown('b', 'z', ['x', 'y'])")
    assert "is not among its choices" in (ran.outcome.error or "")


def test_exit(bench: Bench) -> None:
    ran = bench.run(
        "print('a')", "try:\n    dbutils.notebook.exit(42)\nexcept Exception:\n    print('no')", "x"
    )
    assert ran.outcome.status == "success"
    assert ran.outcome.exit_value == "42"
    assert ran.outcome.error is None
    assert ran.states() == ["finished", "finished", "skipped"]


def test_notebook_run(bench: Bench) -> None:
    bench.notebook(
        "child/worker",
        "import os\nx = 'of the child'\nprint('not shown in the parent')",
        "dbutils.notebook.exit(dbutils.widgets.get('n') + os.path.basename(os.getcwd()))",
    )
    bench.notebook("quiet", "x = 1")
    ran = bench.run(
        "x = 'mine'\nprint(dbutils.notebook.run('./child/worker', 60, {'n': 5}), x)",
        "print(repr(dbutils.notebook.run('quiet', 0)))",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text(1) == "5child mine\n"
    assert ran.text(2) == "''\n"


def test_notebook_run_at_once_from_threads(bench: Bench) -> None:
    bench.notebook("child", "dbutils.notebook.exit('r' + getArgument('n'))")
    ran = bench.run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor() as threads:\n"
        "    print(list(threads.map(lambda n: dbutils.notebook.run('child', 0, {'n': n}), "
        "range(4))))"
    )
    assert ran.text() == "['r0', 'r1', 'r2', 'r3']\n"


def test_notebook_run_of_one_that_fails(bench: Bench) -> None:
    bench.notebook("child", "raise ValueError('inside')")
    ran = bench.run("dbutils.notebook.run('child', 60)")
    assert ran.outcome.error == (
        f"WorkflowException: the notebook {bench.folder}/child failed: ValueError: inside"
    )
    ran = bench.run("dbutils.notebook.run('missing', 60)")
    assert "Unable to access the notebook" in (ran.outcome.error or "")


def test_notebook_run_that_takes_too_long(bench: Bench) -> None:
    bench.notebook("child", "import time; time.sleep(60)")
    ran = bench.run("dbutils.notebook.run('child', 1)")
    assert "did not end within 1 seconds" in (ran.outcome.error or "")
    assert ran.outcome.seconds < 30


def test_the_context(bench: Bench) -> None:
    ran = bench.run(
        "ctx = dbutils.notebook.entry_point.getDbutils().notebook().getContext()\n"
        "print(ctx.tags().apply('user'), ctx.notebookPath().get(), ctx.apiToken().get())\n"
        "print(ctx.apiUrl().getOrElse(None), ctx.tags().get('nothing').isDefined(), "
        "ctx.userName().get())",
        "import json; print(json.loads(ctx.toJson())['extraContext']['notebook_path'])",
        "print('a-token' in ctx.toJson())",
        "ctx.somethingElse()",
        host="http://127.0.0.1:1",
        token=TOKEN,
    )
    path = f"{bench.folder}/main".removeprefix("/Workspace")
    user = "local@brickloop.test"
    assert ran.text(1) == f"{user} {path} {TOKEN}\nhttp://127.0.0.1:1 False {user}\n"
    assert ran.text(2) == f"{path}\n"
    assert ran.text(3) == "False\n"
    assert "has no somethingElse()" in (ran.outcome.error or "")


def test_secrets_are_read_and_never_shown(bench: Bench, host: str) -> None:
    secret = SECRETS["scope"]["key"]
    ran = bench.run(
        "value = dbutils.secrets.get('scope', 'key')\nprint(len(value), value, 'x' + value + 'y')\n"
        "import sys; print(value, file=sys.stderr)",
        "value",
        "displayHTML('<b>' + value + '</b>')",
        "print([s.key for s in dbutils.secrets.list('scope')], "
        "dbutils.secrets.listScopes()[0].getName())",
        "raise ValueError('not ' + value)",
        host=host,
        token=TOKEN,
    )
    assert ran.text(1) == f"{len(secret)} [REDACTED] x[REDACTED]y\n"
    assert ran.text(1, "stderr") == "[REDACTED]\n"
    assert ran.text(2) == "'[REDACTED]'\n"
    assert ran.items(3)[0]["data"] == "<b>[REDACTED]</b>"
    assert ran.text(4) == "['key', 'other'] scope\n"
    assert ran.outcome.error == "ValueError: not [REDACTED]"
    assert secret not in json.dumps(ran.events, ensure_ascii=False)
    assert secret not in str(ran.outcome)


def test_secrets_that_cannot_be_read(bench: Bench, host: str) -> None:
    missing = bench.run("dbutils.secrets.get('scope', 'none')", host=host, token=TOKEN)
    assert "Secret does not exist with scope: scope and key: none" in (missing.outcome.error or "")
    refused = bench.run("dbutils.secrets.get('scope', 'key')", host=host, token="wrong")
    assert refused.outcome.error == "ValueError: Invalid access token."
    away = bench.run("dbutils.secrets.get('s', 'k')", host="http://127.0.0.1:1", token=TOKEN)
    assert (away.outcome.error or "").startswith("ConnectionError")


def test_task_values(bench: Bench) -> None:
    ran = bench.run(
        "values = dbutils.jobs.taskValues\nvalues.set('n', 3)\nvalues.set(key='d', "
        "value={'a': [1]})\n"
        "print(values.get('up', 'x'), values.get('up', 'none', default='d'))",
        "values.get('up', 'none')",
        task_values={"up": {"x": [1, 2]}},
    )
    assert ran.text(1) == "[1, 2] d\n"
    assert ran.outcome.task_values == {"n": 3, "d": {"a": [1]}}
    assert "no task value with key none was set by task up" in (ran.outcome.error or "")


@pytest.mark.parametrize(
    ("value", "words"),
    [("'x' * 50_000", "larger than 48 KiB"), ("{1, 2}", "cannot be written as JSON")],
)
def test_task_values_that_cannot_be_kept(bench: Bench, value: str, words: str) -> None:
    assert words in (bench.run(f"dbutils.jobs.taskValues.set('v', {value})").outcome.error or "")
