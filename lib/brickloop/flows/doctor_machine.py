"""The doctor's look at this machine: Python, packages, the PATH, the proxy."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any
from urllib import request

from brickloop.config.profile import Target
from brickloop.model.finding import Checked, Finding, error, note, warning
from brickloop.runtime.redaction import redact

_OLDEST_PYTHON = (3, 10)
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*([^;]*)(?:;\s*(.*))?")
_BOUND = re.compile(r"(>=|<=|<|>|==|~=|!=)\s*([0-9][0-9A-Za-z.]*)")
_EXTRA = "local"
_PROGRAMS = ("doit", "invoke", "brickloop")
_PYSPARK_FOLDER = ("pyspark-client", "pyspark", "databricks-connect")
"""Packages that write into one folder, ``pyspark``; the last one installed wins."""
_LOOPBACK = "127.0.0.1"


def check_versions(target: Target | None = None) -> Checked:
    """Python and the packages that brickloop needs, each with what is asked of it.

    Those of the local workspace are needed where that is meant.
    """
    packages: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, (wanted, extra) in requirements().items():
        version = _version(name)
        fits = version is not None and satisfies(version, wanted)
        packages[name] = {"version": version, "wanted": wanted, "extra": extra, "ok": fits}
        if version is None and extra and (target is None or not target.is_local):
            packages[name]["ok"] = None
        elif version is None and extra:
            findings.append(
                error(
                    f"{name} is not installed: the local workspace needs it",
                    f"pip install 'brickloop[{extra}]'",
                )
            )
        elif version is None:
            findings.append(error(f"{name} is not installed", f"pip install '{name}{wanted}'"))
        elif not fits:
            findings.append(
                error(
                    f"{name} {version} does not fit: {wanted} is needed",
                    f"pip install '{name}{wanted}'",
                )
            )
    findings += _clashes()
    if sys.version_info < _OLDEST_PYTHON:
        findings.append(
            error(f"Python {platform.python_version()} is too old", "use 3.10 or newer")
        )
    facts = {
        "brickloop": _version("brickloop"),
        "python": platform.python_version(),
        "python_path": sys.executable,
        "platform": platform.platform(terse=True),
        "packages": packages,
    }
    return Checked(facts, tuple(findings))


def requirements() -> dict[str, tuple[str, str | None]]:
    """What brickloop and its local workspace need on this Python.

    A package's name, with its versions and the extra that it belongs to.
    """
    found: dict[str, tuple[str, str | None]] = {}
    try:
        lines = importlib.metadata.requires("brickloop") or []
    except importlib.metadata.PackageNotFoundError:
        lines = []
    for line in lines:
        parts = _REQUIREMENT.fullmatch(line.strip())
        if parts is None:
            continue
        marker = parts[3] or ""
        extra = _EXTRA if re.search(rf"extra *== *['\"]{_EXTRA}['\"]", marker) else None
        if (extra or "extra" not in marker) and _holds_here(marker):
            wanted, _ = found.get(parts[1], ("", None))
            asked = parts[2].strip().strip("()")
            # what is needed without the extra too belongs to both
            owner = None if parts[1] in found else extra
            found[parts[1]] = (",".join(filter(None, (wanted, asked))), owner)
    return found


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version is one of those that are asked for, such as ``>=4.2,<5``."""
    have = _numbers(version)
    for sign, bound in _BOUND.findall(wanted):
        limit = _numbers(bound)
        width = max(len(have), len(limit))
        left, right = (each + (0,) * (width - len(each)) for each in (have, limit))
        fits = {
            ">=": left >= right,
            "<=": left <= right,
            ">": left > right,
            "<": left < right,
            "==": left == right,
            "!=": left != right,
            "~=": left >= right and left[: len(limit) - 1] == right[: len(limit) - 1],
        }[sign]
        if not fits:
            return False
    return True


