"""Secrets: scopes, values, and who may use them. https://docs.databricks.com/api/workspace/secrets

Limits: 1,000 scopes, 1,000 secrets in each, 128 KiB a value. There is one user, so the permissions
are kept and shown but bar nobody. Scopes of a key vault are not there.
"""

from __future__ import annotations

import base64

from brickloop.localws.services import USER, Services
from brickloop.localws.wire import Answer, Call, Endpoint, invalid, malformed, not_implemented


def create_scope(services: Services, call: Call) -> Answer:
    """A new scope."""
    if call.text("scope_backend_type", "DATABRICKS") != "DATABRICKS":
        raise not_implemented("A secret scope in an Azure Key Vault")
    manager = call.text("initial_manage_principal", USER)
    if manager not in {USER, "users"}:
        raise invalid("initial_manage_principal can only be 'users'.")
    services.secrets.create_scope(call.text("scope"), manager)
    return {}


def delete_scope(services: Services, call: Call) -> Answer:
    """A scope's end, and that of all in it."""
    services.secrets.delete_scope(call.text("scope"))
    return {}


def list_scopes(services: Services, call: Call) -> Answer:
    """All scopes."""
    names = services.secrets.scopes()
    return {"scopes": [{"name": n, "backend_type": "DATABRICKS"} for n in names]} if names else {}


def put(services: Services, call: Call) -> Answer:
    """A value kept."""
    text, encoded = call.fields.get("string_value"), call.fields.get("bytes_value")
    if (text is None) == (encoded is None):
        raise malformed("Exactly one of string_value and bytes_value must be given.")
    if text is not None and not isinstance(text, str):
        raise malformed("Could not parse request object: 'string_value' must be a string")
    value = text.encode() if text is not None else call.decoded("bytes_value")
    services.secrets.put(call.text("scope"), call.text("key"), value)
    return {}


def get(services: Services, call: Call) -> Answer:
    """A secret's value, in base64."""
    key = call.text("key")
    value = services.secrets.get(call.text("scope"), key)
    return {"key": key, "value": base64.b64encode(value).decode()}


def delete(services: Services, call: Call) -> Answer:
    """A secret's end."""
    services.secrets.delete(call.text("scope"), call.text("key"))
    return {}


def list_secrets(services: Services, call: Call) -> Answer:
    """The keys of a scope; never their values."""
    found = services.secrets.keys(call.text("scope"))
    shown = [{"key": key, "last_updated_timestamp": updated} for key, updated in found]
    return {"secrets": shown} if shown else {}


def put_acl(services: Services, call: Call) -> Answer:
    """A permission given."""
    permission = call.text("permission")
    services.secrets.grant(call.text("scope"), call.text("principal"), permission)
    return {}


def delete_acl(services: Services, call: Call) -> Answer:
    """A permission taken away."""
    services.secrets.revoke(call.text("scope"), call.text("principal"))
    return {}


def get_acl(services: Services, call: Call) -> Answer:
    """A principal's permission."""
    principal = call.text("principal")
    permission = services.secrets.permission(call.text("scope"), principal)
    return {"principal": principal, "permission": permission}


def list_acls(services: Services, call: Call) -> Answer:
    """The permissions on a scope."""
    found = services.secrets.permissions(call.text("scope"))
    return {"items": [{"principal": who, "permission": what} for who, what in found]}


_BASE = "/api/2.0/secrets"
ENDPOINTS = (
    Endpoint("POST", f"{_BASE}/scopes/create", create_scope),
    Endpoint("POST", f"{_BASE}/scopes/delete", delete_scope),
    Endpoint("GET", f"{_BASE}/scopes/list", list_scopes),
    Endpoint("POST", f"{_BASE}/put", put),
    Endpoint("GET", f"{_BASE}/get", get),
    Endpoint("POST", f"{_BASE}/delete", delete),
    Endpoint("GET", f"{_BASE}/list", list_secrets),
    Endpoint("POST", f"{_BASE}/acls/put", put_acl),
    Endpoint("POST", f"{_BASE}/acls/delete", delete_acl),
    Endpoint("GET", f"{_BASE}/acls/get", get_acl),
    Endpoint("GET", f"{_BASE}/acls/list", list_acls),
)
