"""https with a certificate made on the spot: the connector, SQLAlchemy, the SDK and Node.js."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from databricks import sql

from brickloop import launcher
from brickloop.errors import UsageError
from brickloop.launcher import LocalServer

ROOT = Path(__file__).parents[2]
NODE_CLIENT = "@databricks/sql@1"
NODE_SCRIPT = """
const { DBSQLClient } = require('@databricks/sql');
const { HOST, PORT, TOKEN, HTTP_PATH } = process.env;
async function main() {
  const client = new DBSQLClient({ logger: { log() {} } });
  await client.connect({ host: HOST, port: +PORT, path: HTTP_PATH, token: TOKEN });
  const session = await client.openSession();
  const answers = {};
  const ask = async (name, text, options) => {
    const operation = await session.executeStatement(text, options);
    answers[name] = await operation.fetchAll();
    await operation.close();
  };
  await ask('types', "SELECT 1 AS i, 'x' AS s, 1.50 AS d, array(1, 2) AS a, map('k', 1) AS m," +
    " date'2024-02-29' AS day, timestamp'2024-02-29 12:00:00' AS at, CAST(NULL AS INT) AS n");
  await ask('bound', 'SELECT :x + 1 AS y', { namedParameters: { x: 41 } });
  await ask('many', 'SELECT id FROM range(250000)');
  answers.many = answers.many.length;
  const schemas = await session.getSchemas({ catalogName: 'main' });
  answers.schemas = (await schemas.fetchAll()).map((row) => row.TABLE_SCHEM);
  await schemas.close();
  try { await ask('wrong', 'SELEC 1'); } catch (error) { answers.wrong = error.message; }
  await session.close();
  await client.close();
  console.log(JSON.stringify(answers));
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    root = tmp_path_factory.mktemp("tls") / "local"
    yield launcher.ensure_started(root, idle_seconds=1800, tls=True)
    launcher.stop(root)


def port_of(server: LocalServer) -> int:
    port = urlsplit(server.tls_host).port
    assert port is not None
    return port


def connect(server: LocalServer, **arguments: Any) -> Any:
    """As a client that cannot be given a whole address: https is all it knows."""
    return sql.connect(
        server_hostname="127.0.0.1",
        _port=port_of(server),
        http_path=server.http_path,
        access_token=server.token,
        # this one it would ask of port 443
        enable_telemetry=False,
        **arguments,
    )


def test_the_connector_needs_the_trust_file_only(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.trust_file))
    with connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 42")
        assert cursor.fetchone()[0] == 42


def test_the_trust_file_can_be_an_argument(server: LocalServer) -> None:
    trusted = str(server.authority_file)
    with connect(server, _tls_trusted_ca_file=trusted) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT id FROM range(200000)")
        assert cursor.fetchall_arrow().num_rows == 200_000


