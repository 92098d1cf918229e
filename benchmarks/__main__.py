"""``python -m benchmarks NAME [options]``; without a name the benchmarks are listed.

Every module of this package that has a ``main(argv) -> int`` is a benchmark.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable

import benchmarks


def find_benchmarks() -> dict[str, Callable[[list[str]], int]]:
    """The ``main`` of each benchmark, by name."""
    found = {}
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if not module.name.startswith("_"):
            main = getattr(importlib.import_module(f"benchmarks.{module.name}"), "main", None)
            if main is not None:
                found[module.name] = main
    return found


def main(argv: list[str]) -> int:
    """Run the benchmark that is named, or list them; the exit code."""
    known = find_benchmarks()
    if argv and argv[0] in known:
        return known[argv[0]](argv[1:])
    listed = "\n".join(
        f"  {name:8} {(sys.modules[f'benchmarks.{name}'].__doc__ or '').splitlines()[0]}"
        for name in sorted(known)
    )
    if not argv or argv[0] in {"-h", "--help"}:
        print(f"python -m benchmarks NAME [options]; NAME --help explains one\n\n{listed}")
        return 0
    print(f"there is no benchmark '{argv[0]}'; there are:\n{listed}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
