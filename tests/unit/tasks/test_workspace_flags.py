"""The flags of every command that meets a workspace: added once, heard wherever settings are."""

from __future__ import annotations

import pytest
from invoke import Collection, Program

from brickloop.config.flags import flags, given_flags
from brickloop.config.settings import load_settings
from brickloop.tasks.command import command

TARGETS = '[tool.brickloop.targets.dev]\ncompute = "a"\n[tool.brickloop.targets.prod]\n'


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """What a command with a ``--force`` of its own found when words were typed."""
    (tmp_path / "pyproject.toml").write_text(TARGETS)
    monkeypatch.chdir(tmp_path)
    found = {}

    def run(*words: str) -> dict[str, object]:
        @command(workspace="sends")
        def send(_context, force=False):
            """Send."""
            settings = load_settings(tmp_path, {})
            found.update(force=force, settings=settings)

        @command(workspace="reads")
        def read(_context, profile=""):
            """Read."""
            found.update(profile=profile, settings=load_settings(tmp_path, {}))

        program = Program(namespace=Collection(send, read))
        program.run(["inv", *words], exit=False)
        assert given_flags() == {}
        return found

    return run


def test_a_command_hears_its_target_without_passing_it_on(typed):
    found = typed("send", "--target", "prod", "--force")
    settings = found["settings"]
    assert settings.target.name == "prod"
    assert settings["target"].source == "--target"
    assert settings["force"].value == "1"
    assert found["force"] is True


def test_flags_of_a_commands_own_are_its_own_too(typed):
    found = typed("read", "--profile", "local", "--target", "dev")
    assert found["profile"] == "local"
    assert found["settings"]["profile"].source == "--profile"
    assert found["settings"].text("compute") == "a"


def test_what_was_not_typed_does_not_hold(typed):
    settings = typed("send")["settings"]
    assert settings.target is None
    assert settings["force"].value is None


def test_flags_hold_within_and_are_forgotten_after_an_error():
    with pytest.raises(ZeroDivisionError), flags({"target": "a", "profile": ""}):
        assert given_flags() == {"target": "a"}
        raise ZeroDivisionError
    assert given_flags() == {}
