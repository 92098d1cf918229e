"""A session of a SQL warehouse through databricks-sql-connector, and its errors in our words.

The connector and pyarrow are imported when the first session is opened.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from brickloop.errors import (
    BrickloopError,
    ConnectionFailed,
    ConnectionLost,
    NotAuthenticated,
    StatementFailed,
)
from brickloop.model.query import Parameter

if TYPE_CHECKING:
    import pyarrow as pa

_CANCEL_SECONDS = 10.0
_POLL_SECONDS = 0.02
_LOCAL_RETRIES = {
    "_retry_stop_after_attempts_count": 2,
    "_retry_stop_after_attempts_duration": 5.0,
    "_retry_delay_min": 0.1,
    "_retry_delay_max": 5.0,
}
# what a warehouse answers to a session that it no longer has: the statement was not begun
_GONE = re.compile(
    r"Invalid SessionHandle|INVALID_HANDLE|SESSION_(?:CLOSED|NOT_FOUND|EXPIRED)"
    r"|Session (?:\S+ )?(?:is closed|is not running|does not exist|not found)|session expired",
    re.I,
)
_UNSENT = (
    "Connection refused",
    "NewConnectionError",
    "Name or service not known",
    "Temporary failure in name resolution",
    "nodename nor servname",
    "NameResolutionError",
    "No route to host",
    "Network is unreachable",
    "ConnectTimeout",
)
_PLACE = re.compile(r"\(?line (\d+),? pos(?:ition)? (\d+)\)?", re.I)
_STATE = re.compile(r"\s*\(?SQLSTATE[:=]?\s*([0-9A-Z]{5})\)?", re.I)
_CLASS_NAME = re.compile(r"^(?:[\w.$]+(?:Exception|Error): )+")
_SUGGESTION = re.compile(r"Did you mean (?:one of )?the following\?\s*\[([^\]]*)\]", re.I)


@dataclass(frozen=True)
class Endpoint:
    """A warehouse and what opens it."""

    host: str
    """``https://...``, or ``http://`` for the local workspace."""
    http_path: str
    warehouse: str
    """Its name, for people."""
    token: str | None = field(default=None, repr=False)
    authenticate: Callable[[], Any] | None = field(default=None, repr=False)
    """Gives the connector's header factory, where there is no plain token."""
    is_local: bool = False


@dataclass(frozen=True)
class Answer:
    """What a statement gave."""

    table: pa.Table
    query_id: str
    changed_rows: int | None
    """How many rows a statement changed, None where it does not say."""
    seconds: float = 0.0
    """How long it took until all was there."""


