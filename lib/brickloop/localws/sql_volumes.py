"""CREATE, DROP and SHOW of volumes: folders of the store, as the Files API knows them."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from brickloop.localws.registry import check_name
from brickloop.localws.spark_errors import analysis_error, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_tokens import Cursor

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame


def create_volume(context: SqlContext, cursor: Cursor) -> DataFrame:
    """CREATE VOLUME: a managed volume."""
    tolerant = cursor.take("IF", "NOT", "EXISTS")
    name = context.catalog.qualify(cursor.name())
    if cursor.take("LOCATION"):
        raise unsupported("CREATE VOLUME with a LOCATION")
    if cursor.take("COMMENT"):
        cursor.string()
    cursor.end()
    context.registry.check_catalog(name.catalog)
    context.registry.check_schema(name.catalog, name.schema)
    check_name(name.name)
    folder = _folder(context, name.catalog, name.schema) / name.name
    if folder.is_dir() and not tolerant:
        raise analysis_error("VOLUME_ALREADY_EXISTS", f"Volume {name} already exists.")
    folder.mkdir(parents=True, exist_ok=True)
    return context.nothing()


def drop_volume(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DROP VOLUME: the volume and its files."""
    tolerant = cursor.take("IF", "EXISTS")
    name = context.catalog.qualify(cursor.name())
    cursor.end()
    folder = _folder(context, name.catalog, name.schema) / name.name
    doomed = folder.with_name(f".gone-{uuid.uuid4().hex}")
    try:
        folder.rename(doomed)
    except FileNotFoundError:
        if not tolerant:
            raise analysis_error("VOLUME_NOT_FOUND", f"Volume {name} cannot be found.") from None
        return context.nothing()
    shutil.rmtree(doomed, ignore_errors=True)
    return context.nothing()


def volume_names(context: SqlContext, catalog: str, schema: str) -> list[str]:
    """The names of a schema's volumes."""
    try:
        found = list(_folder(context, catalog, schema).iterdir())
    except FileNotFoundError:
        return []
    return sorted(path.name for path in found if path.is_dir() and path.name[0] != ".")


def _folder(context: SqlContext, catalog: str, schema: str) -> Path:
    return context.paths.volumes / catalog / schema
