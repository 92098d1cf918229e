"""Choosing notebooks as dbt users do: names, globs, tags, states, and what is before or after them.

    02_clean        one notebook, or a glob such as ``jobs/*``
    +02_clean       with all that it depends on (``2+02_clean``: two steps of it)
    02_clean+       with all that depends on it (``02_clean+1``: one step)
    @02_clean       with what depends on it, and all that those need
    path:jobs       in a folder
    tag:daily       by a tag
    state:modified  whose own content, files or parameters changed since the last run that succeeded
    state:new       never run; ``state:failed``: the last run failed; ``state:stale``: would run now

Words are a union, commas within a word an intersection: ``tag:daily,state:modified+``. Source:
https://docs.getdbt.com/reference/node-selection/syntax.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping

from brickloop.errors import UsageError

_WORD = re.compile(r"^(?P<at>@)?(?:(?P<up>\d*)\+)?(?P<core>.+?)(?:\+(?P<down>\d*))?$")
STATES = ("modified", "new", "failed", "stale")


class Selector:
    """Chooses among the notebooks of one graph."""

    def __init__(
        self,
        upstream: Mapping[str, Iterable[str]],
        tags: Mapping[str, Iterable[str]],
        in_state: Callable[[str, str], bool],
    ) -> None:
        self._upstream = {name: tuple(before) for name, before in upstream.items()}
        self._downstream: dict[str, list[str]] = {name: [] for name in self._upstream}
        for name, before in self._upstream.items():
            for other in before:
                self._downstream[other].append(name)
        self._tags = {name: set(found) for name, found in tags.items()}
        self._in_state = in_state

    def select(self, select: str = "", exclude: str = "") -> list[str]:
        """The notebooks that are chosen, in the graph's order; all for an empty text.

        Raises UsageError for a word that is none, or that names nothing.
        """
        chosen = self._union(select) if select.strip() else set(self._upstream)
        if exclude.strip():
            chosen -= self._union(exclude)
        return [name for name in self._upstream if name in chosen]

    def _union(self, text: str) -> set[str]:
        found: set[str] = set()
        for word in text.split():
            parts = [self._word(part) for part in word.split(",") if part]
            if parts:
                found |= set.intersection(*parts)
        return found

    def _word(self, word: str) -> set[str]:
        parsed = _WORD.match(word)
        if parsed is None:
            raise UsageError(f"'{word}' selects nothing", hint="write it like 02_clean+")
        found = self._core(parsed["core"])
        chosen = set(found)
        if parsed["up"] is not None:
            chosen |= _steps(found, self._upstream, parsed["up"])
        if parsed["down"] is not None:
            chosen |= _steps(found, self._downstream, parsed["down"])
        if parsed["at"]:
            after = found | _steps(found, self._downstream, "")
            chosen |= after | _steps(after, self._upstream, "")
        return chosen

    def _core(self, core: str) -> set[str]:
        method, colon, value = core.partition(":")
        if not colon:
            found = {name for name in self._upstream if _matches(name, core)}
            if not found:
                raise UsageError(
                    f"no notebook is called '{core}'",
                    hint=f"the notebooks are: {', '.join(self._upstream)}",
                )
            return found
        if method == "tag":
            return {name for name, tags in self._tags.items() if value in tags}
        if method == "path":
            folder = value.strip("/").removeprefix("./")
            return {name for name in self._upstream if f"{name}/".startswith(f"{folder}/")}
        if method == "state":
            if value not in STATES:
                raise UsageError(
                    f"'{value}' is no state", hint=f"the states are: {', '.join(STATES)}"
                )
            return {name for name in self._upstream if self._in_state(name, value)}
        raise UsageError(
            f"'{method}:' selects by nothing that is known",
            hint="what is: tag:, path:, state:, a name or a glob",
        )


def _matches(name: str, pattern: str) -> bool:
    plain = re.sub(r"\.(py|sql|r|scala|ipynb)$", "", pattern, flags=re.IGNORECASE)
    if fnmatch.fnmatchcase(name, plain):
        return True
    # without a folder a name means the notebook wherever it is
    return "/" not in plain and fnmatch.fnmatchcase(name.rsplit("/", 1)[-1], plain)


def _steps(start: set[str], links: Mapping[str, Iterable[str]], count: str) -> set[str]:
    """What is reached within ``count`` steps; an empty count is any number."""
    left = int(count) if count else -1
    found: set[str] = set()
    edge = set(start)
    while edge and left != 0:
        edge = {other for name in edge for other in links[name]} - found
        found |= edge
        left -= 1
    return found
