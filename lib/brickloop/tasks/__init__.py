"""invoke: the commands."""
