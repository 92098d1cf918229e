"""The secrets of a local workspace: scopes, keys, values, and who may do what with a scope.

Kept in one file below the workspace's folder that only its owner may read. A value leaves it
through ``get`` alone; no message holds one.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brickloop.localws.record import write_private
from brickloop.localws.state import now_ms
from brickloop.localws.wire import ApiError, invalid

# https://docs.databricks.com/api/workspace/secrets/createscope and putsecret
_NAME = re.compile(r"[A-Za-z0-9_@.\-]{1,128}")
_MOST = 1000
_VALUE_BYTES = 128 * 1024
PERMISSIONS = ("READ", "WRITE", "MANAGE")


@dataclass
class Scope:
    """One scope: its values by key, and the rights on it by principal."""

    values: dict[str, Secret] = field(default_factory=dict)
    rights: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Secret:
    """A value and when it was put."""

    value: bytes = field(repr=False)
    updated_ms: int


class SecretStore:
    """All scopes; safe to share between threads. Refusals are the API's errors."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._scopes: dict[str, Scope] | None = None

    def create_scope(self, name: str, manager: str) -> None:
        """A new scope, which ``manager`` may manage."""
        _check_name(name, "scope")
        with self._lock:
            scopes = self._known()
            if name in scopes:
                raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Scope {name} already exists!")
            if len(scopes) >= _MOST:
                raise _limit(f"A workspace has at most {_MOST} secret scopes.")
            self._keep({**scopes, name: Scope(rights={manager: "MANAGE"})})

    def delete_scope(self, name: str) -> None:
        """Remove a scope with all in it."""
        with self._lock:
            self._scope(name)
            self._keep({key: scope for key, scope in self._known().items() if key != name})

    def scopes(self) -> list[str]:
        """The names of the scopes."""
        with self._lock:
            return sorted(self._known())

    def put(self, scope: str, key: str, value: bytes) -> None:
        """Keep a value under a key, over the one that is there."""
        _check_name(key, "key")
        if len(value) > _VALUE_BYTES:
            raise invalid(f"The value of a secret may have at most {_VALUE_BYTES} bytes.")
        with self._lock:
            found = self._scope(scope)
            if key not in found.values and len(found.values) >= _MOST:
                raise _limit(f"A scope holds at most {_MOST} secrets.")
            values = {**found.values, key: Secret(value, now_ms())}
            self._change(scope, Scope(values, found.rights))

    def get(self, scope: str, key: str) -> bytes:
        """A secret's value."""
        with self._lock:
            return self._secret(scope, key).value

    def delete(self, scope: str, key: str) -> None:
        """Remove a secret."""
        with self._lock:
            self._secret(scope, key)
            found = self._scope(scope)
            values = {name: secret for name, secret in found.values.items() if name != key}
            self._change(scope, Scope(values, found.rights))

    def keys(self, scope: str) -> list[tuple[str, int]]:
        """The keys of a scope, each with the time of its last change in milliseconds."""
        with self._lock:
            values = self._scope(scope).values
            return sorted((key, secret.updated_ms) for key, secret in values.items())

    def grant(self, scope: str, principal: str, permission: str) -> None:
        """Give a principal one permission on a scope, in place of what it had."""
        if permission not in PERMISSIONS:
            raise invalid(
                f"Unknown permission '{permission}': use one of {', '.join(PERMISSIONS)}."
            )
        with self._lock:
            found = self._scope(scope)
            self._change(scope, Scope(found.values, {**found.rights, principal: permission}))

    def revoke(self, scope: str, principal: str) -> None:
        """Take a principal's permission on a scope away."""
        self.permission(scope, principal)
        with self._lock:
            found = self._scope(scope)
            rights = {name: right for name, right in found.rights.items() if name != principal}
            self._change(scope, Scope(found.values, rights))

    def permission(self, scope: str, principal: str) -> str:
        """What a principal may do with a scope."""
        rights = dict(self.permissions(scope))
        if principal not in rights:
            raise _missing(f"No ACL for principal {principal} on scope {scope}")
        return rights[principal]

    def permissions(self, scope: str) -> list[tuple[str, str]]:
        """All principals with a permission on a scope."""
        with self._lock:
            return sorted(self._scope(scope).rights.items())

    def _known(self) -> dict[str, Scope]:
        if self._scopes is None:
            self._scopes = _read(self._path)
        return self._scopes

    def _scope(self, name: str) -> Scope:
        found = self._known().get(name)
        if found is None:
            raise _missing(f"Scope {name} does not exist!")
        return found

    def _secret(self, scope: str, key: str) -> Secret:
        found = self._scope(scope).values.get(key)
        if found is None:
            raise _missing(f"Secret does not exist with scope: {scope} and key: {key}")
        return found

    def _change(self, name: str, scope: Scope) -> None:
        self._keep({**self._known(), name: scope})

    def _keep(self, scopes: dict[str, Scope]) -> None:
        data = {
            name: {
                "rights": scope.rights,
                "values": {
                    key: [base64.b64encode(secret.value).decode(), secret.updated_ms]
                    for key, secret in scope.values.items()
                },
            }
            for name, scope in scopes.items()
        }
        write_private(self._path, json.dumps(data))
        self._scopes = scopes


def _read(path: Path) -> dict[str, Scope]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Scope(
                {
                    key: Secret(base64.b64decode(value), int(updated))
                    for key, (value, updated) in scope["values"].items()
                },
                dict(scope["rights"]),
            )
            for name, scope in data.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        # the next put would write over what may be mended by hand
        raise ApiError(
            500, "INTERNAL_ERROR", f"{path} cannot be read: mend it, or move it away."
        ) from None


def _check_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid(
            f"Invalid {what} name '{name}': use letters, digits, '-', '_', '@' and '.',"
            " at most 128 of them."
        )


def _missing(message: str) -> ApiError:
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", message)


def _limit(message: str) -> ApiError:
    return ApiError(400, "RESOURCE_LIMIT_EXCEEDED", message)
