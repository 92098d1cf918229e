"""What all pages have in common: the template, style and script of our own, and the policy."""

from __future__ import annotations

import base64
import functools
import hashlib
from html import escape
from importlib.resources import files
from string import Template

import brickloop

_ASSETS = "assets"


def render_shell(
    *,
    title: str,
    head: str,
    content: str,
    foot: str,
    brand: str = "brickloop",
    body_class: str = "",
) -> str:
    """A whole page; ``title`` is text, the other parts are markup."""
    script = asset("page.js")
    return Template(asset("page.html")).substitute(
        policy=policy(script),
        version=escape(brickloop.__version__),
        title=escape(title),
        style=asset("page.css"),
        script=script,
        head=head,
        content=content,
        foot=foot,
        brand=brand,
        body_class=f' class="{body_class}"' if body_class else "",
    )


def policy(script: str) -> str:
    """The page's content security policy: our script by its hash, and nothing from elsewhere.

    Styles may be inline, so that HTML which a notebook displayed keeps its looks in its frame,
    which inherits this policy; what they could load is forbidden by the rest.
    """
    # the template has a line end before the script, and the hash is of the whole element
    digest = hashlib.sha256(f"\n{script}".encode()).digest()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(digest).decode()}'; "
        "base-uri 'none'; form-action 'none'"
    )


@functools.cache
def asset(name: str) -> str:
    """The text of a file that comes with the package."""
    return files("brickloop.report").joinpath(_ASSETS).joinpath(name).read_text(encoding="utf-8")