class Session:
    """One session; for one thread at a time, but for ``cancel``, which any thread may call."""

    def __init__(self, connection: Any, endpoint: Endpoint) -> None:
        self.connection = connection
        self.endpoint = endpoint
        self.opened = self.last_used = time.monotonic()
        self.uses = 0
        self.broken = False
        """Set where it must not be used again."""
        self.prepared = 0
        """How many of its owner's session statements it has seen."""
        self._cursor: Any = None
        self._cancelled = threading.Event()

    def execute(
        self,
        statement: str,
        parameters: Sequence[Parameter] | Mapping[str, Any] | Sequence[Any] | None = None,
        row_limit: int | None = None,
    ) -> Answer:
        """Run a statement to its end and fetch what it gives.

        Raises StatementFailed, or ConnectionLost, which says whether the statement may have run.
        """
        self.uses += 1
        self._cancelled.clear()
        begun = time.monotonic()
        with self._translated(statement):
            cursor = self.connection.cursor(row_limit=row_limit)
            self._cursor = cursor
            try:
                cursor.execute(statement, _bound(parameters))
                query_id = cursor.query_id or ""
                table = _fetch(cursor)
                changed = cursor.rowcount if isinstance(cursor.rowcount, int) else -1
                if self._cancelled.is_set():
                    raise StatementFailed("the statement was cancelled", statement=statement)
                seconds = time.monotonic() - begun
                return Answer(table, query_id, changed if changed >= 0 else None, seconds)
            except KeyboardInterrupt:
                # the warehouse would go on with what nobody waits for
                with contextlib.suppress(Exception):
                    if cursor.active_command_id is not None:
                        cursor.cancel()
                raise
            finally:
                self._cursor = None
                self.last_used = time.monotonic()
                self._close_cursor(cursor)

    def cancel(self) -> bool:
        """Stop the statement that runs; whether the warehouse was told."""
        self._cancelled.set()
        deadline = time.monotonic() + _CANCEL_SECONDS
        while (cursor := self._cursor) is not None and time.monotonic() < deadline:
            # there is nothing to name until the warehouse has given the statement an id
            if cursor.active_command_id is not None:
                with contextlib.suppress(Exception):
                    cursor.cancel()
                    return True
                return False
            time.sleep(_POLL_SECONDS)
        return False

    def ping(self) -> bool:
        """Whether the warehouse still knows the session."""
        try:
            self.execute("SELECT 1")
        except BrickloopError:
            self.broken = True
        return not self.broken

    @property
    def is_open(self) -> bool:
        """Whether it has neither been closed nor found broken."""
        return not self.broken and bool(self.connection.open)

    def close(self) -> None:
        """Give the session back to the warehouse; never raises."""
        self.broken = True
        with contextlib.suppress(Exception):
            self.connection.close()

    def abandon(self) -> None:
        """Let go without a word to the warehouse: in a fork the session belongs to the parent."""
        self.broken = True
        with contextlib.suppress(Exception):
            self.connection.session.is_open = False

    def _close_cursor(self, cursor: Any) -> None:
        with contextlib.suppress(Exception):
            cursor.close()
        # the connector keeps every cursor it ever made
        with contextlib.suppress(AttributeError, ValueError):
            self.connection._cursors.remove(cursor)

    @contextlib.contextmanager
    def _translated(self, statement: str) -> Iterator[None]:
        try:
            yield
        except BrickloopError:
            raise
        except KeyboardInterrupt:
            # the transport may stand in the middle of an answer
            self.broken = True
            raise
        except Exception as error:
            mapped = translate_error(error, self.endpoint, statement)
            if mapped is None:
                raise
            if isinstance(mapped, ConnectionFailed):
                self.broken = True
            raise mapped from error


def open_session(
    endpoint: Endpoint,
    *,
    catalog: str | None = None,
    schema: str | None = None,
    configuration: Mapping[str, str] | None = None,
) -> Session:
    """A new session; raises ConnectionFailed or NotAuthenticated."""
    from databricks import sql

    # it logs on stderr what it also raises
    logging.getLogger("databricks.sql").addHandler(logging.NullHandler())
    options: dict[str, Any] = {"user_agent_entry": "brickloop", "catalog": catalog}
    options |= {"schema": schema, "session_configuration": dict(configuration or {})}
    if endpoint.token is not None:
        options["access_token"] = endpoint.token
    elif endpoint.authenticate is not None:
        options["credentials_provider"] = endpoint.authenticate
    name = endpoint.host.removeprefix("https://")
    if endpoint.host.startswith("http://"):
        options["_connection_uri"] = f"{endpoint.host}{endpoint.http_path}"
    if endpoint.is_local:
        options |= {"enable_telemetry": False, **_LOCAL_RETRIES}
    try:
        connection = sql.connect(server_hostname=name, http_path=endpoint.http_path, **options)
    except Exception as error:
        mapped = translate_error(error, endpoint, "")
        if mapped is None:
            raise
        if isinstance(mapped, StatementFailed):
            mapped = ConnectionFailed(
                f"no session could be opened: {mapped.message}", where=_place(endpoint)
            )
        if isinstance(mapped, ConnectionLost):
            mapped.may_have_run = False
            mapped.hint = "invoke health tells what works and what does not"
        raise mapped from error
    return Session(connection, endpoint)


