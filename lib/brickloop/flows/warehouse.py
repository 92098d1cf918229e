"""The warehouse that statements go to, and who asks: decided once, remembered, opened late.

A query that is answered from the cache must know workspace, warehouse, user, catalog and schema
for its key without asking anyone. So what a session said of itself is kept in the ledger under a
mark of everything that could make it untrue: the target, the wishes, and the credentials. Other
credentials, another mark: whoever signs in as somebody else is asked for anew and shares no result.
The mark is a salted hash; credentials themselves are written nowhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.config.profile import Target, credential_fields
from brickloop.config.settings import Settings
from brickloop.errors import UsageError
from brickloop.flows.result_cache import workspace_name
from brickloop.sql.key import Identity
from brickloop.sync.ledger import Ledger

if TYPE_CHECKING:
    from databricks.sdk.service.sql import EndpointInfo

    from brickloop.clients.warehouse import Endpoint, Session
    from brickloop.flows.target import OpenTarget

_FACTS = "sql-identity"
_SALT = "sql-salt"
_LASTING_SECONDS = 30 * 86400.0
_SHORT_SECONDS = 3600.0
_SECRETS = ("token", "client_secret", "password", "azure_client_secret")
# what keeps sign-ins that are in no variable and no profile; written anew at each sign-in
_SIGN_INS = ("~/.databricks/token-cache.json", "~/.azure/azureProfile.json")
_OTHER_WAYS = ("client_id", "username", "azure", "arm_", "google", "oidc", "metadata")
# an id or a path needs no list of warehouses, and so no SDK
_ID = re.compile(r"[0-9a-f]{16}")
_PATH = re.compile(r"/?sql/")
_IDENTIFY = (
    "SELECT current_user() AS user, current_catalog() AS catalog, current_schema() AS schema"
)


@dataclass(frozen=True)
class _Learned:
    """What a session said of itself."""

    user: str
    catalog: str
    schema: str
    http_path: str
    warehouse: str


class Warehouse:
    """One warehouse of the workspace that is meant; safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        target: Target,
        *,
        note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.settings = settings
        self.target = target
        self._note = note
        self._lock = threading.RLock()
        self._endpoint: Endpoint | None = None
        self._opened: OpenTarget | None = None
        self._opening = threading.Lock()
        self._learned: _Learned | None = None
        self._spare: Session | None = None
        self._spare_pid = 0
        self._mark: str | None = None

    @property
    def host(self) -> str:
        """The workspace as keys know it."""
        return workspace_name(self.settings, self.target)

    def identify(self, may_ask: bool) -> Identity | None:
        """Who asks where; where it is not known and may not be asked, None."""
        with self._lock:
            learned = self._learned or self._recall()
            if learned is None and may_ask:
                session = self.open_session()
                try:
                    learned = self._ask(session)
                except BaseException:
                    session.close()
                    raise
                # whoever asks who we are goes on to ask more
                self._spare, self._spare_pid = session, os.getpid()
            if learned is None:
                return None
            self._learned = learned
        return Identity(self.host, learned.http_path, learned.user, learned.catalog, learned.schema)

    def open_session(self) -> Session:
        """A new session.

        The local workspace is started where it does not run. Raises ConnectionFailed.
        """
        from brickloop.clients.warehouse import open_session
        from brickloop.errors import ConnectionLost

        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None and self._spare_pid == os.getpid():
            return spare
        if spare is not None:
            # a fork's child: it is the parent's
            spare.abandon()
        catalog, schema = self.settings.text("catalog"), self.settings.text("schema")
        try:
            session = open_session(self.endpoint(), catalog=catalog, schema=schema)
        except ConnectionLost:
            if not self.target.is_local:
                raise
            # it may have come back elsewhere, or have to be started again
            self.forget()
            session = open_session(self.endpoint(), catalog=catalog, schema=schema)
        return session

    def endpoint(self) -> Endpoint:
        """The warehouse and what opens it; decided at the first call."""
        with self._lock:
            if self._endpoint is None:
                self._endpoint = self._find_endpoint()
            return self._endpoint

    def close(self) -> None:
        """Give back what was opened and not used."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def forget(self) -> None:
        """Decide anew at the next call: the server may be another one now."""
        with self._lock:
            self._endpoint = None
        with self._opening:
            self._opened = None

    def opened(self) -> OpenTarget:
        """The workspace that the warehouse belongs to, signed in to through the SDK."""
        from brickloop.flows.target import open_target

        # a lock of its own: signing in may take long, and SQL does not wait for it
        with self._opening:
            if self._opened is None:
                self._opened = open_target(self.settings, self.target)
            return self._opened

    def state(self) -> str:
        """What the workspace says of the warehouse (``RUNNING``, ``STOPPED``, ...); "" for none."""
        from brickloop.clients.workspace import translate

        path = self.endpoint().http_path
        if "/warehouses/" not in path:
            return ""
        opened = self.opened()
        with translate(opened.host):
            found = opened.client.warehouses.get(path.rsplit("/", 1)[1])
        return found.state.value if found.state is not None else ""

    def _find_endpoint(self) -> Endpoint:
        from brickloop.clients.warehouse import Endpoint

        wanted = self.wanted()
        if self.target.is_local:
            from brickloop import launcher

            server = launcher.ensure_started(
                self.settings.state_folder / "local",
                engine=self.settings.text("local.engine") or "",
            )
            path, name = server.http_path, "of the local workspace"
            if wanted and wanted.strip("/") not in {path.strip("/"), path.rsplit("/", 1)[-1]}:
                path, name = self._choose(wanted)
            return Endpoint(server.host, path, name, token=server.token, is_local=True)
        host = self.target.host or ""
        learned = self._recall()
        if wanted and _PATH.match(wanted):
            path = f"/{wanted.lstrip('/')}"
            name = path.rsplit("/", 1)[-1]
        elif wanted and _ID.fullmatch(wanted):
            path, name = f"/sql/1.0/warehouses/{wanted}", wanted
        elif learned is not None:
            path, name = learned.http_path, learned.warehouse
        else:
            path, name = self._choose(wanted)
        fields = credential_fields(self.target)
        if _is_plain_token(fields):
            return Endpoint(host, path, name, token=fields["token"])
        config = self.opened().client.config
        return Endpoint(host, path, name, authenticate=lambda: config.authenticate)

    def wanted(self) -> str | None:
        """The warehouse that was asked for: an id, a name, or the path of a cluster."""
        named = self.settings.text("warehouse")
        if named or self.target.is_local:
            return named
        fields = credential_fields(self.target)
        return fields.get("warehouse_id") or fields.get("http_path")

    def _choose(self, wanted: str | None) -> tuple[str, str]:
        """Path and name of a warehouse that the workspace lists; says which was taken, and why."""
        from brickloop.clients.workspace import translate

        host = self.target.host or "the local workspace"
        with translate(host):
            listed = list(self.opened().client.warehouses.list())
        taken = preferred(listed, wanted)
        if taken is None:
            names = ", ".join(f"{one.name} ({one.id})" for one in listed) or "none"
            raise UsageError(
                f"there is no warehouse '{wanted}'" if wanted else "there is no SQL warehouse",
                where=host,
                hint=f"those that you may use: {names}",
            )
        if wanted is None:
            running = [one for one in listed if _is_running(one)]
            count = len(running or listed)
            why = "the only" if count == 1 else f"the first of {count}"
            state = "that runs" if running else "there is; none runs, so it has to start"
            self._note(f"warehouse {taken.name} ({taken.id}): {why} {state}")
        return f"/sql/1.0/warehouses/{taken.id}", str(taken.name or taken.id)

    def _ask(self, session: Session) -> _Learned:
        row = session.execute(_IDENTIFY).table.to_pylist()[0]
        endpoint = session.endpoint
        learned = _Learned(
            str(row["user"]),
            str(row["catalog"]),
            str(row["schema"]),
            endpoint.http_path,
            endpoint.warehouse,
        )
        with self._ledger() as ledger:
            if ledger is not None:
                fact = {**vars(learned), "until": time.time() + self._lasts()}
                ledger.record_fact(_FACTS, self._fact_mark(ledger), fact)
        self._learned = learned
        return learned

    def _recall(self) -> _Learned | None:
        """What is remembered for just these settings and credentials, if it still holds."""
        if self._learned is not None:
            return self._learned
        with self._ledger() as ledger:
            fact = ledger.fact(_FACTS, self._fact_mark(ledger)) if ledger is not None else None
        try:
            if fact is None or float(fact.pop("until")) < time.time():
                return None
            return _Learned(**fact)
        except (TypeError, KeyError, ValueError, AttributeError):
            return None

    def _lasts(self) -> float:
        """How long what was learned may be believed.

        A token names its user for good; a sign-in of a cloud's tool may change behind our back, and
        so may which warehouse runs.
        """
        if self.target.is_local:
            return _LASTING_SECONDS
        fields = credential_fields(self.target)
        lasting = self.wanted() and any(fields.get(name) for name in _SECRETS)
        return _LASTING_SECONDS if lasting else _SHORT_SECONDS

    @contextlib.contextmanager
    def _ledger(self) -> Iterator[Ledger | None]:
        """The ledger; None where none can be kept: then who asks is asked each time."""
        ledger: Ledger | None = None
        with contextlib.suppress(OSError, sqlite3.Error):
            ledger = Ledger(self.settings.state_folder / "ledger.db")
        try:
            yield ledger
        finally:
            if ledger is not None:
                ledger.close()

    def _fact_mark(self, ledger: Ledger) -> str:
        if self._mark is None:
            credentials: Any = None
            if not self.target.is_local:
                credentials = [sorted(credential_fields(self.target).items()), _sign_ins()]
            wishes = [self.settings.text(name) for name in ("warehouse", "catalog", "schema")]
            parts = [_salt(ledger), self.host, self.target.profile, wishes, credentials]
            self._mark = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return self._mark


def preferred(listed: Sequence[EndpointInfo], wanted: str | None) -> EndpointInfo | None:
    """The warehouse of this id or name, without one any; one that runs before the others."""
    found = [one for one in listed if wanted is None or wanted in {one.id, one.name}]
    running = [one for one in found if _is_running(one)]
    return next(iter(running or found), None)


def _is_running(one: EndpointInfo) -> bool:
    return one.state is not None and one.state.value == "RUNNING"


def _salt(ledger: Ledger) -> str:
    found = ledger.fact(_SALT, _SALT)
    if not isinstance(found, str):
        ledger.record_fact(_SALT, _SALT, os.urandom(16).hex())
        found = ledger.fact(_SALT, _SALT)
    return str(found)


def _sign_ins() -> list[tuple[str, int, int]]:
    found = []
    for name in _SIGN_INS:
        path = Path(name).expanduser()
        if path.exists():
            stat = path.stat()
            found.append((name, stat.st_mtime_ns, stat.st_size))
    return found


def _is_plain_token(fields: dict[str, str]) -> bool:
    """Whether a personal access token is the one way to sign in, so that the SDK is not needed."""
    if not fields.get("token") or fields.get("auth_type", "pat") != "pat":
        return False
    return "auth_type" in fields or not any(
        value and name.startswith(_OTHER_WAYS) for name, value in fields.items()
    )
