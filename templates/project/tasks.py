"""The commands: `invoke --list` shows them, `invoke --help run` explains one."""

from brickloop.tasks import namespace

ns = namespace()
