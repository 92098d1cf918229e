"""The documents; ``python -m docs.make`` makes what in them is made by a command."""
