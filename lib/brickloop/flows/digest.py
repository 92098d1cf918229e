"""A digest of a table's data: equal data, equal digest, whatever files hold it and in which order.

Asked of a SQL warehouse with two statements. Made of the table's columns, the number of rows, and
two sums of the rows' hashes; a table that cannot be hashed so has none.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_NAME = re.compile(r"^[\w$]+(\.[\w$]+){0,2}$")
_WAIT = "30s"


def table_digest(client: WorkspaceClient, warehouse: str, table: str) -> str | None:
    """The digest of a table's data, None where it cannot be told."""
    if not _NAME.match(table):
        return None
    quoted = _quoted(*table.split("."))
    found = _ask(client, warehouse, f"SELECT * FROM {quoted} LIMIT 0")
    if found is None:
        return None
    columns, _ = found
    names = ", ".join(_quoted(name) for name, _ in columns)
    # as JSON, for a hash of values alone passes over NULL and does not tell arrays from numbers
    rows = f"SELECT xxhash64(to_json(struct({names}))) AS h FROM {quoted}"
    sums = _ask(
        client,
        warehouse,
        f"SELECT count(*), sum(CAST(h AS DECIMAL(38, 0))), bit_xor(h) FROM ({rows})",
    )
    if not columns or sums is None:
        return None
    return hashlib.sha256(json.dumps([columns, sums[1]]).encode()).hexdigest()


def _ask(
    client: WorkspaceClient, warehouse: str, statement: str
) -> tuple[list[tuple[str, str]], list[list[str]]] | None:
    """Columns, as name and type, and rows of an answer; None where there is none in time."""
    from databricks.sdk.errors.base import DatabricksError
    from databricks.sdk.service.sql import StatementState

    try:
        answer = client.statement_execution.execute_statement(
            statement, warehouse, wait_timeout=_WAIT
        )
    except DatabricksError:
        return None
    state = answer.status.state if answer.status else None
    if state is not StatementState.SUCCEEDED or not answer.manifest or not answer.manifest.schema:
        return None
    columns = answer.manifest.schema.columns or []
    rows = (answer.result.data_array if answer.result else None) or []
    return [(column.name or "", column.type_text or "") for column in columns], rows


def _quoted(*parts: str) -> str:
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)
