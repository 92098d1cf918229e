"""HiveServer2's calls on a warehouse, one method each; what goes wrong is a status, never raised.

Protocol: TCLIService as databricks-sql-connector ships it (its generated classes serve here too).
An exception that left a method would reach the client as a fault of the transport.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from databricks.sql.thrift_api.TCLIService import TCLIService, ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

from brickloop.localws import thrift_metadata, thrift_schema
from brickloop.localws.arrow_results import WireFormat
from brickloop.localws.operations import Operation, Phase, Rows, run_statement
from brickloop.localws.sql_session import SqlSession
from brickloop.localws.statement_error import StatementError
from brickloop.localws.statement_parameters import Parameter
from brickloop.localws.warehouse_sessions import (
    ClientSession,
    UnknownOperation,
    UnknownSession,
    WarehouseSessions,
)

_LOG = logging.getLogger("brickloop.localws")
# a client can cancel only when it has the handle, so it gets one soon
_DIRECT_SECONDS = 1.0
# and while a client waits for a status it holds the lock that its own cancel needs
_POLL_SECONDS = 0.2
_ROWS = 100_000
_MIB = 1024 * 1024
_MESSAGE_BYTES = 24 * _MIB
_STATES = {
    Phase.PENDING: ttypes.TOperationState.PENDING_STATE,
    Phase.RUNNING: ttypes.TOperationState.RUNNING_STATE,
    Phase.SUCCEEDED: ttypes.TOperationState.FINISHED_STATE,
    Phase.FAILED: ttypes.TOperationState.ERROR_STATE,
    Phase.CANCELED: ttypes.TOperationState.CANCELED_STATE,
    # clients know no state of its own for this; as an error its message reaches the user
    Phase.TIMED_OUT: ttypes.TOperationState.ERROR_STATE,
    Phase.CLOSED: ttypes.TOperationState.CLOSED_STATE,
}
_IGNORED_SETTING = "spark.thriftserver."


class ThriftService:
    """The calls of one warehouse."""

    def __init__(self, sessions: WarehouseSessions, warehouse_id: str) -> None:
        self._sessions = sessions
        self._warehouse_id = warehouse_id
        self._processor = TCLIService.Processor(_Guard(self))

    def answer(self, content: bytes) -> bytes:
        """The reply to one message; raises ValueError for bytes that are no message."""
        reply = TMemoryBuffer()
        limits = {"string_length_limit": None, "container_length_limit": None}
        incoming = TBinaryProtocol(TMemoryBuffer(content), **limits)
        try:
            self._processor.process(incoming, TBinaryProtocol(reply, **limits))
        except Exception as error:  # noqa: BLE001 - all that a broken message can raise
            raise ValueError(f"no Thrift message: {type(error).__name__}") from None
        found: bytes = reply.getvalue()
        return found

    def OpenSession(self, req: Any) -> Any:  # noqa: N802
        """A new session."""
        space = req.initialNamespace
        settings = {
            key.removeprefix("set:"): value
            for key, value in (req.configuration or {}).items()
            if not key.startswith(_IGNORED_SETTING)
        }
        session = self._sessions.open(
            self._warehouse_id,
            space.catalogName if space else None,
            space.schemaName if space else None,
            settings,
        )
        identifier = ttypes.THandleIdentifier(guid=session.id, secret=session.id)
        return ttypes.TOpenSessionResp(
            status=_success(),
            serverProtocolVersion=ttypes.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V8,
            sessionHandle=ttypes.TSessionHandle(identifier),
            configuration={},
            initialNamespace=space,
            canUseMultipleCatalogs=True,
        )

    def CloseSession(self, req: Any) -> Any:  # noqa: N802
        """The session's end."""
        self._sessions.close(req.sessionHandle.sessionId.guid)
        return ttypes.TCloseSessionResp(_success())

    def GetInfo(self, req: Any) -> Any:  # noqa: N802
        """Who serves."""
        self._session(req)
        names = {
            ttypes.TGetInfoType.CLI_SERVER_NAME: "Spark SQL",
            ttypes.TGetInfoType.CLI_DBMS_NAME: "Spark SQL",
            ttypes.TGetInfoType.CLI_DBMS_VER: "4.0.0",
        }
        value = names.get(req.infoType)
        if value is None:
            return ttypes.TGetInfoResp(
                _refusal("Unrecognized GetInfoType value.", "HY096"),
                ttypes.TGetInfoValue(stringValue=""),
            )
        return ttypes.TGetInfoResp(_success(), ttypes.TGetInfoValue(stringValue=value))

    def ExecuteStatement(self, req: Any) -> Any:  # noqa: N802
        """A statement begun, with its first rows where it is quick."""
        session = self._session(req)
        native = req.useArrowNativeTypes or ttypes.TSparkArrowTypes()
        parameters = [_parameter(each) for each in req.parameters or ()]
        wire = WireFormat(
            timestamps=native.timestampAsArrow is not False,
            decimals=native.decimalAsArrow is not False,
            complex_types=bool(native.complexTypesAsArrow),
            utc="Etc/UTC",
        )
        operation = Operation(
            lambda running: run_statement(session, req.statement or "", parameters, wire, running),
            session.sql.cancel,
            row_limit=req.resultRowLimit or None,
            timeout=req.queryTimeout or session.statement_timeout,
            lz4_compressed=bool(req.canDecompressLZ4Result),
        )
        return self._begin(
            session,
            operation,
            ttypes.TOperationType.EXECUTE_STATEMENT,
            ttypes.TExecuteStatementResp,
            req,
        )

    def GetCatalogs(self, req: Any) -> Any:  # noqa: N802
        """The catalogs."""
        return self._list(req, "CATALOGS", thrift_metadata.list_catalogs)

    def GetSchemas(self, req: Any) -> Any:  # noqa: N802
        """The schemas."""
        return self._list(
            req,
            "SCHEMAS",
            lambda sql: thrift_metadata.list_schemas(sql, req.catalogName, req.schemaName),
        )

    def GetTables(self, req: Any) -> Any:  # noqa: N802
        """The tables and views."""
        return self._list(
            req,
            "TABLES",
            lambda sql: thrift_metadata.list_tables(
                sql, req.catalogName, req.schemaName, req.tableName, req.tableTypes
            ),
        )

    def GetColumns(self, req: Any) -> Any:  # noqa: N802
        """The columns of tables and views."""
        return self._list(
            req,
            "COLUMNS",
            lambda sql: thrift_metadata.list_columns(
                sql, req.catalogName, req.schemaName, req.tableName, req.columnName
            ),
        )

    def GetTableTypes(self, req: Any) -> Any:  # noqa: N802
        """The kinds of tables."""
        return self._list(req, "TABLE_TYPES", lambda sql: thrift_metadata.list_table_types())

    def GetTypeInfo(self, req: Any) -> Any:  # noqa: N802
        """The types."""
        return self._list(req, "TYPE_INFO", lambda sql: thrift_metadata.list_types())

    def GetFunctions(self, req: Any) -> Any:  # noqa: N802
        """The functions."""
        return self._list(
            req,
            "FUNCTIONS",
            lambda sql: thrift_metadata.list_functions(
                sql, req.catalogName, req.schemaName, req.functionName
            ),
        )

    def GetPrimaryKeys(self, req: Any) -> Any:  # noqa: N802
        """The primary keys that tables were declared with."""
        return self._list(
            req,
            "PRIMARY_KEYS",
            lambda sql: thrift_metadata.list_primary_keys(
                sql, req.catalogName, req.schemaName, req.tableName
            ),
        )

    def GetCrossReference(self, req: Any) -> Any:  # noqa: N802
        """The foreign keys that tables were declared with."""
        parent = req.parentCatalogName, req.parentSchemaName, req.parentTableName
        table = req.foreignCatalogName, req.foreignSchemaName, req.foreignTableName
        return self._list(
            req,
            "CROSS_REFERENCE",
            lambda sql: thrift_metadata.list_foreign_keys(sql, parent, table),
        )

    def GetOperationStatus(self, req: Any) -> Any:  # noqa: N802
        """Where a statement stands; waits a moment for a change."""
        operation = self._operation(req)
        operation.wait(_POLL_SECONDS)
        return _status_of(operation)

    def CancelOperation(self, req: Any) -> Any:  # noqa: N802
        """A statement stopped."""
        self._operation(req).cancel()
        return ttypes.TCancelOperationResp(_success())

    def CloseOperation(self, req: Any) -> Any:  # noqa: N802
        """A statement's end; its rows are gone."""
        self._discard(req.operationHandle.operationId.guid)
        return ttypes.TCloseOperationResp(_success())

    def GetResultSetMetadata(self, req: Any) -> Any:  # noqa: N802
        """The columns of a result; waits for them."""
        operation = self._operation(req)
        while not operation.wait(_DIRECT_SECONDS).ended:
            pass
        if operation.phase is not Phase.SUCCEEDED:
            raise operation.error or StatementError("The operation is closed.", sqlstate="HY010")
        return thrift_schema.metadata(operation.shape, lz4_compressed=operation.lz4_compressed)

    def FetchResults(self, req: Any) -> Any:  # noqa: N802
        """The next rows."""
        operation = self._operation(req)
        return self._fetch(operation, req.maxRows, req.maxBytes)

    def _session(self, req: Any) -> ClientSession:
        return self._sessions.get(req.sessionHandle.sessionId.guid)

    def _operation(self, req: Any) -> Operation:
        return self._sessions.operation(req.operationHandle.operationId.guid)[1]

    def _discard(self, operation_id: bytes) -> None:
        session, operation = self._sessions.operation(operation_id)
        session.operations.pop(operation_id, None)
        operation.close()

    def _list(self, req: Any, what: str, make: Callable[[SqlSession], Rows]) -> Any:
        session = self._session(req)
        operation = Operation(lambda _running: make(session.sql))
        reply = {
            "CATALOGS": ttypes.TGetCatalogsResp,
            "SCHEMAS": ttypes.TGetSchemasResp,
            "TABLES": ttypes.TGetTablesResp,
            "COLUMNS": ttypes.TGetColumnsResp,
            "TABLE_TYPES": ttypes.TGetTableTypesResp,
            "TYPE_INFO": ttypes.TGetTypeInfoResp,
            "FUNCTIONS": ttypes.TGetFunctionsResp,
            "PRIMARY_KEYS": ttypes.TGetPrimaryKeysResp,
            "CROSS_REFERENCE": ttypes.TGetCrossReferenceResp,
        }[what]
        kind = (
            ttypes.TOperationType.GET_TYPE_INFO
            if what == "TYPE_INFO"
            else getattr(ttypes.TOperationType, f"GET_{what}", ttypes.TOperationType.UNKNOWN)
        )
        return self._begin(session, operation, kind, reply, req)

    def _begin(
        self, session: ClientSession, operation: Operation, kind: int, reply: Any, req: Any
    ) -> Any:
        session.operations[operation.id] = operation
        operation.start()
        handle = ttypes.TOperationHandle(
            operationId=ttypes.THandleIdentifier(guid=operation.id, secret=operation.id),
            operationType=kind,
            hasResultSet=True,
        )
        direct = req.getDirectResults
        if direct is None:
            if not req.runAsync:
                while not operation.wait(_DIRECT_SECONDS).ended:
                    pass
            return reply(status=_success(), operationHandle=handle)
        results = self._direct(operation, direct)
        if results.closeOperation is not None:
            self._discard(operation.id)
        return reply(status=_success(), operationHandle=handle, directResults=results)

    def _direct(self, operation: Operation, direct: Any) -> Any:
        phase = operation.wait(_DIRECT_SECONDS)
        results = ttypes.TSparkDirectResults(operationStatus=_status_of(operation))
        if phase is Phase.SUCCEEDED:
            results.resultSetMetadata = thrift_schema.metadata(
                operation.shape, lz4_compressed=operation.lz4_compressed
            )
            try:
                results.resultSet = self._fetch(operation, direct.maxRows, direct.maxBytes)
            except StatementError:
                # it failed after its first rows
                return ttypes.TSparkDirectResults(operationStatus=_status_of(operation))
        ended = phase.ended and (results.resultSet is None or not results.resultSet.hasMoreRows)
        if ended:
            results.closeOperation = ttypes.TCloseOperationResp(_success())
        return results

    def _fetch(self, operation: Operation, max_rows: int | None, max_bytes: int | None) -> Any:
        size = min(max_bytes or _MESSAGE_BYTES, _MESSAGE_BYTES)
        taken = operation.take(max_rows or _ROWS, size)
        lz4_compressed = operation.lz4_compressed
        return ttypes.TFetchResultsResp(
            status=_success(),
            hasMoreRows=taken.more,
            results=thrift_schema.row_set(
                taken.batches, taken.start, lz4_compressed=lz4_compressed
            ),
            resultSetMetadata=thrift_schema.metadata(
                operation.shape, lz4_compressed=lz4_compressed
            ),
        )


