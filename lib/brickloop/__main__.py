"""``python -m brickloop``: as ``brickloop``."""

from brickloop.tasks.program import main

if __name__ == "__main__":
    main()
