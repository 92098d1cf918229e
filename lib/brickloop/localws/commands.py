"""What a kernel reports about its cells, gathered into the commands of the notebook model."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TEXT_LIMIT = 10_000_000
"""Characters of text that one cell may print, as on Databricks."""
LOG_LIMIT = 5_000_000
"""Characters of output that a Python file's run keeps: the last ones."""
_REDACTED = "[REDACTED]"
_INTERVAL = 0.2
_CHARACTERS_PER_SECOND = 5_000_000


@dataclass
class _Text:
    """Text printed in a row to one stream."""

    name: str
    parts: list[str] = field(default_factory=list)


@dataclass
class _Open:
    """The command that is running."""

    head: dict[str, Any]
    items: list[_Text | dict[str, Any]] = field(default_factory=list)
    characters: int = 0
    cut: bool = False


class CommandRecorder:
    """Turns a kernel's messages and its output into command events, secrets taken out.

    ``on_event`` gets the whole command each time; printed text is reported at intervals that grow
    with its size, so that a chatty cell costs no more than linear time.
    """

    def __init__(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        self._on_event = on_event
        self._secrets: list[str] = []
        self._waiting: dict[float, dict[str, Any]] = {}
        self._open: _Open | None = None
        self._changed = False
        self._sent = 0.0
        self._log: list[str] = []
        self._log_characters = 0
        self._decoders = {
            name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")
        }

    @property
    def logs(self) -> str:
        """The last output of a run that is no notebook."""
        return self._clean("".join(self._log))[-LOG_LIMIT:]

    def hide(self, secret: str) -> None:
        """Keep a secret's value out of everything reported from now on."""
        if secret.strip() and secret not in self._secrets:
            self._secrets.append(secret)
            # a secret that holds another must go first
            self._secrets.sort(key=len, reverse=True)

    def clean(self, text: str | None) -> str | None:
        """The text without secrets."""
        return None if text is None else self._clean(text)

    def plan(self, heads: list[dict[str, Any]]) -> None:
        """The commands that will be run, in order; each head has position, text and title."""
        self._waiting = {head["position"]: head for head in heads}

    def begin(self, position: float) -> None:
        """A planned command starts."""
        head = self._waiting.pop(position)
        self._open = _Open(head | {"startTime": _milliseconds()})
        self._send("running")

    def text(self, name: str, data: bytes) -> None:
        """Bytes from the kernel's stdout or stderr."""
        text = self._decoders[name].decode(data)
        if not text:
            return
        if self._open is None:
            self._log.append(text)
            self._log_characters += len(text)
            while self._log and self._log_characters - len(self._log[0]) > 2 * LOG_LIMIT:
                self._log_characters -= len(self._log.pop(0))
            return
        room = TEXT_LIMIT - self._open.characters
        self._open.characters += len(text)
        if room < len(text):
            self._open.cut = True
        if room > 0:
            last = self._open.items[-1] if self._open.items else None
            if not isinstance(last, _Text) or last.name != name:
                last = _Text(name)
                self._open.items.append(last)
            last.parts.append(text[:room])
            self._changed = True

    def item(self, item: dict[str, Any]) -> None:
        """Something displayed: a table, a figure, HTML."""
        if self._open is not None:
            self._open.items.append(item)
            self._send("running")

    def tick(self) -> None:
        """Report new text when the last report is long enough ago."""
        if not self._changed or self._open is None:
            return
        pause = max(_INTERVAL, self._open.characters / _CHARACTERS_PER_SECOND)
        if time.monotonic() - self._sent >= pause:
            self._send("running")

    def end(self, state: str, summary: str | None = None, error: str | None = None) -> None:
        """The running command ended."""
        if self._open is None:
            return
        self._open.head["finishTime"] = _milliseconds()
        self._send(state, summary, error)
        self._open = None

    def skip_rest(self) -> None:
        """No planned command will be run any more."""
        for head in self._waiting.values():
            command = _command(head, "skipped", None, None, None)
            self._on_event({"kind": "command", "command": command})
        self._waiting = {}

    def _send(self, state: str, summary: str | None = None, error: str | None = None) -> None:
        assert self._open is not None
        data = [self._shown(item) for item in self._open.items]
        if self._open.cut:
            note = f"\n*** output cut: a cell may print {TEXT_LIMIT:,} characters ***\n"
            data.append({"type": "ansi", "data": note, "name": "stderr"})
        results = {"type": "listResults", "data": data} if data else None
        command = _command(self._open.head, state, results, self.clean(summary), self.clean(error))
        self._on_event({"kind": "command", "command": command})
        self._changed = False
        self._sent = time.monotonic()

    def _shown(self, item: _Text | dict[str, Any]) -> dict[str, Any]:
        if isinstance(item, _Text):
            if len(item.parts) > 1:
                item.parts = ["".join(item.parts)]
            return {"type": "ansi", "data": self._clean(item.parts[0]), "name": item.name}
        cleaned = self._clean_value(item) if self._secrets else item
        assert isinstance(cleaned, dict)
        return cleaned

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        return text

    def _clean_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._clean(value)
        if isinstance(value, list):
            return [self._clean_value(each) for each in value]
        if isinstance(value, dict):
            return {self._clean(str(key)): self._clean_value(each) for key, each in value.items()}
        return value


def _command(
    head: dict[str, Any],
    state: str,
    results: dict[str, Any] | None,
    summary: str | None,
    error: str | None,
) -> dict[str, Any]:
    return {
        "position": head["position"],
        "command": head["command"],
        "commandTitle": head.get("title") or "",
        "subtype": "command",
        "state": state,
        "startTime": head.get("startTime", 0),
        "finishTime": head.get("finishTime", 0),
        "results": results,
        "errorSummary": summary,
        "error": error,
    }


def _milliseconds() -> int:
    return int(time.time() * 1000)