def test_with_the_whole_address_all_defaults_do(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.trust_file))
    with sql.connect(
        server_hostname=server.tls_host,
        http_path=server.http_path,
        access_token=server.token,
        _connection_uri=server.tls_host + server.http_path,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_nobody_is_trusted_by_accident(server: LocalServer) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{server.tls_host}/health", timeout=10)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_certificate_holds_up_to_a_strict_reader(server: LocalServer, name: str) -> None:
    context = ssl.create_default_context(cafile=str(server.authority_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(("127.0.0.1", port_of(server)), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        assert secure.version() in {"TLSv1.2", "TLSv1.3"}


def test_both_sides_ask_for_the_token(server: LocalServer) -> None:
    for host in (server.host, server.tls_host):
        answer = requests.get(
            f"{host}/api/2.0/sql/warehouses", verify=str(server.trust_file), timeout=10
        )
        assert answer.status_code == 401


def test_links_lead_to_the_side_that_was_asked(server: LocalServer) -> None:
    for host in (server.host, server.tls_host):
        answer = requests.post(
            f"{host}/api/2.0/sql/statements",
            json={
                "statement": "SELECT 1",
                "warehouse_id": "local",
                "disposition": "EXTERNAL_LINKS",
                "format": "ARROW_STREAM",
            },
            headers={"Authorization": f"Bearer {server.token}"},
            verify=str(server.trust_file),
            timeout=60,
        ).json()
        link = answer["result"]["external_links"][0]["external_link"]
        assert link.startswith(host + "/")
        assert requests.get(link, verify=str(server.trust_file), timeout=10).status_code == 200


def test_tls_stays_on_until_it_is_switched_off(server_root: Path) -> None:
    plain = launcher.ensure_started(server_root, warm=False)
    assert plain.tls_host == ""
    secure = launcher.ensure_started(server_root, warm=False, tls=True)
    assert secure.tls_host and secure.pid != plain.pid and secure.host == plain.host
    assert launcher.ensure_started(server_root, warm=False, tls=True) == secure
    launcher.stop(server_root)
    again = launcher.ensure_started(server_root, warm=False)
    assert (again.tls_host, again.host) == (secure.tls_host, secure.host)
    off = launcher.ensure_started(server_root, warm=False, tls=False)
    assert off.tls_host == ""
    launcher.stop(server_root)
    assert launcher.ensure_started(server_root, warm=False).tls_host == ""


def test_a_busy_server_is_not_started_anew(server_root: Path) -> None:
    server = launcher.ensure_started(server_root)
    answer = requests.post(
        f"{server.host}/api/2.0/sql/statements",
        json={
            "statement": "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000000) b",
            "warehouse_id": "local",
            "wait_timeout": "0s",
        },
        headers={"Authorization": f"Bearer {server.token}"},
        timeout=60,
    )
    assert answer.status_code == 200
    with pytest.raises(UsageError, match="started anew"):
        launcher.ensure_started(server_root, tls=True)
    assert launcher.find_running(server_root) == server


def test_the_commands_start_it_and_name_the_trust_file(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "from brickloop.tasks import namespace\n\nns = namespace()\n"
    )

    def invoke(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("invoke")), *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    try:
        started = invoke("local.start", "--tls")
        assert started.returncode == 0, started.stderr
        assert "https://127.0.0.1:" in started.stderr
        told = dict(
            line.removeprefix("export ").split("=", 1)
            for line in invoke("local.env").stdout.splitlines()
        )
        assert told["DATABRICKS_HOST"].startswith("https://127.0.0.1:")
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
            assert Path(told[name]).is_file()
        script = (
            "from databricks.sdk import WorkspaceClient\n"
            "print(WorkspaceClient().current_user.me().user_name)"
        )
        environment = {**os.environ, **told}
        found = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert found.stdout.strip() == "local@brickloop.test", found.stderr
        assert invoke("local.start", "--tls", "--plain").returncode == 2
    finally:
        launcher.stop(tmp_path / ".brickloop" / "local")


def test_sqlalchemy_reflects_tables_and_runs_queries(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("databricks.sqlalchemy")
    monkeypatch.setenv("SSL_CERT_FILE", str(server.trust_file))
    engine = sqlalchemy.create_engine(
        f"databricks://token:{server.token}@127.0.0.1?http_path={server.http_path}"
        "&catalog=main&schema=default",
        connect_args={"_port": port_of(server), "enable_telemetry": False},
    )
    with engine.connect() as connection:
        connection.execute(
            sqlalchemy.text(
                "CREATE TABLE IF NOT EXISTS reflected (id INT NOT NULL, name STRING,"
                " price DECIMAL(10, 2), at TIMESTAMP, ok BOOLEAN)"
            )
        )
        inspector = sqlalchemy.inspect(connection)
        assert "default" in inspector.get_schema_names()
        assert inspector.has_table("reflected")
        assert "reflected" in inspector.get_table_names()
        table = sqlalchemy.Table("reflected", sqlalchemy.MetaData(), autoload_with=connection)
        kinds = {column.name: type(column.type).__name__ for column in table.columns}
        assert kinds == {
            "id": "Integer", "name": "String", "price": "Numeric", "at": "TIMESTAMP",
            "ok": "Boolean",
        }  # fmt: skip
        assert not table.c.id.nullable and table.c.name.nullable
        rows = [
            {"id": number, "name": f"n{number}", "price": 1.5, "at": None, "ok": True}
            for number in range(3)
        ]
        connection.execute(table.insert(), rows)
        query = sqlalchemy.select(table.c.name).where(table.c.id > 0).order_by(table.c.id)
        assert [row.name for row in connection.execute(query)] == ["n1", "n2"]
    engine.dispose()


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Node.js finds the client; what CI installed beforehand, or installed for this run."""

    def give_up(why: str) -> None:
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)

    if not shutil.which("node"):
        give_up("there is no Node.js")
    kept = ROOT / ".node" / "node_modules"
    if (kept / "@databricks" / "sql").is_dir():
        return kept
    if not shutil.which("npm"):
        give_up("there is no npm")
    folder = tmp_path_factory.mktemp("node")
    command = [
        "npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts",
        "--cache", str(folder / "cache"), NODE_CLIENT,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired:
        give_up("npm took longer than three minutes")
    if done.returncode:
        give_up(f"npm could not install the client: {done.stderr[-500:]}")
    return folder / "node_modules"


def test_the_node_client_runs_queries(server: LocalServer, node_modules: Path) -> None:
    address = urlsplit(server.tls_host)
    done = subprocess.run(
        ["node", "-e", NODE_SCRIPT],
        env={
            **os.environ,
            "NODE_PATH": str(node_modules),
            "NODE_EXTRA_CA_CERTS": str(server.authority_file),
            "HOST": str(address.hostname),
            "PORT": str(address.port),
            "TOKEN": server.token,
            "HTTP_PATH": server.http_path,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    (row,) = answers["types"]
    assert (row["i"], row["s"], float(row["d"]), row["a"], row["n"]) == (1, "x", 1.5, [1, 2], None)
    assert row["at"].startswith("2024-02-29T12:00:00")
    assert answers["bound"] == [{"y": 42}]
    assert answers["many"] == 250_000
    assert "default" in answers["schemas"]
    assert "PARSE_SYNTAX_ERROR" in answers["wrong"]
