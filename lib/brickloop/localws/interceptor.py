"""Every plan on its way to the engine: its paths led into the store, its tables made known.

One gRPC interceptor sees what readers, writers, SQL and the catalog API send, so nothing in PySpark
is patched. What the engine would answer differently from Spark without a word is put right here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import Message

from brickloop.localws.engine_catalog import EngineCatalog
from brickloop.localws.plan_data import held_back
from brickloop.localws.plan_scope import is_candidate
from brickloop.localws.plan_shims import mend_expression, mend_relation, mend_write
from brickloop.localws.plan_types import PlanTypist, infers, tells_rows_apart
from brickloop.localws.registry import Entry, TableName
from brickloop.localws.session_log import SessionLog
from brickloop.localws.session_record import Recorder
from brickloop.localws.sql_tokens import read_tokens
from brickloop.localws.store_paths import StorePaths

if TYPE_CHECKING:
    from collections.abc import Callable

_PLANS = frozenset({"ExecutePlanRequest", "AnalyzePlanRequest"})
_LISTINGS = frozenset(
    {"list_tables", "list_databases", "list_catalogs", "get_database", "database_exists",
     "list_views"}
)  # fmt: skip
_ZONE = "spark.sql.session.timeZone"
_NAMED = frozenset({"table_name", "unparsed_identifier", "target_table_name", "view_name"})


class PlanInterceptor(
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[misc]
):
    """Prepares the requests of one session."""

    def __init__(self, paths: StorePaths, recorder: Recorder, user: str) -> None:
        self._paths = paths
        self._recorder = recorder
        self._user = user
        self._bare = threading.local()
        self.catalog: EngineCatalog | None = None
        """Set once the session is there."""
        self.zone = "UTC"
        """The session's time zone."""
        self.typist: PlanTypist | None = None
        """What mends plans by their types; set once the session is there."""
        self.log = SessionLog()
        """What the requests changed in the session."""

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        """Send a plan that is executed."""
        self._prepare(request)
        return continuation(details, request)

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """Send a plan that is analysed, or a setting."""
        self._prepare(request)
        if request.DESCRIPTOR.name == "ConfigRequest":
            self._note_zone(request.operation)
        answer = continuation(details, request)
        # once in thousands, an answer about settings cannot be read; asking again harms nothing
        if request.DESCRIPTOR.name == "ConfigRequest" and answer.code() is grpc.StatusCode.INTERNAL:
            return continuation(details, request)
        return answer

    def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        """Send artifacts."""

        def noted() -> Iterator[Any]:
            for request in requests:
                self.log.take(request, bare=True)
                yield request

        return continuation(details, noted())

    def _note_zone(self, operation: Any) -> None:
        for pair in operation.set.pairs:
            if pair.key == _ZONE:
                self.zone = pair.value
        if _ZONE in operation.unset.keys:
            self.zone = "UTC"

    @contextmanager
    def bare(self) -> Iterator[None]:
        """While this is open, the thread's requests go to the engine as they are."""
        before = getattr(self._bare, "on", False)
        self._bare.on = True
        try:
            yield
        finally:
            self._bare.on = before

    def prepare_text(self, text: str) -> str:
        """A statement as the engine takes it: real paths, and what it mentions made known."""
        text = self.lead_text(text)
        return self.catalog.engine_text(text) if self.catalog is not None else text

    def lead_text(self, text: str) -> str:
        """A statement with real paths, what it mentions made known; its names are the user's."""
        text, reads, writes = self._paths.lead_statement(text)
        self._recorder.add("paths_read", *reads)
        self._recorder.add("paths_written", *writes)
        self._ensure(text)
        return text

    def _prepare(self, request: Any) -> None:
        self.log.take(request, bare=getattr(self._bare, "on", False))
        if request.DESCRIPTOR.name not in _PLANS or getattr(self._bare, "on", False):
            return
        with self.bare():
            self._bare.typed = False
            with held_back(request):
                self._walk(request)
                if self._bare.typed and self.typist is not None:
                    self.typist.mend(request)

    def _walk(self, message: Message) -> None:
        visit = _VISITS.get(message.DESCRIPTOR.full_name)
        if visit is not None:
            visit(self, message)
        for field, value in message.ListFields():
            if field.type != field.TYPE_MESSAGE:
                continue
            if isinstance(value, Message):
                self._walk(value)
            elif field.message_type.GetOptions().map_entry:
                for item in value.values():
                    if isinstance(item, Message):
                        self._walk(item)
            else:
                for item in value:
                    self._walk(item)

    def _visit_source(self, source: Any) -> None:
        for index, path in enumerate(source.paths):
            self._recorder.add("paths_read", path)
            source.paths[index] = self._paths.existing(path)
        for key in [key for key in source.options if key.lower() == "path"]:
            self._recorder.add("paths_read", source.options[key])
            source.options[key] = self._paths.existing(source.options[key])

    def _visit_command(self, command: Any) -> None:
        if self.typist is not None:
            self.typist.forget()
        if command.HasField("write_operation_v2"):
            mend_write(command)

    def _visit_write(self, write: Any) -> None:
        for key in [key for key in write.options if key.lower() == "path"]:
            self._recorder.add("paths_written", write.options[key])
            write.options[key] = self._paths.real(write.options[key])
        if write.HasField("path"):
            self._recorder.add("paths_written", write.path)
            write.path = self._paths.real(write.path)
            if not (Path(write.path) / "_delta_log").is_dir():
                self._loosen(write)
        elif write.HasField("table"):
            place = next((write.options[k] for k in write.options if k.lower() == "path"), "")
            name, entry = self._target(write.table.table_name)
            write.table.table_name = self._quoted(name)
            if entry is None:
                self._loosen(write)
                self._expect_table(name, write.source or "delta", place, write.options)

    def _loosen(self, write: Any) -> None:
        if self.typist is not None:
            self.typist.loosen(write.input)

    def _visit_write_v2(self, write: Any) -> None:
        name, entry = self._target(write.table_name)
        write.table_name = self._quoted(name)
        if entry is None:
            self._loosen(write)
            self._expect_table(name, write.provider or "delta", "", write.options)

    def _visit_stream(self, stream: Any) -> None:
        for key in ("path", "checkpointLocation"):
            if key in stream.options:
                stream.options[key] = self._paths.real(stream.options[key])
        if stream.path:
            self._recorder.add("paths_written", stream.path)
            stream.path = self._paths.real(stream.path)

    def _visit_merge(self, merge: Any) -> None:
        name, _ = self._target(merge.target_table_name)
        merge.target_table_name = self._quoted(name)

    def _visit_named(self, named: Any) -> None:
        text, at, version = named.unparsed_identifier.partition("@v")
        if at and version.isdigit():
            named.unparsed_identifier = text
            named.options["versionAsOf"] = version
        self._ensure(named.unparsed_identifier)
        if self.catalog is not None:
            named.unparsed_identifier = self.catalog.engine_text(named.unparsed_identifier)

    def _visit_sql(self, message: Any) -> None:
        field = "query" if message.DESCRIPTOR.name == "SQL" else "sql"
        text = getattr(message, field)
        if not text:
            return
        setattr(message, field, self.prepare_text(text))

    def _visit_literal(self, literal: Any) -> None:
        # IDENTIFIER(:name) and dynamic table names come as strings
        if literal.HasField("string") and len(literal.string) < 512 and self.catalog is not None:
            words = literal.string.replace("`", "").split(".")
            if len(words) <= 3 and all(word.isidentifier() for word in words):
                self.catalog.ensure_text(literal.string)

    def _visit_catalog(self, catalog: Any) -> None:
        if self.catalog is None:
            return
        kind = catalog.WhichOneof("cat_type")
        inner = getattr(catalog, kind)
        if kind in _LISTINGS:
            self.catalog.ensure_all()
        for field, value in inner.ListFields():
            if field.name in _NAMED and field.type == field.TYPE_STRING:
                self.catalog.ensure_text(value)

    def _visit_relation(self, relation: Any) -> None:
        mend_relation(relation)
        if tells_rows_apart(relation) or (relation.HasField("read") and infers(relation.read)):
            self._bare.typed = True

    def _visit_expression(self, expression: Any) -> None:
        mend_expression(expression, self._user)
        if not self._bare.typed and is_candidate(expression):
            self._bare.typed = True

    def _target(self, text: str) -> tuple[TableName, Entry | None]:
        assert self.catalog is not None
        parts = tuple(token.value for token in read_tokens(text) if token.is_name)
        name = self.catalog.qualify(parts)
        self._recorder.add("tables_written", str(name))
        self.catalog.ensure_place(name)
        entry = self.catalog.registry.find(name)
        if entry is not None:
            self.catalog.ensure(entry, name.parts)
        else:
            self.catalog.forget(name)
            self.catalog.registry.clear_remains(name)
        return name, entry

    def _quoted(self, name: TableName) -> str:
        assert self.catalog is not None
        return self.catalog.quoted(*name.parts)

    def _expect_table(self, name: TableName, provider: str, place: str, options: Any) -> None:
        """A writer is about to make a table: keep what its folder alone will not say."""
        assert self.catalog is not None
        self.catalog.mark_made(name)
        if provider.lower() == "delta" and not place:
            return
        folder = place or str(self.catalog.registry.managed_folder(name))
        if not place:
            options["path"] = folder
        kind = "external" if place else "table"
        self.catalog.registry.put(Entry(name, kind, provider.lower(), str(Path(folder))))

    def _ensure(self, text: str) -> None:
        if self.catalog is None:
            return
        for entry in self.catalog.ensure_text(text):
            self._recorder.add("tables_read", str(entry.name))


_VISITS: dict[str, Callable[[PlanInterceptor, Any], None]] = {
    "spark.connect.Read.DataSource": PlanInterceptor._visit_source,
    "spark.connect.Read.NamedTable": PlanInterceptor._visit_named,
    "spark.connect.Command": PlanInterceptor._visit_command,
    "spark.connect.WriteOperation": PlanInterceptor._visit_write,
    "spark.connect.WriteOperationV2": PlanInterceptor._visit_write_v2,
    "spark.connect.WriteStreamOperationStart": PlanInterceptor._visit_stream,
    "spark.connect.MergeIntoTableCommand": PlanInterceptor._visit_merge,
    "spark.connect.SQL": PlanInterceptor._visit_sql,
    "spark.connect.SqlCommand": PlanInterceptor._visit_sql,
    "spark.connect.Expression.Literal": PlanInterceptor._visit_literal,
    "spark.connect.Catalog": PlanInterceptor._visit_catalog,
    "spark.connect.Relation": PlanInterceptor._visit_relation,
    "spark.connect.Expression": PlanInterceptor._visit_expression,
}
