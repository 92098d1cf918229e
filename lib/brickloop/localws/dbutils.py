"""``dbutils`` for notebooks on the local workspace.

Names and behaviour: https://docs.databricks.com/en/dev-tools/databricks-utils.html
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from brickloop.localws.dbutils_files import FileSystem

TASK_VALUE_LIMIT = 48 * 1024
"""Bytes of JSON that one task value may take."""


class NotebookExit(BaseException):
    """Raised by ``dbutils.notebook.exit``; ends the notebook with success."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


class RestartPython(BaseException):
    """Raised by ``dbutils.library.restartPython``; ends the cell and clears the names."""


class InputWidgetNotDefined(Exception):
    """A widget was asked for that neither a parameter nor the notebook defines."""


@dataclass(frozen=True)
class DbUtils:
    """The object that notebooks know as ``dbutils``."""

    fs: FileSystem
    widgets: Widgets
    notebook: NotebookUtils
    secrets: Secrets
    jobs: Jobs
    library: Library


class Widgets:
    """``dbutils.widgets``: the run's parameters, and defaults that the notebook gives."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self._given = {name: str(value) for name, value in parameters.items()}
        self._defaults: dict[str, str] = {}

    def text(self, name: str, defaultValue: Any = "", label: str | None = None) -> None:  # noqa: N803
        """Define a widget."""
        self._defaults[name] = str(defaultValue)

    def dropdown(
        self,
        name: str,
        defaultValue: Any,  # noqa: N803
        choices: Any,
        label: str | None = None,
    ) -> None:
        """Define a widget; its default must be one of its choices."""
        if str(defaultValue) not in [str(choice) for choice in choices]:
            raise ValueError(
                f"the default '{defaultValue}' of widget {name} is not among its choices"
            )
        self._defaults[name] = str(defaultValue)

    def combobox(
        self,
        name: str,
        defaultValue: Any,  # noqa: N803
        choices: Any,
        label: str | None = None,
    ) -> None:
        """Define a widget whose value may be another than its choices."""
        self._defaults[name] = str(defaultValue)

    def multiselect(
        self,
        name: str,
        defaultValue: Any,  # noqa: N803
        choices: Any,
        label: str | None = None,
    ) -> None:
        """Define a widget for several choices, joined by commas."""
        self.dropdown(name, defaultValue, choices, label)

    def get(self, name: str) -> str:
        """The parameter of that name, or the widget's default; raises where neither is there."""
        values = self.getAll()
        if name not in values:
            raise InputWidgetNotDefined(f"No input widget named {name} is defined")
        return values[name]

    def getArgument(self, name: str, defaultValue: Any = None) -> str:  # noqa: N802, N803
        """As ``get``, or the default."""
        if defaultValue is None:
            return self.get(name)
        return self.getAll().get(name, str(defaultValue))

    def getAll(self) -> dict[str, str]:  # noqa: N802
        """All parameters and widgets."""
        return {**self._defaults, **self._given}

    def give(self, arguments: dict[str, str]) -> None:
        """Take the arguments of ``%run``."""
        self._given.update(arguments)

    def remove(self, name: str) -> None:
        """Remove a widget."""
        self._defaults.pop(name, None)
        self._given.pop(name, None)

    def removeAll(self) -> None:  # noqa: N802
        """Remove all widgets."""
        self._defaults.clear()
        self._given.clear()


class NotebookUtils:
    """``dbutils.notebook``; ``run`` hands path, seconds and arguments on."""

    def __init__(
        self, run: Callable[[str, int, dict[str, str]], str], facts: dict[str, str]
    ) -> None:
        self._run = run
        self._facts = facts

    def run(
        self,
        path: str,
        timeout_seconds: int = 0,
        arguments: dict[str, Any] | None = None,
        **_options: Any,
    ) -> str:
        """What another notebook, run in a context of its own, exits with; raises when it fails."""
        given = {str(name): str(value) for name, value in (arguments or {}).items()}
        return self._run(path, int(timeout_seconds), given)

    def exit(self, value: Any = "") -> None:
        """End the notebook with success and this value."""
        raise NotebookExit(str(value))

    @property
    def entry_point(self) -> Context:
        """The way to the notebook's context that notebooks know from the JVM."""
        return Context(self._facts)

    def getContext(self) -> Context:  # noqa: N802
        """The notebook's context."""
        return Context(self._facts)


class Context:
    """Answers ``getDbutils().notebook().getContext().notebookPath().get()`` and its kin."""

    def __init__(self, facts: dict[str, str]) -> None:
        self._facts = facts

    def getDbutils(self) -> Context:  # noqa: N802
        """Itself: there is no JVM between."""
        return self

    def notebook(self) -> Context:
        """Itself."""
        return self

    def getContext(self) -> Context:  # noqa: N802
        """Itself."""
        return self

    def tags(self) -> Tags:
        """The context's tags."""
        return Tags({key: value for key, value in self._facts.items() if key != "apiToken"})

    def toJson(self) -> str:  # noqa: N802
        """Tags and context as JSON, without the token."""
        shown = self.tags().values
        return json.dumps(
            {
                "tags": shown,
                "extraContext": {
                    "notebook_path": shown["notebookPath"],
                    "api_url": shown["apiUrl"],
                },
                "currentRunId": {"id": shown["currentRunId"]},
            }
        )

    safeToJson = toJson  # noqa: N815

    def __getattr__(self, name: str) -> Callable[[], Option]:
        facts = self.__dict__.get("_facts", {})
        if name not in facts:
            raise AttributeError(f"the local workspace's notebook context has no {name}()")
        return lambda: Option(facts[name])


