"""What a session's requests changed in the engine's session, so that another can be made like it.

A forked kernel must not work in the session of the one that it was forked from: views and settings
that were made there since would be in it. It opens one of its own, and what was done until the fork
is done there again, in the same order. Data is not touched: it lies on disk.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from pyspark.sql.connect.client.artifact import ArtifactManager
from pyspark.sql.connect.client.reattach import ExecutePlanResponseReattachableIterator
from pyspark.sql.connect.proto import base_pb2_grpc

from brickloop.localws.sql_text import leading_words

# what they change lies on disk, or nothing
_ELSEWHERE = frozenset(
    {"SELECT", "WITH", "VALUES", "TABLE", "FROM", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "LIST",
     "INSERT", "MERGE", "UPDATE", "DELETE", "OPTIMIZE", "VACUUM", "COPY", "TRUNCATE", "ANALYZE",
     "REFRESH", "MSCK", "COMMENT", "CACHE", "UNCACHE", "CLEAR", "RESTORE", "(", ""}
)  # fmt: skip
_SETTINGS = frozenset({"SET", "RESET", "DECLARE"})
_STATE_COMMANDS = frozenset(
    {"create_dataframe_view", "register_function", "register_table_function"}
)
_DATA_COMMANDS = frozenset({"write_operation", "write_operation_v2", "merge_into_table_command"})


class SessionLog:
    """The requests of one session that changed it, as they were made."""

    def __init__(self) -> None:
        self._kept: list[tuple[Any, bool, tuple[str, str] | None]] = []
        self.place: Callable[[], tuple[str, str] | None] = lambda: None
        """The catalog and schema that are current; None where that is not known yet."""
        self.unknown = ""
        """Why the session cannot be made again; empty while it can."""

    def take(self, request: Any, *, bare: bool) -> None:
        """Note a request before it is sent; ``bare`` ones go to the engine as they are."""
        kind = request.DESCRIPTOR.name
        if kind == "ConfigRequest":
            if request.operation.WhichOneof("op_type") in {"set", "unset"}:
                self._keep(request, bare)
        elif kind == "ExecutePlanRequest":
            if request.plan.HasField("root"):
                if request.plan.root.HasField("catalog"):
                    self._give_up("it used spark.catalog")
            elif self._changes(request.plan.command, bare):
                self._keep(request, bare)
        elif kind == "AddArtifactsRequest":
            self._give_up("it sent large data or files to the engine")

    def replay(self, stub: Any, bare: Any, use: Any, fill: Any) -> None:
        """Do everything again; ``fill`` puts the new session's names into a request."""
        for kept, is_bare, place in self._kept:
            if place is not None:
                use(*place)
            request = type(kept)()
            request.CopyFrom(kept)
            fill(request)
            if is_bare:
                with bare():
                    _send(stub, request)
            else:
                _send(stub, request)

    def _keep(self, request: Any, bare: bool) -> None:
        copy = type(request)()
        copy.CopyFrom(request)
        self._kept.append((copy, bare, self.place()))

    def _changes(self, command: Any, bare: bool) -> bool:
        kind = command.WhichOneof("command_type")
        if kind in _STATE_COMMANDS:
            return True
        if kind in _DATA_COMMANDS:
            return False
        if kind != "sql_command":
            self._give_up(f"it sent the engine a command ({kind}) that cannot be done again")
            return False
        sql = command.sql_command
        text = sql.input.sql.query or sql.sql
        words = leading_words(text, 6)
        first = words[0] if words else ""
        if first == "USE":
            # what is current is kept beside each request
            return False
        if first in _SETTINGS:
            return True
        if first in _ELSEWHERE or first.startswith("("):
            return False
        temporary = {"TEMP", "TEMPORARY"} & set(words)
        if first == "CREATE":
            return bool(temporary)
        if first == "DROP":
            return not bare
        if first != "ALTER" or temporary or "VIEW" in words[:2]:
            self._give_up(f"it ran {first}, whose effect on the session is not known")
        return False

    def _give_up(self, why: str) -> None:
        self.unknown = self.unknown or why


def disconnect(spark: Any) -> bool:
    """Close a session's channel, so that the process can fork; False where results still come.

    The session itself stays in the engine. ``connect_again`` or ``make_again`` must follow.
    """
    streams: Any = ExecutePlanResponseReattachableIterator
    if any(not stream._result_complete for stream in list(streams._instances)):
        return False
    client = spark.client
    for future in list(client._release_futures):
        future.exception(timeout=10)
    pool = streams._release_thread_pool_instance
    if pool is not None:
        pool.shutdown(wait=True)
        streams._release_thread_pool_instance = None
    client._channel.close()
    client._channel = client._internal_stub = client._artifact_manager = None
    return True


def connect_again(spark: Any) -> None:
    """Open the channel of the same session again."""
    client = spark.client
    client._channel = client._builder.toChannel()
    client._internal_stub = base_pb2_grpc.SparkConnectServiceStub(client._channel)
    client._artifact_manager = ArtifactManager(
        client._user_id, client._session_id, client._channel, client._builder.metadata()
    )


def make_again(spark: Any) -> None:
    """Give a session object an engine session of its own that is like the one it had."""
    client = spark.client
    client._session_id = spark._session_id = str(uuid.uuid4())
    client._server_session_id = None
    connect_again(spark)
    context = spark._front.context

    def fill(request: Any) -> None:
        request.session_id = client._session_id
        request.ClearField("client_observed_server_side_session_id")
        if request.DESCRIPTOR.name == "ExecutePlanRequest":
            request.ClearField("request_options")
            request.operation_id = str(uuid.uuid4())

    context.catalog.begin_again()
    log: SessionLog = context.interceptor.log
    context.interceptor.log = SessionLog()
    here = context.catalog.catalog, context.catalog.schema
    log.replay(client._internal_stub, context.interceptor.bare, context.catalog.use, fill)
    context.catalog.use(*here)
    context.interceptor.log = log


def _send(stub: Any, request: Any) -> None:
    if request.DESCRIPTOR.name == "ConfigRequest":
        stub.Config(request)
        return
    for _ in stub.ExecutePlan(request):
        pass