def translate_error(error: Exception, endpoint: Endpoint, statement: str) -> BrickloopError | None:
    """The connector's or the network's error in our words; None for what is neither."""
    from databricks.sql import exc
    from urllib3.exceptions import HTTPError

    text = str(getattr(error, "message", None) or error)
    where = _place(endpoint)
    if isinstance(error, exc.Error) and _GONE.search(text):
        return ConnectionLost(
            "the warehouse no longer knows the session", where=where, may_have_run=False
        )
    if isinstance(error, exc.RequestError | HTTPError | OSError):
        context = getattr(error, "context", None) or {}
        return _request_error(text, context, error, where)
    if isinstance(error, exc.InterfaceError) and "closed" in text:
        return ConnectionLost("the connection was closed", where=where, may_have_run=False)
    if isinstance(error, exc.Error):
        return statement_error(text, statement)
    return None


def _request_error(
    text: str, context: Mapping[str, Any], error: Exception, where: str
) -> BrickloopError:
    code = str(context.get("http-code") or "")
    told = str(context.get("error-message") or "").split("\n", 1)[0]
    cause = f"{context.get('original-exception', '')!s} {text} {error!r}"
    if code in {"401", "403"} or "401" in text[:80]:
        return NotAuthenticated(
            f"the warehouse does not accept the credentials{f': {told}' if told else ''}",
            where=where,
            hint="get a new token, or sign in again (invoke doctor shows which profile is meant)",
        )
    if code == "404":
        return ConnectionFailed(
            "there is no such warehouse",
            where=where,
            hint="name another with --warehouse ID_OR_NAME",
        )
    unsent = any(sign in cause for sign in _UNSENT)
    if unsent:
        return ConnectionLost(
            "the warehouse cannot be reached",
            where=where,
            hint="check the host's name, the network and the proxy (invoke health tells more)",
            may_have_run=False,
        )
    reason = told or text.split("\n", 1)[0] or type(error).__name__
    return ConnectionLost(
        f"the connection broke: {reason}",
        where=where,
        hint="the statement may have taken effect: look before you repeat one that changes data",
        may_have_run=True,
    )


def statement_error(text: str, statement: str) -> StatementFailed:
    """The error of a statement: its reason, its place, and what the warehouse suggests."""
    place = _PLACE.search(text)
    state = _STATE.search(text)
    reason = re.split(r"\n\s*(?:== SQL|at [\w.$]+\()|; line \d+", text, maxsplit=1)[0]
    reason = _STATE.sub("", _PLACE.sub("", _CLASS_NAME.sub("", reason.strip())))
    suggestion = _SUGGESTION.search(reason)
    hint = None
    if suggestion and suggestion[1].strip():
        hint = f"did you mean: {suggestion[1]}"
        reason = _SUGGESTION.sub("", reason)
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    message = " ".join(lines[:3]).rstrip(" .;:") or "the statement failed"
    return StatementFailed(
        message,
        hint=hint,
        statement=statement,
        sqlstate=state[1] if state else None,
        line=int(place[1]) if place else None,
        position=int(place[2]) if place else None,
    )


def _fetch(cursor: Any) -> pa.Table:
    import pyarrow as pa

    if not cursor.description:
        return pa.table({})
    return cursor.fetchall_arrow()


def _bound(
    parameters: Sequence[Parameter] | Mapping[str, Any] | Sequence[Any] | None,
) -> Any:
    """The parameters as the connector takes them."""
    if not parameters:
        return None
    if isinstance(parameters, Mapping):
        return dict(parameters)
    if not all(isinstance(one, Parameter) for one in parameters):
        return list(parameters)
    from databricks.sql.parameters.native import DbsqlParameterBase, VoidParameter

    class Typed(DbsqlParameterBase):  # type: ignore[misc]  # the connector has no types
        """A value as text, cast to a type by the warehouse."""

        def __init__(self, name: str, kind: str, text: str) -> None:
            self.name, self.CAST_EXPR, self.value = name, kind, text

    return [
        VoidParameter(None, name=one.name)
        if one.text is None
        else Typed(one.name, one.type, one.text)
        for one in parameters
    ]


def _place(endpoint: Endpoint) -> str:
    return f"{endpoint.host}{endpoint.http_path}"
