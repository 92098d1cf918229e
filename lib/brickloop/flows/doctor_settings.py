"""The doctor's look at settings, the workspace that they name, and what would sign in."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brickloop.config.candidates import workspace_candidates
from brickloop.config.flags import given_flags
from brickloop.config.profile import Target, config_file, credential_fields, resolve_target
from brickloop.config.settings import (
    DEFAULTS,
    DESCRIPTIONS,
    Settings,
    Value,
    load_settings,
    variable_of,
)
from brickloop.config.sync_file import FILE_NAME, read_sync_file
from brickloop.errors import BrickloopError
from brickloop.flows.target import shared_places
from brickloop.jobs.compute import parse_compute
from brickloop.model.finding import Checked, Finding, error, note, warning
from brickloop.model.query import parse_duration
from brickloop.runtime.redaction import redact

_SETTINGS_CODE = 2
# what is no setting and has a meaning all the same
_OTHERS = frozenset({"BRICKLOOP_JUNIT", "BRICKLOOP_SUMMARY"})
# of an engine's address: sc://host:15002/;token=...
_SECRET_PART = re.compile(r"(?i)((?:token|secret|password|key)=)[^;&\s]+")
_CHOICES = {"on_interrupt": ("cancel", "detach"), "offline": ("true", "false")}
# what may be shown; of all other credentials only that they are set
_SHOWN = frozenset(
    {
        "host", "profile", "config_file", "config_profile", "account_id", "workspace_id",
        "auth_type", "cluster_id", "warehouse_id", "http_path", "serverless_compute_id",
        "client_id", "username", "azure_client_id", "azure_tenant_id", "azure_environment",
        "azure_workspace_resource_id", "google_service_account", "arm_client_id", "arm_tenant_id",
        "arm_environment", "runtime_version", "cli_path",
    }
)  # fmt: skip
# by the SDK's names, in the order in which it tries them
_WAYS = (
    ("pat", ("token",)),
    ("basic", ("username", "password")),
    ("oauth-m2m", ("client_id", "client_secret")),
    ("azure-client-secret", ("azure_client_id", "azure_client_secret", "azure_tenant_id")),
    ("azure-client-secret", ("arm_client_id", "arm_client_secret", "arm_tenant_id")),
    ("google-id", ("google_service_account",)),
)


def check_settings(
    root: Path, overrides: Mapping[str, str | None] | None
) -> tuple[dict[str, Checked], Settings, Target | None]:
    """The settings and the workspace; those that can be had where a file is broken."""
    findings: list[Finding] = []
    try:
        settings = load_settings(root, overrides=overrides)
    except Exception as failure:  # noqa: BLE001  a broken file must not end the doctor
        findings.append(_wrong(failure, f"{root / 'pyproject.toml'} cannot be understood"))
        settings = _without_files(root, overrides or {})
    findings += _wrong_values(settings)
    facts = {
        name: {
            "value": _shown_setting(name, settings.text(name)),
            "source": settings[name].source,
            "description": DESCRIPTIONS.get(name, ""),
        }
        for name in settings.values
    }
    workspace, target = _check_workspace(settings)
    return (
        {"settings": Checked(facts, tuple(findings)), "workspace": workspace},
        settings,
        target,
    )


def check_credentials(target: Target | None) -> Checked:
    """What would sign in, where it comes from, and who else can read it."""
    path = config_file(os.environ)
    facts: dict[str, Any] = {
        "config_file": str(path),
        "config_file_exists": path.is_file(),
        "environment": {
            name: _shown_credential(name.removeprefix("DATABRICKS_").lower(), value)
            for name, value in sorted(os.environ.items())
            if name.startswith(("DATABRICKS_", "ARM_")) and value
        },
    }
    findings: list[Finding] = []
    if path.is_file() and sys.platform != "win32":
        mode = path.stat().st_mode & 0o777
        facts["config_file_mode"] = f"{mode:04o}"
        if mode & 0o077:
            findings.append(
                warning(f"{path} may be read by others (mode {mode:04o})", f"chmod 600 {path}")
            )
    if target is not None and not target.is_local:
        fields = credential_fields(target)
        facts["fields"] = {
            name: _shown_credential(name, value) for name, value in sorted(fields.items()) if value
        }
        facts["auth_type"] = fields.get("auth_type") or _guessed_auth(fields)
        clashing = [
            name for name in ("DATABRICKS_TOKEN", "DATABRICKS_HOST") if os.environ.get(name)
        ]
        if target.profile is not None and clashing:
            findings.append(
                note(
                    f"{' and '.join(clashing)} in the environment: not used,"
                    f" profile '{target.profile}' decides",
                    "other tools may take them before the profile; unset them if not meant",
                )
            )
    return Checked(facts, tuple(findings))


def _check_workspace(settings: Settings) -> tuple[Checked, Target | None]:
    candidates = [
        {
            "place": one.place,
            "says": _shown_credential("host", one.says) if one.says else None,
            "decides": one.decides,
        }
        for one in workspace_candidates(settings)
    ]
    try:
        target = resolve_target(settings)
    except Exception as failure:  # noqa: BLE001  as above
        found = _wrong(failure, "the workspace that is meant cannot be worked out")
        return Checked({"kind": None, "candidates": candidates}, (found,)), None
    facts = {
        "kind": target.kind,
        "host": target.host,
        "profile": target.profile,
        "why": target.why,
        "target": settings.target.name if settings.target else None,
        "targets": sorted(settings.targets),
        "protected": settings.is_protected,
        "candidates": candidates,
    }
    return Checked(facts, tuple(_one_place(settings))), target


def _one_place(settings: Settings) -> Iterator[Finding]:
    for names in shared_places(settings):
        yield warning(
            f"the targets {' and '.join(names)} are one folder in one workspace:"
            " what was done on one counts as done on the other",
            "give one of them a folder of its own",
        )


def _without_files(root: Path, overrides: Mapping[str, str | None]) -> Settings:
    """The settings where a file is broken: what is set elsewhere holds all the same."""
    values = {name: Value(default, "default") for name, default in DEFAULTS.items()}
    for name in DEFAULTS:
        variable = variable_of(name)
        if os.environ.get(variable):
            values[name] = Value(os.environ[variable], variable)
    for name, value in {**given_flags(), **overrides}.items():
        if value and name in values:
            values[name] = Value(value, f"--{name}")
    return Settings(root, values)


def _wrong(failure: Exception, otherwise: str) -> Finding:
    if isinstance(failure, BrickloopError):
        return error(str(failure), failure.hint, exit_code=_SETTINGS_CODE)
    return error(f"{otherwise}: {failure}", "correct it and try again", exit_code=_SETTINGS_CODE)


def _wrong_values(settings: Settings) -> list[Finding]:
    """What of the settings would be refused by the command that needs it."""
    found: list[Finding] = []

    def attempt(read: Any) -> None:
        try:
            read()
        except BrickloopError as failure:
            found.append(_wrong(failure, ""))

    if settings.text("run_timeout"):
        attempt(lambda: settings.seconds("run_timeout"))
    if settings.text("cache_ttl"):
        source = settings["cache_ttl"].source
        attempt(lambda: parse_duration(settings.text("cache_ttl") or "", f"cache_ttl ({source})"))
    if settings.text("compute"):
        attempt(lambda: parse_compute(settings.text("compute") or "", settings.root))
    for name, choices in _CHOICES.items():
        value = settings[name].value if name in settings.values else None
        if value and value.lower() not in choices:
            found.append(
                error(
                    f"{name} is '{value}' ({settings[name].source})",
                    f"it is {' or '.join(choices)}",
                    exit_code=_SETTINGS_CODE,
                )
            )
    for variable in sorted(os.environ):
        known = {*map(variable_of, DEFAULTS), *_OTHERS}
        if variable.startswith("BRICKLOOP_") and variable not in known:
            found.append(
                note(f"{variable} is set, and there is no such setting", "look at its spelling")
            )
    if (settings.root / FILE_NAME).exists():
        attempt(lambda: read_sync_file(settings.root))
    return found


def _shown_setting(name: str, value: str | None) -> str | None:
    if name == "host" and value:
        return _shown_credential(name, value)
    if value is None or not value.lstrip().startswith("{"):
        return redact(_SECRET_PART.sub(r"\1(set)", value)) if value else value
    # a job cluster's settings may hold anything, its environment above all
    try:
        names = sorted(json.loads(value))
    except (ValueError, TypeError):
        return "(JSON)"
    return f"a job cluster: {', '.join(names)}"


def _shown_credential(name: str, value: str) -> str:
    if name not in _SHOWN:
        return "(set)"
    # a host may be written with a name and password before it
    scheme, divider, rest = value.rpartition("://")
    return redact(f"{scheme}{divider}{rest.rpartition('@')[2] if divider else rest}")


def _guessed_auth(fields: Mapping[str, str]) -> str | None:
    for way, needed in _WAYS:
        if all(fields.get(name) for name in needed):
            return way
    return None