class _Guard:
    """The service with every failure of a call turned into that call's status."""

    def __init__(self, service: ThriftService) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        method = getattr(self._service, name, None)
        return functools.partial(self._call, name, method)

    def _call(self, name: str, method: Callable[[Any], Any] | None, req: Any) -> Any:
        reply = getattr(ttypes, f"T{name}Resp")
        try:
            if method is None:
                text = f"[UNSUPPORTED_FEATURE] The local workspace does not answer {name}."
                return reply(status=_refusal(text, "0A000"))
            return method(req)
        except UnknownSession as error:
            text = f"Invalid SessionHandle: SessionHandle [{error}]"
            return reply(status=_refusal(text, "HY000", ttypes.TStatusCode.INVALID_HANDLE_STATUS))
        except UnknownOperation as error:
            text = f"Invalid OperationHandle: OperationHandle [{error}]"
            return reply(status=_refusal(text, "HY000", ttypes.TStatusCode.INVALID_HANDLE_STATUS))
        except StatementError as error:
            return reply(status=_refusal(error.message, error.sqlstate))
        except Exception as error:  # noqa: BLE001 - see the module's text
            _LOG.exception("%s failed", name)
            text = f"[INTERNAL_ERROR] {type(error).__name__}: {error}"
            return reply(status=_refusal(text, "XX000"))


