"""What SQL drivers talk to: HiveServer2 over HTTP, their feature flags and their telemetry."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from brickloop.localws.services import CLUSTER_ID, Services
from brickloop.localws.threads import run_waiting
from brickloop.localws.warehouses import DEFAULT_ID
from brickloop.localws.wire import MIB, Answer, ApiError, Call, Endpoint, malformed

_MEDIA_TYPE = "application/x-thrift"
_MESSAGE_BYTES = 128 * MIB


async def answer_warehouse(services: Services, request: Request, tail: str) -> Response:
    """One HiveServer2 call on a warehouse."""
    return await _answer(services, request, tail.strip("/"))


async def answer_cluster(services: Services, request: Request, tail: str) -> Response:
    """One HiveServer2 call on the cluster, ``/sql/protocolv1/o/{workspace}/{cluster}``."""
    _, _, cluster = tail.strip("/").partition("/")
    if cluster != CLUSTER_ID:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Cluster {cluster} does not exist.")
    return await _answer(services, request, DEFAULT_ID)


async def _answer(services: Services, request: Request, warehouse_id: str) -> Response:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MESSAGE_BYTES:
            raise ApiError(413, "REQUEST_TOO_LARGE", "The message is larger than 128 MiB.")

    def answer() -> bytes:
        service = services.sql.thrift(warehouse_id)
        try:
            return service.answer(bytes(content))
        except ValueError as error:
            raise malformed(str(error)) from None

    return Response(await run_waiting(answer), media_type=_MEDIA_TYPE)


def show_flags(services: Services, call: Call) -> Answer:
    """No feature is switched on for any driver."""
    return {"flags": [], "ttl_seconds": 900}


def take_telemetry(services: Services, call: Call) -> Answer:
    """Telemetry is taken and dropped."""
    sent = call.fields.get("protoLogs") or call.fields.get("items") or []
    return {"errors": [], "numSuccess": len(sent), "numProtoSuccess": len(sent)}


ENDPOINTS = (
    Endpoint("POST", "/sql/1.0/warehouses/*", body="stream", stream=answer_warehouse),
    Endpoint("POST", "/sql/1.0/endpoints/*", body="stream", stream=answer_warehouse),
    Endpoint("POST", "/sql/protocolv1/o/*", body="stream", stream=answer_cluster),
    Endpoint("GET", "/api/2.0/connector-service/feature-flags/*", show_flags),
    Endpoint("POST", "/telemetry-ext", take_telemetry),
    Endpoint("POST", "/telemetry-unauth", take_telemetry, public=True),
)
