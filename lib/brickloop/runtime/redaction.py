"""Keeping secrets in: what was got through ``dbutils.secrets``, and what has a token's form."""

from __future__ import annotations

import contextlib
import re
from typing import Any

REDACTED = "[REDACTED]"
_SHORTEST = 4
"""A shorter secret would be found in half of all words."""
# each begins with fixed characters, which makes the search quick in texts of many megabytes
_FORMS = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        # Databricks: personal token, other keys
        (r"dapi[0-9a-f]{32}(?:-\d+)?", REDACTED),
        (r"dkea[0-9a-f]{32}", REDACTED),
        (r"dose[0-9a-f]{32}", REDACTED),
        # JSON web token
        (r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}", REDACTED),
        # AWS: access key
        (r"AKIA[0-9A-Z]{16}", REDACTED),
        (r"ASIA[0-9A-Z]{16}", REDACTED),
        # GitHub
        (r"gh[pousr]_[0-9A-Za-z]{36,}", REDACTED),
        (r"github_pat_\w{22,}", REDACTED),
        # Azure: signature of an address, key of a storage account
        (r"(sig=)[0-9A-Za-z%+/=]{20,}", rf"\1{REDACTED}"),
        (r"(AccountKey=)[0-9A-Za-z+/=]{40,}", rf"\1{REDACTED}"),
        # name and password in an address
        (r"(://)[^\s/:@]{0,200}:[^\s/@]{1,200}@", rf"\1{REDACTED}@"),
        (
            r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?"
            r"(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)",
            REDACTED,
        ),
    )
)
_OWN_WORDS = {"kind", "format", "mime", "blob", "data", "status"}
_seen: set[str] = set()


def remember(secret: Any) -> None:
    """Have a secret's value redacted from now on."""
    if isinstance(secret, (bytes, bytearray)):
        secret = bytes(secret).decode("utf-8", "replace")
    if isinstance(secret, str) and len(secret) >= _SHORTEST:
        _seen.add(secret)


def watch_secrets(dbutils: Any) -> None:
    """Remember each value that the notebook gets through ``dbutils.secrets`` from now on."""
    secrets = getattr(dbutils, "secrets", None)
    for name in ("get", "getBytes"):
        method = getattr(secrets, name, None)
        if method is None or getattr(method, "brickloop_watches", False):
            continue

        def watched(*args: Any, _method: Any = method, **kwargs: Any) -> Any:
            value = _method(*args, **kwargs)
            remember(value)
            return value

        watched.brickloop_watches = True  # type: ignore[attr-defined]
        with contextlib.suppress(Exception):
            # an object that takes no attribute cannot be watched
            setattr(secrets, name, watched)


def redact(text: str) -> str:
    """The text without secrets."""
    # the longest first: one secret may begin like another
    for secret in sorted(_seen, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    for form, replacement in _FORMS:
        text = form.sub(replacement, text)
    return text


def redact_fields(event: dict[str, Any]) -> dict[str, Any]:
    """An event or a section without secrets; its own words, and the bytes of figures, stay."""
    return {
        name: value if name in _OWN_WORDS else redact_all(value) for name, value in event.items()
    }


def redact_all(value: Any) -> Any:
    """A JSON value without secrets in any of its texts, names and numbers."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(key)): redact_all(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_all(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and str(value) in _seen:
        return REDACTED
    return value
