"""What git knows of what is sent to a protected target."""

from __future__ import annotations

import subprocess

import pytest

from brickloop.config.settings import load_settings
from brickloop.errors import UsageError
from brickloop.flows.protection import refuse_watch, require_committed, uncommitted


@pytest.fixture
def repository(tmp_path):
    """A repository with a project in a folder of it, where all is committed."""
    root = tmp_path / "mono" / "shop"
    (root / "notebooks").mkdir(parents=True)
    (root / "notebooks" / "a b.py").write_text("1\n")
    (root / "pyproject.toml").write_text("[tool.brickloop.targets.prod]\n")
    (root / ".gitignore").write_text("secret.py\n")
    (root.parent / "other.txt").write_text("1\n")
    git(root.parent, "init", "-q")
    git(root.parent, "add", "-A")
    git(root.parent, "commit", "-q", "-m", "x")
    return root


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_what_is_committed_may_go(repository):
    assert uncommitted(repository, [repository / "notebooks" / "a b.py"]) == []


def test_changes_below_the_project_count_and_those_beside_it_do_not(repository):
    (repository.parent / "other.txt").write_text("2\n")
    (repository / "untracked.txt").write_text("2\n")
    assert uncommitted(repository) == []
    (repository / "notebooks" / "a b.py").write_text("2\n")
    (repository / "new.py").write_text("x")
    git(repository, "add", "new.py")
    git(repository, "mv", ".gitignore", "ignored")
    found = uncommitted(repository)
    assert found == ["ignored (changed)", "new.py (changed)", "notebooks/a b.py (changed)"]


def test_a_file_that_is_sent_must_be_in_git_also_where_git_ignores_it(repository):
    files = [repository / "notebooks" / name for name in ("a b.py", "secret.py", "new.py")]
    for path in files[1:]:
        path.write_text("1\n")
    outside = repository.parent / "other.txt"
    assert uncommitted(repository, [*files, outside]) == [
        "notebooks/new.py (not in git)",
        "notebooks/secret.py (not in git)",
    ]


def test_a_link_to_the_project_is_the_project(repository, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(repository, target_is_directory=True)
    assert uncommitted(link, [link / "notebooks" / "a b.py"]) == []


def test_refusals_and_force(repository, tmp_path, capsys):
    (repository / "notebooks" / "a b.py").write_text("2\n")
    settings = load_settings(repository, {}, {"target": "prod"})
    with pytest.raises(UsageError, match=r"1 file is not committed: notebooks/a b\.py") as caught:
        require_committed(settings)
    assert "--force" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="before they are committed"):
        refuse_watch(settings)
    forced = load_settings(repository, {"BRICKLOOP_FORCE": "1"}, {"target": "prod"})
    require_committed(forced)
    assert "sent all the same" in capsys.readouterr().err
    require_committed(load_settings(repository, {}))
    (tmp_path / "pyproject.toml").write_text("[tool.brickloop.targets.prod]\n")
    with pytest.raises(UsageError, match="git does not know what is sent"):
        require_committed(load_settings(tmp_path, {}, {"target": "prod"}))


def test_without_git_nothing_may_go(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git cannot be run"):
        require_committed(load_settings(repository, {}, {"target": "prod"}))
