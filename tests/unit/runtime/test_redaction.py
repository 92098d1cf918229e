"""Secrets never leave: what was got through dbutils, and what has a token's form."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from brickloop.runtime.redaction import (
    redact,
    redact_all,
    redact_fields,
    remember,
    watch_secrets,
)

HEX = "0123456789abcdef" * 2
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"dapi{HEX}", "[REDACTED]"),
        (f"token=dapi{HEX}-2;", "token=[REDACTED];"),
        (f"dkea{HEX} dose{HEX}", "[REDACTED] [REDACTED]"),
        (f"Bearer {JWT}", "Bearer [REDACTED]"),
        ("AKIAIOSFODNN7EXAMPLE", "[REDACTED]"),
        ("ghp_" + "a1" * 18, "[REDACTED]"),
        ("https://a.blob/x?sv=1&sig=abc%2Fdefghijklmnopqrstu%3D&x=1",
         "https://a.blob/x?sv=1&sig=[REDACTED]&x=1"),
        ("AccountKey=" + "A" * 60 + "==;E=1", "AccountKey=[REDACTED];E=1"),
        ("jdbc:x://me:secret@host/db", "jdbc:x://[REDACTED]@host/db"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- b",
         "a [REDACTED] b"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "[REDACTED]"),
    ],
)  # fmt: skip
def test_tokens_are_known_by_their_form(text, left):
    assert redact(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "dapixyz",
        "https://host:8080/path",
        "https://host/a@b",
        "sig=short",
        "eyJ.eyJ.x",
        "10:30@noon",
    ],
)
def test_what_only_looks_like_one_stays(text):
    assert redact(text) == text


def test_secrets_got_through_dbutils_are_remembered():
    given = {"key": "s3cr3t value", "long": "s3cr3t value and more", "short": "ab"}
    secrets = SimpleNamespace(
        get=lambda scope, key: given[key], getBytes=lambda scope, key: given[key].encode()
    )
    watch_secrets(SimpleNamespace(secrets=secrets))
    watched = secrets.get
    watch_secrets(SimpleNamespace(secrets=secrets))
    assert secrets.get is watched
    assert redact("s3cr3t value") == "s3cr3t value"
    assert secrets.get("scope", key="key") == "s3cr3t value"
    assert secrets.getBytes("scope", "long") == b"s3cr3t value and more"
    assert secrets.get("scope", "short") == "ab"
    assert redact("a s3cr3t value and more b") == "a [REDACTED] b"
    assert redact("a s3cr3t value b ab") == "a [REDACTED] b ab"
    remember("12345")
    assert redact_all({"n": 12345, "b": True, "s3cr3t value": ["s3cr3t value", None]}) == {
        "n": "[REDACTED]",
        "b": True,
        "[REDACTED]": ["[REDACTED]", None],
    }


def test_a_secret_that_is_a_word_of_ours_does_not_break_the_format():
    for word in ("kind", "text", "title", "AKIAIOSFODNN7EXAMPLE"):
        remember(word)
    event = {"kind": "text", "title": "a title", "text": "kind", "data": "AKIAIOSFODNN7EXAMPLE"}
    assert redact_fields(event) == {
        "kind": "text",
        "title": "a [REDACTED]",
        "text": "[REDACTED]",
        "data": "AKIAIOSFODNN7EXAMPLE",
    }


def test_dbutils_without_secrets_or_that_takes_no_attribute_is_left_alone():
    class Closed:
        __slots__ = ()

        def get(self, scope, key):
            return "value"

    watch_secrets(None)
    watch_secrets(SimpleNamespace())
    watch_secrets(SimpleNamespace(secrets=Closed()))


def test_long_texts_are_searched_in_time_that_grows_with_them():
    # a form that tries again at each character would take hours on these
    for text in ("a" * 2_000_000, "://" * 500_000, "eyJ" + "a-" * 500_000, "sig=" * 500_000):
        begun = time.process_time()
        redact(text)
        assert time.process_time() - begun < 60