def _success() -> Any:
    return ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS)


def _refusal(text: str, sqlstate: str, code: int = ttypes.TStatusCode.ERROR_STATUS) -> Any:
    return ttypes.TStatus(
        statusCode=code, sqlState=sqlstate or None, errorMessage=text, displayMessage=text
    )


def _status_of(operation: Operation) -> Any:
    phase = operation.phase
    status = ttypes.TGetOperationStatusResp(
        status=_success(),
        operationState=_STATES[phase],
        operationStarted=operation.started_ms,
        hasResultSet=True,
        numModifiedRows=operation.modified_rows if phase is Phase.SUCCEEDED else None,
    )
    error = operation.error
    if phase in {Phase.FAILED, Phase.TIMED_OUT} and error is not None:
        # clients show no SQLSTATE of their own, so it stands in the text
        text = error.message
        if error.sqlstate and "SQLSTATE" not in text:
            text = f"{text} SQLSTATE: {error.sqlstate}"
        status.sqlState = error.sqlstate or None
        status.errorMessage = status.displayMessage = text
        status.diagnosticInfo = text
    return status


def _parameter(given: Any) -> Parameter:
    return Parameter(
        _value(given.value), given.type or "STRING", given.name, _elements(given.arguments)
    )


def _elements(given: Sequence[Any] | None) -> tuple[Parameter, ...] | None:
    if given is None:
        return None
    return tuple(
        Parameter(each.value, each.type or "STRING", None, _elements(each.arguments))
        for each in given
    )


def _value(value: Any) -> str | None:
    if value is None:
        return None
    if value.stringValue is not None:
        return str(value.stringValue)
    if value.booleanValue is not None:
        return "true" if value.booleanValue else "false"
    return None if value.doubleValue is None else repr(value.doubleValue)
