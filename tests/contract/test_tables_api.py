"""The tables of the local workspace through the SDK's Unity Catalog client."""

from __future__ import annotations

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound
from databricks.sdk.service.catalog import ColumnTypeName, DataSourceFormat, TableType
from databricks.sdk.service.sql import StatementState


def run(client: WorkspaceClient, statement: str) -> None:
    (warehouse,) = client.warehouses.list()
    done = client.statement_execution.execute_statement(statement, str(warehouse.id))
    assert done.status is not None
    assert done.status.state is StatementState.SUCCEEDED, done.status.error


@pytest.fixture
def shop(client: WorkspaceClient) -> str:
    """A schema with a table and a view, which is made once."""
    run(client, "CREATE SCHEMA IF NOT EXISTS tables_api")
    run(
        client,
        "CREATE TABLE IF NOT EXISTS tables_api.orders (id BIGINT NOT NULL COMMENT 'the key',"
        " price DECIMAL(10, 2), tags ARRAY<STRING>) COMMENT 'what was ordered'",
    )
    run(
        client,
        "CREATE OR REPLACE VIEW tables_api.dear AS"
        " SELECT id FROM tables_api.orders WHERE price > 9",
    )
    return "tables_api"


def test_a_table_is_told_with_its_columns(client: WorkspaceClient, shop: str) -> None:
    found = client.tables.get(f"main.{shop}.orders")
    assert found.full_name == "main.tables_api.orders"
    assert found.table_type is TableType.MANAGED
    assert found.data_source_format is DataSourceFormat.DELTA
    assert found.comment == "what was ordered"
    assert found.storage_location
    assert found.columns is not None
    assert [(each.name, each.type_name, each.type_text) for each in found.columns] == [
        ("id", ColumnTypeName.LONG, "bigint"),
        ("price", ColumnTypeName.DECIMAL, "decimal(10,2)"),
        ("tags", ColumnTypeName.ARRAY, "array<string>"),
    ]
    key, price, _ = found.columns
    assert (key.comment, key.nullable) == ("the key", False)
    assert (price.type_precision, price.type_scale) == (10, 2)


def test_tables_and_views_are_listed_page_by_page(client: WorkspaceClient, shop: str) -> None:
    whole = {each.name: each for each in client.tables.list("main", shop)}
    assert set(whole) == {"orders", "dear"}
    assert whole["dear"].table_type is TableType.VIEW
    assert "price > 9" in str(whole["dear"].view_definition)
    assert [each.name for each in whole["dear"].columns or []] == ["id"]
    bare = list(client.tables.list("main", shop, max_results=1, omit_columns=True))
    assert [each.name for each in bare] == ["dear", "orders"]
    assert not any(each.columns for each in bare)


def test_a_table_is_dropped(client: WorkspaceClient, shop: str) -> None:
    run(client, f"CREATE TABLE {shop}_brief AS SELECT 1 AS one")
    name = f"main.default.{shop}_brief"
    assert client.tables.exists(name).table_exists
    client.tables.delete(name)
    assert not client.tables.exists(name).table_exists
    with pytest.raises(NotFound, match=r"Table 'main\.default\..*' does not exist"):
        client.tables.get(name)


def test_what_is_not_there_and_what_is_no_name_is_refused(client: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match=r"Schema 'main\.nowhere' does not exist"):
        list(client.tables.list("main", "nowhere"))
    with pytest.raises(NotFound, match="Catalog 'nowhere' does not exist"):
        list(client.tables.list("nowhere", "default"))
    with pytest.raises(BadRequest, match=r"not the form catalog\.schema\.table"):
        client.tables.get("orders")
    with pytest.raises(NotFound):
        client.tables.delete("main.default.nothing")