@dataclass(frozen=True)
class Tags:
    """The map of the context's tags."""

    values: dict[str, str]

    def apply(self, name: str) -> str:
        """The tag's value; raises KeyError without one."""
        return self.values[name]

    def get(self, name: str) -> Option:
        """The tag's value, wrapped."""
        return Option(self.values.get(name))


@dataclass(frozen=True)
class Option:
    """A value in the wrapping that the JVM gives it."""

    value: str | None

    def get(self) -> str:
        """The value; raises KeyError where there is none."""
        if self.value is None:
            raise KeyError("None.get")
        return self.value

    def getOrElse(self, default: Any) -> Any:  # noqa: N802
        """The value or the default."""
        return default if self.value is None else self.value

    def isDefined(self) -> bool:  # noqa: N802
        """Whether there is a value."""
        return self.value is not None

    def toString(self) -> str:  # noqa: N802
        """The value as text."""
        return str(self.value)


@dataclass(frozen=True)
class SecretMetadata:
    """A secret's key, as ``dbutils.secrets.list`` gives it."""

    key: str


@dataclass(frozen=True)
class SecretScope:
    """A scope, as ``dbutils.secrets.listScopes`` gives it."""

    name: str

    def getName(self) -> str:  # noqa: N802
        """Its name."""
        return self.name


class Secrets:
    """``dbutils.secrets``, asked of the workspace's API; ``hide`` learns each value first."""

    def __init__(self, host: str, token: str, hide: Callable[[str], None]) -> None:
        self._host = host
        self._token = token
        self._hide = hide

    def get(self, scope: str, key: str) -> str:
        """A secret's value; raises ValueError where it does not exist."""
        answer = self._ask("get", scope=scope, key=key)
        value = base64.b64decode(answer["value"]).decode()
        self._hide(value)
        return value

    def getBytes(self, scope: str, key: str) -> bytes:  # noqa: N802
        """A secret's value as bytes."""
        return self.get(scope, key).encode()

    def list(self, scope: str) -> list[SecretMetadata]:
        """The keys of a scope."""
        answer = self._ask("list", scope=scope)
        return [SecretMetadata(secret["key"]) for secret in answer.get("secrets", [])]

    def listScopes(self) -> Any:  # noqa: N802
        """The scopes."""
        answer = self._ask("scopes/list")
        return [SecretScope(scope["name"]) for scope in answer.get("scopes", [])]

    def _ask(self, what: str, **query: str) -> dict[str, Any]:
        if not self._host:
            raise ConnectionError(
                "secrets are kept by the local workspace's server, and it does not run; start it"
                " with: invoke local.start"
            )
        address = f"{self._host}/api/2.0/secrets/{what}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(
            address, headers={"Authorization": f"Bearer {self._token}"}
        )
        # a proxy for the outside world has no business between a notebook and its workspace
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise ValueError(_reason(error)) from None
        except (urllib.error.URLError, ValueError) as error:
            raise ConnectionError(f"the secrets of the workspace cannot be read: {error}") from None


class TaskValues:
    """``dbutils.jobs.taskValues``."""

    def __init__(
        self, upstream: dict[str, dict[str, Any]], keep: Callable[[str, Any], None]
    ) -> None:
        self._upstream = upstream
        self._keep = keep

    def set(self, key: str, value: Any) -> None:
        """Set a value for later tasks; at most 48 KiB as JSON."""
        try:
            text = json.dumps(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"the task value {key} cannot be written as JSON: {error}") from None
        if len(text.encode()) > TASK_VALUE_LIMIT:
            raise ValueError(f"the task value {key} is larger than 48 KiB as JSON")
        self._keep(key, value)

    def get(
        self,
        taskKey: str,  # noqa: N803
        key: str,
        default: Any = None,
        debugValue: Any = None,  # noqa: N803
    ) -> Any:
        """A value that an upstream task set, or the default; raises where neither is there."""
        found = self._upstream.get(taskKey, {})
        if key in found:
            return found[key]
        if default is not None:
            return default
        raise ValueError(f"no task value with key {key} was set by task {taskKey}")


class Jobs:
    """``dbutils.jobs``."""

    def __init__(self, task_values: TaskValues) -> None:
        self.taskValues = task_values


class Library:
    """``dbutils.library``."""

    def restartPython(self) -> None:  # noqa: N802
        """End the cell and clear the notebook's names."""
        raise RestartPython


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
