"""Who is asking, and which workspace answers."""

from __future__ import annotations

from starlette.responses import JSONResponse

from brickloop.localws.services import USER, Services
from brickloop.localws.wire import Answer, Call, Endpoint

_USER_ID = "1000000000000001"


def describe_me(services: Services, call: Call) -> Answer:
    """The user that the token stands for. https://docs.databricks.com/api/workspace/currentuser"""
    body = {
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:workspace:2.0:User",
        ],
        "id": _USER_ID,
        "userName": USER,
        "displayName": "Local user",
        "name": {"givenName": "Local", "familyName": "user"},
        "active": True,
        "emails": [{"type": "work", "value": USER, "primary": True}],
        "groups": [
            {"display": "users", "type": "direct", "value": "1"},
            {"display": "admins", "type": "direct", "value": "2"},
        ],
        "entitlements": [{"value": "workspace-access"}, {"value": "databricks-sql-access"}],
    }
    headers = {"x-databricks-org-id": services.identity.workspace_id}
    return JSONResponse(body, headers=headers)


def describe_host(services: Services, call: Call) -> Answer:
    """What an SDK asks while it configures itself."""
    return {
        "oidc_endpoint": f"{services.identity.host}/oidc",
        "workspace_id": services.identity.workspace_id,
    }


ENDPOINTS = (
    Endpoint("GET", "/api/2.0/preview/scim/v2/Me", describe_me),
    Endpoint("GET", "/.well-known/databricks-config", describe_host, public=True),
)
