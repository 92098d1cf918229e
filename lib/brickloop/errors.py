"""The error tree: every failure that brickloop itself reports, with its hint and exit code.

    BrickloopError            1  anything below; never raised itself
    ├── WorkFailed            1  the work was done and did not succeed (a run, a statement, a test)
    │   ├── RunFailed         1  a job run ended in a state other than success
    │   ├── OutputUnavailable 1  an output cannot be shown; which of these says why:
    │   │     OutputMissing, OutputEmpty, OutputNotText, OutputForbidden, OutputNotOurs,
    │   │     OutputTooNew, OutputDamaged
    │   ├── StatementFailed   1  a warehouse refused a statement or failed while it ran it
    │   └── HeldBack          1  a write was held because the other side changed too
    ├── UsageError            2  the caller's words, files or settings are wrong; nothing changed
    │   ├── SettingsError     2  a settings file or variable cannot be understood
    │   ├── NotebookError     2  a file is no notebook, or two files would be one notebook
    │   └── PathError         2  a path is malformed or leads outside its folder
    ├── ConnectionFailed      3  the workspace cannot be reached
    │   ├── ConnectionLost    3  a connection to a warehouse broke, before or while a statement ran
    │   └── NotAuthenticated  3  the workspace does not accept who we say we are
    └── TimedOut              4  a limit the user set was reached

An error names what was wrong and where; its hint says what to do. Neither ever holds a secret.
"""

from __future__ import annotations


class BrickloopError(Exception):
    """Any failure that brickloop reports; ``str()`` is one line, ``hint`` what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        """The file, line, path or host that the message is about."""
        self.hint = hint
        """What the person at the terminal can do, as one sentence."""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class WorkFailed(BrickloopError):
    """The work was attempted and did not succeed."""


class RunFailed(WorkFailed):
    """A job run ended in a state other than success."""


class StatementFailed(WorkFailed):
    """A warehouse refused a statement, or failed while it ran it."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        statement: str = "",
        sqlstate: str | None = None,
        line: int | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.statement = statement
        """The statement as it was sent."""
        self.sqlstate = sqlstate
        """Five characters, None where the warehouse gave none."""
        self.line = line
        """The line of the statement that is meant, from 1; None where that is not known."""
        self.position = position
        """The character in that line, from 0."""


class OutputUnavailable(WorkFailed):
    """An output is missing, empty, not text, or may not be read."""


class OutputMissing(OutputUnavailable):
    """There is no file or folder where the output should be."""


class OutputEmpty(OutputUnavailable):
    """The file is there and holds nothing."""


class OutputNotText(OutputUnavailable):
    """The file holds bytes that are no UTF-8 text."""


class OutputForbidden(OutputUnavailable):
    """The workspace does not let us read the output."""


class OutputNotOurs(OutputUnavailable):
    """What is there was not written by NotebookOutput."""


class OutputTooNew(OutputUnavailable):
    """The output was written by a newer brickloop, in a form that this one does not know."""


class OutputDamaged(OutputUnavailable):
    """The output has the right form and is not what was written."""


class HeldBack(WorkFailed):
    """A write was not made because the other side changed since it was last seen."""


class UsageError(BrickloopError):
    """The caller's words, files or settings are wrong; nothing was changed."""

    exit_code = 2


class SettingsError(UsageError):
    """A settings file, variable or flag cannot be understood."""


class NotebookError(UsageError):
    """A file is not the notebook it should be, or two files would be one notebook."""


class PathError(UsageError):
    """A path is malformed or leads outside the folder it belongs to."""


class ConnectionFailed(BrickloopError):
    """The workspace cannot be reached."""

    exit_code = 3


class ConnectionLost(ConnectionFailed):
    """A connection to a warehouse broke, before a statement was sent or while it ran."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        may_have_run: bool,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.may_have_run = may_have_run
        """False where the statement certainly had no effect, so that it may be sent again."""


class NotAuthenticated(ConnectionFailed):
    """The workspace does not accept the credentials that were presented."""


class TimedOut(BrickloopError):
    """A limit that the user set was reached before the work was done."""

    exit_code = 4
