"""The doctor: what holds and why, what is wrong, and no secret, whatever is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from brickloop.config.profile import Target
from brickloop.display.doctor_view import show_diagnosis
from brickloop.flows import doctor, doctor_machine, doctor_project
from brickloop.flows.doctor_workspace import clock_skew
from brickloop.model.finding import Checked, Severity, error, note, warning

SECRET = "dapi0123456789abcdef0123456789abcdef"


def _found(diagnosis, check):
    return [one for name, one in diagnosis.findings if name == check]


def _whats(checked):
    return " | ".join(one.what for one in checked.findings)


def test_an_empty_folder_is_looked_at_and_nothing_is_made(tmp_path, capsys):
    diagnosis = doctor.examine(tmp_path)
    assert diagnosis.exit_code == 0
    facts = json.loads(json.dumps(diagnosis.as_json()))
    assert facts["workspace"]["why"] == "no workspace is configured"
    assert facts["settings"]["compute"] == {
        "value": "serverless",
        "source": "default",
        "description": facts["settings"]["compute"]["description"],
    }
    assert facts["connection"] == {"asked": False, "why": "the local workspace does not run"}
    assert facts["local"]["running"] is False
    assert any("no dodo.py" in one.what for one in _found(diagnosis, "project"))
    assert list(tmp_path.iterdir()) == []
    show_diagnosis(diagnosis)
    shown = capsys.readouterr().out
    assert "> the local workspace" in shown
    assert "there is no dodo.py" in shown


@pytest.mark.parametrize(
    ("name", "content", "check", "said"),
    [
        ("pyproject.toml", b"[tool.brickloop\n", "settings", "no valid TOML"),
        ("pyproject.toml", b'[tool.brickloop]\nwarehuose = "x"\n', "settings", "warehuose"),
        ("pyproject.toml", b"[tool.brickloop]\nrun_timeout = -3\n", "settings", "run_timeout"),
        ("pyproject.toml", b'[tool.brickloop]\ncache_ttl = "soon"\n', "settings", "cache_ttl"),
        ("pyproject.toml", b'[tool.brickloop]\ncompute = "big"\n', "settings", "compute is 'big'"),
        ("pyproject.toml", b'[tool.brickloop]\non_interrupt = "x"\n', "settings", "on_interrupt"),
        ("pyproject.toml", b"\xff\xfe", "settings", "pyproject.toml"),
        ("pyproject.toml", b'tool = "x"\n', "settings", "pyproject.toml"),
        (".databricks_sync.json", b'{"sync_pairs": 3}', "settings", ".databricks_sync.json:1"),
        (".databricks_sync.json", b"{", "settings", "is no JSON"),
        ("home/.databrickscfg", b"[DEFAULT\nhost", "workspace", "cannot be read"),
        ("home/.databrickscfg", b"\x00\xff", "workspace", "cannot be read"),
        ("dodo.py", b"def f(:\n", "project", "dodo.py:1"),
        ("tasks.py", b"import (\n", "project", "tasks.py:1"),
    ],
)
def test_a_broken_file_is_named_ends_with_2_and_hides_nothing_else(
    tmp_path, monkeypatch, name, content, check, said
):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "home" / ".databrickscfg"))
    monkeypatch.setenv("BRICKLOOP_CATALOG", "sales")
    diagnosis = doctor.examine(tmp_path, offline=True)
    assert diagnosis.exit_code == 2
    errors = [one for one in _found(diagnosis, check) if one.severity is Severity.ERROR]
    assert said in " | ".join(one.what for one in errors)
    facts = diagnosis.as_json()
    assert facts["settings"]["catalog"]["value"] == "sales"
    assert facts["settings"]["catalog"]["source"] == "BRICKLOOP_CATALOG"
    assert facts["versions"]["packages"]


def test_a_settings_path_that_is_a_folder_is_no_traceback(tmp_path):
    (tmp_path / "pyproject.toml").mkdir()
    (tmp_path / ".brickloop").write_text("a file")
    diagnosis = doctor.examine(tmp_path, offline=True)
    assert diagnosis.exit_code == 2
    assert any("has to be a folder" in one.what for one in _found(diagnosis, "disk"))


def test_no_secret_is_shown_wherever_it_stands(tmp_path, monkeypatch, capsys):
    config = tmp_path / "cfg"
    config.write_text(
        f"[dev]\nhost = https://me:{SECRET}@dev.example.com\ntoken = {SECRET}\n"
        f"client_secret = {SECRET}\npassword = {SECRET}\nmy_own = {SECRET}\n"
    )
    config.chmod(0o644)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.brickloop]\nprofile = "dev"\n'
        f"host = 'https://{SECRET}@dev.example.com'\n"
        "[tool.brickloop.compute]\nspark_version = '15.4.x-scala2.12'\n"
        f"spark_env_vars = {{ KEY = '{SECRET}' }}\n"
    )
    for name in ("TOKEN", "CLIENT_SECRET", "PASSWORD", "OIDC_TOKEN_FILEPATH", "NEW_THING"):
        monkeypatch.setenv(f"DATABRICKS_{name}", SECRET)
    monkeypatch.setenv("DATABRICKS_HOST", f"https://u:{SECRET}@x.example.com")
    monkeypatch.setenv("ARM_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("HTTPS_PROXY", f"http://u:{SECRET}@proxy:3128")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(config))
    diagnosis = doctor.examine(tmp_path, offline=True)
    show_diagnosis(diagnosis)
    shown = capsys.readouterr().out + json.dumps(diagnosis.as_json())
    assert SECRET not in shown
    facts = diagnosis.as_json()["credentials"]
    assert facts["environment"]["DATABRICKS_TOKEN"] == "(set)"
    mode = [one for one in _found(diagnosis, "credentials") if one.do and "chmod 600" in one.do]
    assert len(mode) == 1


def test_a_profile_s_fields_are_shown_without_its_secrets(tmp_path, monkeypatch):
    config = tmp_path / "cfg"
    config.write_text(f"[dev]\nhost = https://dev.example.com\ntoken = {SECRET}\n")
    config.chmod(0o600)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(config))
    monkeypatch.setenv("DATABRICKS_TOKEN", "other")
    diagnosis = doctor.examine(tmp_path, {"profile": "dev"}, offline=True)
    facts = diagnosis.as_json()
    assert facts["credentials"]["fields"] == {"host": "https://dev.example.com", "token": "(set)"}
    assert facts["credentials"]["auth_type"] == "pat"
    assert facts["workspace"]["why"] == "profile 'dev' (--profile)"
    assert [one["place"] for one in facts["workspace"]["candidates"] if one["decides"]] == [
        "--profile"
    ]
    assert any("not used" in one.what for one in _found(diagnosis, "credentials"))
    assert diagnosis.exit_code == 0


def test_a_workspace_out_of_reach_ends_with_3(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("DATABRICKS_TOKEN", SECRET)
    diagnosis = doctor.examine(tmp_path)
    assert diagnosis.exit_code == 3
    (found,) = _found(diagnosis, "connection")
    assert "connection refused" in found.what
    assert diagnosis.as_json()["warehouse"] == {"asked": False}


def test_wrong_settings_come_before_a_workspace_out_of_reach():
    checks = {
        "a": Checked(findings=(error("no answer", exit_code=3),)),
        "b": Checked(findings=(note("n"), error("wrong", exit_code=2))),
        "c": Checked(findings=(warning("w"),)),
    }
    diagnosis = doctor.Diagnosis(Path(), checks)
    assert diagnosis.exit_code == 2
    assert [one.what for _, one in diagnosis.findings] == ["no answer", "wrong", "w", "n"]


def test_a_check_that_hangs_or_breaks_hides_no_other():
    release = threading.Event()
    told = []

    def hang():
        release.wait(60)
        return Checked()

    found = doctor.run_together(
        {"hangs": hang, "breaks": lambda: 1 / 0, "works": lambda: Checked({"x": 1})},
        0.3,
        told.append,
    )
    release.set()
    assert "not answered within 0 s" in found["hangs"].findings[0].what
    assert "ZeroDivisionError" in found["breaks"].findings[0].what
    assert found["works"].facts == {"x": 1}
    assert ["hangs"] in told


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("4.2.0", ">=4.2,<5", True),
        ("5", ">=4.2,<5", False),
        ("4.10", ">=4.9", True),
        ("4.2", "<4.2.0", False),
        ("3.0rc1", ">=3", True),
        ("2026.10.19.post1", "", True),
        ("1.4.9", "~=1.4.2", True),
        ("1.5.0", "~=1.4.2", False),
        ("1.0", "!=1.0.0", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version, wanted, fits):
    assert doctor_machine.satisfies(version, wanted) is fits


def test_the_packages_of_this_environment_fit():
    checked = doctor_machine.check_versions()
    assert checked.findings == ()
    assert checked.facts["packages"]["databricks-sdk"]["ok"] is True
    assert "pytest" not in checked.facts["packages"]


def test_packages_that_share_a_folder_are_named_with_the_way_out(monkeypatch):
    real = doctor_machine._version
    there = {"databricks-connect": "16.1", "pyspark": "4.0"}
    monkeypatch.setattr(doctor_machine, "_version", lambda name: there.get(name) or real(name))
    whats = _whats(doctor_machine.check_versions())
    assert "pyspark-client and pyspark and databricks-connect" in whats
    monkeypatch.setattr(
        doctor_machine, "_version", lambda name: "0.1" if name == "doit" else real(name)
    )
    (found,) = doctor_machine.check_versions().findings
    assert "doit 0.1 does not fit" in found.what
    assert found.do.startswith("pip install 'doit")
    monkeypatch.setattr(
        doctor_machine, "_version", lambda name: None if name == "rich" else real(name)
    )
    assert "rich is not installed" in _whats(doctor_machine.check_versions())


def test_a_doit_of_another_environment_is_a_trap(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "doit").write_text("#!/bin/sh\n")
        (folder / "doit").chmod(0o755)
    monkeypatch.setattr(doctor_machine.sysconfig, "get_path", lambda _name: str(here))
    monkeypatch.setenv("PATH", str(there))
    assert "belongs to another environment" in _whats(doctor_machine.check_environment())
    monkeypatch.setenv("PATH", f"{here}:{there}")
    assert "another environment" not in _whats(doctor_machine.check_environment())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not on the PATH: doit" in _whats(doctor_machine.check_environment())
    monkeypatch.setenv("VIRTUAL_ENV", str(there))
    assert "is the active environment, and this runs in" in _whats(
        doctor_machine.check_environment()
    )


@pytest.mark.parametrize(
    ("env", "severity"),
    [
        ({"HTTP_PROXY": "http://p:1"}, Severity.WARNING),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "x.com"}, Severity.WARNING),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "x.com,127.0.0.1"}, None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://p:1"}, None),
        ({}, None),
    ],
)
def test_loopback_by_a_proxy_is_a_mistake(monkeypatch, env, severity):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    checked = doctor_machine.check_proxy(Target("local", "x"))
    assert [one.severity for one in checked.findings] == ([severity] if severity else [])
    assert bool(checked.facts["proxies"]) is any("PROXY" in name for name in env)


@pytest.mark.parametrize(
    ("free", "severity"),
    [(10 * 1024**2, Severity.ERROR), (500 * 1024**2, Severity.WARNING), (1024**4, None)],
)
def test_a_disk_that_is_full_is_said(tmp_path, monkeypatch, free, severity):
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr(doctor_project.shutil, "disk_usage", lambda _path: usage)
    checked = doctor_project.check_disk(tmp_path)
    assert [one.severity for one in checked.findings] == ([severity] if severity else [])


def test_a_folder_that_may_not_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor_project.os, "access", lambda *_args: False)
    assert "may not be written" in _whats(doctor_project.check_disk(tmp_path))


def test_git_must_not_keep_the_state(tmp_path):
    def git(*words):
        who = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    assert "in no git repository" in _whats(doctor_project.check_git(tmp_path))
    git("init", "-b", "main")
    assert "does not ignore .brickloop" in _whats(doctor_project.check_git(tmp_path))
    (tmp_path / ".gitignore").write_text(".brickloop/\n")
    checked = doctor_project.check_git(tmp_path)
    assert checked.findings == ()
    assert checked.facts["clean"] is False
    assert checked.facts["branch"] == "main"
    (tmp_path / ".brickloop").mkdir()
    (tmp_path / ".brickloop" / "ledger.db").write_text("x")
    git("add", "-f", ".")
    git("commit", "-m", "x")
    checked = doctor_project.check_git(tmp_path)
    assert "is committed" in _whats(checked)
    assert checked.facts["clean"] is True


def test_a_lock_that_is_held_too_long_is_named_with_its_holder(tmp_path):
    folder = tmp_path / ".brickloop" / "sync" / "abc"
    folder.mkdir(parents=True)
    script = (
        "import sys\nfrom pathlib import Path\nfrom brickloop.sync.lock import held_lock\n"
        "with held_lock(Path(sys.argv[1]), seconds=1):\n    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    path = folder / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        checked = doctor_project.check_locks(tmp_path)
        assert [one["pid"] for one in checked.facts["held"]] == [process.pid]
        assert checked.findings == ()
        old = time.time() - 3600
        os.utime(path, (old, old))
        (found,) = doctor_project.check_locks(tmp_path).findings
        assert f"process {process.pid} has held sync/abc/lock for 60 minutes" in found.what
        process.stdin.close()
        process.wait(30)
    assert doctor_project.check_locks(tmp_path).facts["held"] == []


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Wed, 25 Nov 2026 02:00:00 GMT", 0.0),
        ("Wed, 25 Nov 2026 01:50:00 GMT", 600.0),
        ("Wed, 25 Nov 2026 02:10:00 GMT", -599.0),
        ("yesterday", None),
        (None, None),
    ],
)
def test_clock_skew_is_what_is_left_beside_the_time_of_the_answer(date, skew):
    at_two = 1795572000.0
    found = clock_skew(date, at_two + 0.2, at_two + 1.0)
    assert found == (None if skew is None else pytest.approx(skew, abs=1.0))


@pytest.mark.parametrize(
    ("env", "way"),
    [
        ({}, "no proxy"),
        ({"HTTPS_PROXY": "http://u:secret@p:1"}, "http://[REDACTED]@p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example.com"}, "no proxy"),
        ({"HTTP_PROXY": "http://p:1"}, "no proxy"),
        ({"ALL_PROXY": "http://p:1"}, "http://p:1"),
    ],
)
def test_the_way_to_the_workspace_is_said(monkeypatch, env, way):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    target = Target("remote", "x", "https://workspace.example.com")
    assert doctor_machine.check_proxy(target).facts["workspace_by"] == way


def test_an_engine_that_does_not_answer_is_said_and_its_token_is_not(tmp_path, monkeypatch):
    import socket

    monkeypatch.setenv("BRICKLOOP_LOCAL_ENGINE", f"sc://127.0.0.1:9/;token={SECRET[4:]}xyz")
    diagnosis = doctor.examine(tmp_path, offline=True)
    (found,) = _found(diagnosis, "local")
    assert "sc://127.0.0.1:9, does not answer" in found.what
    shown = json.dumps(diagnosis.as_json())
    assert "token=(set)" in shown
    assert SECRET[4:] not in shown
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"sc://127.0.0.1:{server.getsockname()[1]}"
        assert doctor_project.check_local(tmp_path, address).findings == ()
