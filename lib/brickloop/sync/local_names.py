"""Local names that a plan needs: one that another slot still has must be free first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from brickloop.sync.plan import Action, Held, Verb
from brickloop.sync.versions import Ancestor, Side, local_path

_WRITES = {Verb.CREATE, Verb.UPDATE, Verb.REPLACE}


@dataclass
class NameClaims:
    """Who has which local name, and which actions can have the name that they need."""

    names: Mapping[str, str]
    """The slot that each local path in use belongs to."""
    ancestors: Mapping[str, Ancestor]
    held: list[Held] = field(default_factory=list)
    again: bool = False
    """Whether a name that is needed becomes free by the plan itself."""

    def admit(self, actions: Iterable[Action]) -> list[Action]:
        """The actions whose local name is free; the others are held, or planned again later."""
        found = list(actions)
        leaving = {
            action.slot
            for action in found
            if action.side is Side.LOCAL and action.verb in {Verb.DELETE, Verb.REPLACE}
        }
        kept: list[Action] = []
        claimed: dict[str, str] = {}
        for action in found:
            name = self._wanted(action)
            owner = self._owner(name, action.slot, claimed)
            if owner is None:
                kept.append(action)
                if name is not None:
                    claimed[name] = action.slot
            elif owner in leaving:
                self.again = True
            else:
                self.held.append(Held(action.slot, f"its local name '{name}' belongs to '{owner}'"))
        return kept

    def _wanted(self, action: Action) -> str | None:
        if action.side is Side.REMOTE:
            return None
        if action.verb is Verb.MAKE_FOLDER:
            return action.slot
        if action.source is None or action.verb not in _WRITES:
            return None
        return local_path(action.slot, action.source, self.ancestors.get(action.slot))

    def _owner(self, name: str | None, slot: str, claimed: Mapping[str, str]) -> str | None:
        """The other slot that has the local name, or has a file where a folder is needed."""
        if name is None:
            return None
        owner = self.names.get(name) or claimed.get(name)
        if owner not in {None, slot}:
            return owner
        folder = name
        while "/" in folder:
            folder = folder.rsplit("/", 1)[0]
            owner = self.names.get(folder)
            if owner not in {None, folder}:
                return owner
        return None