def check_environment() -> Checked:
    """Whether the programs that are typed are those of this environment, and what slows them."""
    here = Path(sysconfig.get_path("scripts"))
    programs = {name: shutil.which(name) for name in _PROGRAMS}
    findings = _strangers(programs, here)
    active = os.environ.get("VIRTUAL_ENV")
    if active and not _same(Path(active), Path(sys.prefix)):
        findings.append(
            warning(
                f"{active} is the active environment, and this runs in {sys.prefix}",
                "activate the right one, or call its programs by their path",
            )
        )
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        findings.append(
            note(
                "PYTHONDONTWRITEBYTECODE is set: every command compiles its modules again",
                "unset PYTHONDONTWRITEBYTECODE",
            )
        )
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding not in {"utf8", "utf8mb4"}:
        findings.append(
            note(
                f"the terminal's encoding is {sys.stdout.encoding}: other characters become '?'",
                "set PYTHONUTF8=1" if sys.platform == "win32" else "set LC_ALL=C.UTF-8",
            )
        )
    facts = {
        "programs": programs,
        "scripts": str(here),
        "virtual_env": active,
        "prefix": sys.prefix,
    }
    return Checked(facts, tuple(findings))


def check_proxy(target: Target | None) -> Checked:
    """Which proxy requests go through, and whether those to this machine do so by mistake."""
    proxies = request.getproxies_environment()
    exceptions = proxies.pop("no", "")
    facts: dict[str, Any] = {
        "proxies": {scheme: redact(address) for scheme, address in sorted(proxies.items())},
        "no_proxy": exceptions or None,
    }
    if target is not None and target.host:
        facts["workspace_by"] = _way(target.host, proxies, exceptions)
    takes_http = bool(proxies.get("http") or proxies.get("all"))
    if takes_http and not _bypasses(_LOOPBACK, exceptions):
        what = "HTTP_PROXY is set and NO_PROXY leaves out 127.0.0.1"
        names = ",".join(filter(None, (exceptions, _LOOPBACK, "localhost")))
        do = f"export NO_PROXY={names}"
        if target is not None and target.is_local:
            return Checked(
                facts, (warning(f"{what}: other clients ask the local workspace by the proxy", do),)
            )
        return Checked(facts, (note(f"{what}: other clients need that for local servers", do),))
    return Checked(facts)


def _way(host: str, proxies: dict[str, str], exceptions: str) -> str:
    """The proxy that requests to a host go through, without its password, or ``no proxy``."""
    scheme, _, name = host.partition("://")
    proxy = proxies.get(scheme) or proxies.get("all")
    return "no proxy" if proxy is None or _bypasses(name, exceptions) else redact(proxy)


def _bypasses(host: str, exceptions: str) -> bool:
    # what requests asks; typeshed does not know it
    found: bool = vars(request)["proxy_bypass_environment"](host, {"no": exceptions})
    return found


def _strangers(programs: dict[str, str | None], here: Path) -> list[Finding]:
    """The programs that are found on the PATH and are not those of this environment."""
    findings: list[Finding] = []
    for name, found in programs.items():
        beside = shutil.which(name, path=str(here))
        if found and beside and not _same(Path(found).parent, here):
            findings.append(
                warning(
                    f"'{name}' is {found}, which belongs to another environment than {here}",
                    f"activate this one ({_activation(here)}), or type {beside}",
                )
            )
    absent = [name for name, found in programs.items() if found is None and (here / name).exists()]
    if absent:
        what = f"not on the PATH: {', '.join(absent)}"
        findings.append(note(what, f"activate the environment: {_activation(here)}"))
    return findings


def _clashes() -> list[Finding]:
    there = [name for name in _PYSPARK_FOLDER if _version(name) is not None]
    if len(there) < 2:
        return []
    others = [name for name in there if name != "pyspark-client"]
    return [
        error(
            f"{' and '.join(there)} are installed and overwrite each other's files",
            f"pip uninstall -y {' '.join(others)} && pip install --force-reinstall --no-deps"
            " pyspark-client (or keep them in an environment of their own)",
        )
    ]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _holds_here(marker: str) -> bool:
    bound = re.search(r"python_version\s*(>=|<=|<|>|==|!=)\s*['\"]([0-9.]+)['\"]", marker)
    if bound is None:
        return True
    return satisfies(".".join(platform.python_version_tuple()[:2]), f"{bound[1]}{bound[2]}")


def _numbers(version: str) -> tuple[int, ...]:
    """The release's numbers; what follows them (``rc1``, ``.post0``) does not count."""
    found = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else (0,)


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _activation(scripts: Path) -> str:
    if sys.platform == "win32":
        return str(scripts / "activate")
    return f"source {scripts / 'activate'}"
