"""Two sides, their users, and a sync between them that faults and users may meet at any step."""

from __future__ import annotations

import errno
import random
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.tree import SteppedMemoryTree
from tests.fakes.versions import (
    FOLDER,
    LANGUAGES,
    Leaf,
    Provenance,
    content,
    local_leaf,
    mark_of,
    slot_at,
    takes_part,
)
from tests.fakes.workspace import ROOT, FakeWorkspace, Item

from brickloop.errors import BrickloopError, ConnectionFailed
from brickloop.model.notebook import Language, NotebookFormat
from brickloop.sync.content import content_hash
from brickloop.sync.engine import Halted, Pair, Synchronizer, told
from brickloop.sync.holds import Keep
from brickloop.sync.pace import Crew
from brickloop.sync.plan import SAFE, Mode
from brickloop.sync.remote import Ambiguous, Content, Kind, RemoteFault, Throttled
from brickloop.sync.report import SyncReport
from brickloop.sync.saves import learn_stamps, push_saved
from brickloop.sync.selection import Selection
from brickloop.sync.state import SyncState, prepare
from brickloop.sync.versions import Ancestor, Side

API = {"list", "status", "export", "put", "delete", "mkdirs"}
WRITES = {"put", "delete", "mkdirs"}
LOCAL_WRITES = {"publish", "exchange", "retire", "make_folder", "remove_folder"}
FAULTS = ("kill", "refuse", "throttle", "cut", "lose", "full")


class Killed(BaseException):
    """The process dies here."""


class Broken(AssertionError):
    """What must hold does not."""


@dataclass(frozen=True)
class Op:
    """Something a user does: where, what, at one path, and for some at another."""

    side: Side
    what: str
    path: str
    other: str = ""


@dataclass(frozen=True)
class Fault:
    """What happens at the first step from ``at`` on where it can: a fault, or a user's doing."""

    at: int
    what: str | Op
    where: str = ""
    """The only kind of step it happens at, such as ``before put``; empty for any."""


class MemoryState(SyncState):
    """The state in a database that outlives the process that has it open."""

    def __init__(self, world: World) -> None:
        self._world = world
        super().__init__(Path("/nowhere/state.db"))

    def _connect(self) -> sqlite3.Connection:
        return self._world.database

    def close(self) -> None:
        self.flush()

    def _commit(self, batch: list[Any]) -> None:
        self._world.hook("before", "commit", "")
        super()._commit(batch)
        self._world.hook("after", "commit", "")


class MemoryObjects:
    """The object store in memory."""

    def __init__(self, kept: dict[str, bytes]) -> None:
        self.kept = kept

    def put(self, data: bytes, *, durable: bool = False) -> str:
        sha256 = content_hash(data)
        self.kept[sha256] = data
        return sha256

    def get(self, sha256: str) -> bytes | None:
        return self.kept.get(sha256)

    def require(self, sha256: str) -> bytes:
        return self.kept[sha256]

    def prune(self, *, now: float | None = None) -> int:
        return 0


class ShuffledCrew(Crew):
    """Does what others do in parallel one by one, in an order of its own."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__(1)
        self._dice = dice

    def each(self, function: Any, items: Iterable[Any]) -> Iterator[Any]:
        order = list(items)
        self._dice.shuffle(order)
        yield from super().each(function, order)


class MemorySynchronizer(Synchronizer):
    """One process's sync of a world."""

    def __init__(self, world: World) -> None:
        selection = Selection(None, (), world.excludes)
        pair = Pair(Path("/nowhere/p"), ROOT, Path("/nowhere/state"), "t")
        super().__init__(pair, world.fake, selection, parallel=1)
        self.tree = world.tree
        self.objects = MemoryObjects(world.kept)  # type: ignore[assignment]
        self._state = MemoryState(world)
        self._world = world

    @contextmanager
    def locked(self) -> Iterator[None]:
        with told():
            yield

    @contextmanager
    def crew(self) -> Iterator[Crew]:
        yield ShuffledCrew(self._world.dice)


@dataclass
class World:
    """A local tree, a workspace, what is remembered of them, and what their users did."""

    synchronizer: type[MemorySynchronizer] = MemorySynchronizer
    tree: Any = field(default_factory=SteppedMemoryTree)
    seed: int = 0
    keeps_ids: bool = True
    strict: bool = True
    """Whether a version may not be in the object store only."""
    excludes: tuple[str, ...] = ()
    fake: Any = None
    """The workspace; in memory when none is given."""
    window_open: bool = False
    """Whether a user of the workspace may act between a guard's look and the write."""

    def __post_init__(self) -> None:
        self.fake = self.fake or FakeWorkspace(keeps_ids=self.keeps_ids)
        self.dice = random.Random(self.seed)
        self.kept: dict[str, bytes] = {}
        self.database = new_database()
        self.provenance = Provenance()
        self.touched: dict[Side, set[str]] = {side: set() for side in Side}
        self.held: dict[Side, set[tuple[str, Leaf]]] = {side: set() for side in Side}
        self.trace: list[str] = []
        self.local_writes = 0
        self._faults: list[Fault] = []
        self._step = 0
        self._dead = False
        self._window = ""
        self._met: set[str] = set()
        # what was touched when the sync began or since: a conflict may have ended meanwhile
        self._lately: dict[Side, set[str]] = {side: set() for side in Side}
        self.fake.before = lambda call, path: self.hook("before", call, path)
        self.fake.after = lambda call, path: self.hook("after", call, path)
        self.tree.before = lambda call, path: self.hook("before", call, path)
        self.tree.after = lambda call, path: self.hook("after", call, path)

    # what stands where

    def local(self) -> dict[str, Leaf]:
        """The local side, by slot; two files in one slot are none of them."""
        found = dict.fromkeys(self.tree.folders(), FOLDER)
        for path, data in self.tree.files().items():
            if takes_part(path):
                slot = slot_at(path, data)
                found[slot] = local_leaf(path, data) if slot not in found else Leaf(Kind.OPAQUE)
        return found

    def remote(self) -> dict[str, Leaf]:
        """The workspace's side, by slot."""
        found = {}
        for path, item in self.fake.items.items():
            if path.startswith(f"{ROOT}/"):
                found[path[len(ROOT) + 1 :]] = remote_leaf(item)
        return found

    def live(self) -> set[str]:
        """Every version that can be found on a side, under whatever name."""
        local = {mark_of(data) for data in self.tree.files().values()}
        return local | {mark_of(item.data) for item in self.fake.items.values()}

    def standing(self) -> Iterator[tuple[str, bytes]]:
        """Every slot with what stands in it, on both sides."""
        for path, data in self.tree.files().items():
            if takes_part(path):
                yield slot_at(path, data), data
        for path, item in self.fake.items.items():
            yield path[len(ROOT) + 1 :], item.data

    # users

    def act(self, op: Op) -> bool:
        """Whether a user could do something, and did."""
        self._forget_equal()
        self._note_held()
        look = self.local if op.side is Side.LOCAL else self.remote
        before = look()
        done = self._act_locally(op) if op.side is Side.LOCAL else self._act_remotely(op)
        if done:
            after = look()
            changed = {slot for slot in {*before, *after} if before.get(slot) != after.get(slot)}
            self.touched[op.side] |= changed
            self._lately[op.side] |= changed
            self._met |= changed
            self.trace.append(f"{op.side.value} {op.what} {op.path} {op.other}".rstrip())
            self._note_held()
        return done

    def _act_locally(self, op: Op) -> bool:
        files, folders = self.tree.files(), self.tree.folders()
        path, data = op.path, files.get(op.path)
        if any(above in files for above in _above(path)):
            return False
        if op.what in {"save", "save plain"}:
            self._remove_locally(path)
            new = content(self.provenance.new(op.path), _suffix(path), notebook=op.what == "save")
            self.tree.save(path, new)
            return True
        if op.what == "mkdir":
            if path in folders or data is not None:
                return False
            self.tree.make_parents(f"{path}/x")
            return True
        if op.what == "delete":
            if data is None and path not in folders:
                return False
            self._remove_locally(path)
            return True
        if op.what == "move":
            return self._move_locally(path, op.other)
        if data is None:
            return False
        if op.what == "touch":
            self.tree.touch(path)
            return True
        # a save in place that leaves size and time of writing alike
        mark = self.provenance.new(op.path)
        new = data.replace(mark_of(data).encode(), mark.encode())
        self.provenance.remove(slot_at(path, data), data)
        self.tree.save(path, new, alike=True)
        return True

    def _move_locally(self, path: str, other: str) -> bool:
        files = self.tree.files()
        moved = [name for name in files if name == path or name.startswith(f"{path}/")]
        free = not any(above in files or above == path for above in _above(other))
        if not (moved or path in self.tree.folders()) or path == other or not free:
            return False
        if other in self.tree.folders() or (other in files and path not in files):
            return False
        self._remove_locally(other)
        self.tree.move(path, other)
        for name in moved:
            new = other + name[len(path) :]
            self.provenance.move(slot_at(name, files[name]), slot_at(new, files[name]), files[name])
        return True

    def _remove_locally(self, path: str) -> None:
        for name, data in self.tree.files().items():
            if name == path or name.startswith(f"{path}/"):
                self.provenance.remove(slot_at(name, data), data)
        self.tree.remove(path)

    def _act_remotely(self, op: Op) -> bool:
        slot, path = op.path, f"{ROOT}/{op.path}"
        found = self.fake.items.get(path)
        places = [slot, op.other] if op.other else [slot]
        in_window = any(_related(self._window, f"{ROOT}/{place}") for place in places)
        if in_window and not self.window_open:
            # a save between the last look and the write cannot be noticed by any client
            return False
        above = [self.fake.items.get(f"{ROOT}/{step}") for step in _above(slot)]
        if any(item is not None and item.kind is not Kind.DIRECTORY for item in above):
            return False
        pending = {row[0] for row in self.database.execute("SELECT slot FROM intents")}
        unsure = {s for s in pending if any(_related(s, place) for place in places)}
        if op.what == "delete":
            if found is None:
                return False
            self._remove_remotely(slot)
        elif op.what == "mkdir":
            if found is not None:
                return False
            self.fake.mkdirs(path)
        elif op.what == "move":
            if not self._move_remotely(slot, op.other):
                return False
        elif op.what == "save at once":
            data = found.data if found else b""
            if not mark_of(data) or found is None or found.kind is Kind.OPAQUE:
                return False
            new = data.replace(mark_of(data).encode(), self.provenance.new(path).encode())
            if not self.fake.save_at_once(path, new):
                del self.provenance.written[mark_of(new)]
                return False
            self.provenance.remove(slot, data)
        else:
            self._save_remotely(slot, op.what)
        self.provenance.exempt |= unsure
        return True

    def _save_remotely(self, slot: str, what: str) -> None:
        path = f"{ROOT}/{slot}"
        found = self.fake.items.get(path)
        made = _made(what, self.provenance.new(path))
        if what == "recreate" or found is None or found.kind is not made.kind:
            self._remove_remotely(slot)
        elif found is not None:
            self.provenance.remove(slot, found.data)
        self.fake.mkdirs(path.rsplit("/", 1)[0])
        self.fake.write(path, made)

    def _remove_remotely(self, slot: str) -> None:
        path = f"{ROOT}/{slot}"
        for name, item in list(self.fake.items.items()):
            if name == path or name.startswith(f"{path}/"):
                below = name[len(ROOT) + 1 :]
                self.provenance.remove(below, item.data)
        self.fake.clear(path)

    def _move_remotely(self, slot: str, other: str) -> bool:
        items = self.fake.items
        path, new = f"{ROOT}/{slot}", f"{ROOT}/{other}"
        parent = items.get(new.rsplit("/", 1)[0])
        if path not in items or new in items or new.startswith(f"{path}/"):
            return False
        if parent is None or parent.kind is not Kind.DIRECTORY:
            return False
        for name in list(items):
            if name == path or name.startswith(f"{path}/"):
                below = name[len(path) :]
                self.provenance.move(slot + below, other + below, items[name].data)
        self.fake.move(path, new)
        return True

    def _forget_equal(self) -> None:
        """A slot in which both sides are equal is as if nobody had touched it."""
        if not (self.touched[Side.LOCAL] or self.touched[Side.REMOTE]):
            return
        local, remote = self.local(), self.remote()
        known = {row[0] for row in self.database.execute("SELECT slot FROM ancestors")}
        for slot in self.touched[Side.LOCAL] | self.touched[Side.REMOTE]:
            # what became equal without a sync is not known to be
            met = slot in known or slot not in local
            if met and local.get(slot) == remote.get(slot):
                for side in Side:
                    self.touched[side].discard(slot)

    def _note_held(self) -> None:
        self.held[Side.LOCAL].update(
            (slot_at(path, data), local_leaf(path, data))
            for path, data in self.tree.files().items()
        )
        self.held[Side.LOCAL].update((path, FOLDER) for path in self.tree.folders())
        self.held[Side.REMOTE].update(self.remote().items())

    # syncing

    def sync(
        self,
        faults: Iterable[Fault] = (),
        mode: Mode = SAFE,
        *,
        paths: Iterable[str] | None = None,
        resolve: tuple[str, Keep] | None = None,
    ) -> SyncReport | None:
        """What one process's sync reported; None when it did not come to its end."""
        self.trace.append("sync")
        self._faults, self._step, self._dead, self._window = list(faults), 0, False, ""
        self._met.clear()
        self._lately = {side: set(slots) for side, slots in self.touched.items()}
        try:
            one = self.synchronizer(self)
            if resolve is not None:
                report: SyncReport | None = one.resolve(*resolve)
            elif paths is not None:
                report = push_saved(one, paths)
                if report is None:
                    report = one.run(mode)
                else:
                    learn_stamps(one, [change.path for change in report.changes])
            else:
                report = self._run(one, mode)
            one.close()
        except Killed:
            report = None
        except BrickloopError as error:
            self.trace.append(f"ended: {error}")
            report = None
        finally:
            self._faults, self._dead = [], False
        self.trace += [f"    {change}" for change in report.changes] if report else ["    died"]
        self.check(report)
        return report

    def _run(self, one: Synchronizer, mode: Mode) -> SyncReport:
        before = self.tree.files(), self.remote()
        quiet = not self._faults
        try:
            return one.run(mode)
        except Halted:
            if quiet and (self.tree.files(), self.remote()) != before:
                raise self._broken("a halt changed something") from None
            accepting = {"accepted_deletes": 99, "accepted_changes": 99}
            return one.run(Mode(**{**vars(mode), **accepting}))

    def resolve(self, slot: str, keep: Keep, faults: Iterable[Fault] = ()) -> None:
        """A user decides about a conflict, if there is one."""
        holds = MemoryState(self).holds()
        if slot not in holds:
            return
        both = {side: [] for side in Side}
        for path, data in self.tree.files().items():
            if takes_part(path) and _related(slot, slot_at(path, data)):
                both[Side.LOCAL].append((slot_at(path, data), data))
        for path, item in self.fake.items.items():
            if _related(f"{ROOT}/{slot}", path):
                both[Side.REMOTE].append((path[len(ROOT) + 1 :], item.data))
        # from here on either may go; whether it went is known at the end
        for slot_below, data in both[Side.LOCAL] + both[Side.REMOTE]:
            if keep is not Keep.BOTH:
                self.provenance.superseded.add(mark_of(data))
            self.provenance.bring(slot_below, data)
        self.trace.append(f"resolve {slot} {keep.value}")
        self.sync(faults, resolve=(slot, keep))

    def hook(self, phase: str, call: str, path: str) -> None:
        """Called around each step of a sync; here faults happen and users act."""
        if self._dead:
            raise Killed
        if phase == "before" and call in WRITES:
            self._check_kept(call, path)
        if phase == "after" and call in WRITES | LOCAL_WRITES:
            self.local_writes += call in LOCAL_WRITES
            self._check_alone(call, path)
            self._note_held()
        self._watch_window(phase, call, path)
        if not self._faults:
            return
        self._step += 1
        for fault in list(self._faults):
            if fault.at <= self._step and fault.where in {"", f"{phase} {call}"}:
                self._strike(fault, phase, call, path)

    def _watch_window(self, phase: str, call: str, path: str) -> None:
        if phase == "after" and call == "status":
            self._window = path
        elif (phase == "after" and call in WRITES) or (call in API and path != self._window):
            self._window = ""

    def _strike(self, fault: Fault, phase: str, call: str, path: str) -> None:
        what = fault.what
        error: BaseException | None = None
        if isinstance(what, Op):
            # what cannot be done here waits for another step, if it has to be at a certain one
            if self.act(what) or not fault.where:
                self._faults.remove(fault)
            return
        if what == "kill":
            self._dead = True
            self._note_held()
            # a folder has no intent: one that was made but not noted is nobody's, see docs/sync.md
            known = {row[0] for row in self.database.execute("SELECT slot FROM ancestors")}
            made = {s for s, leaf in {*self.local().items(), *self.remote().items()}
                    if leaf == FOLDER}  # fmt: skip
            self.provenance.exempt |= made - known
            error = Killed()
        elif what == "full" and (phase, call) == ("before", "stage"):
            error = OSError(errno.ENOSPC, "No space left on device")
        elif what == "lose" and call in WRITES:
            error = Ambiguous("the connection was lost", where=path)
        elif phase == "before" and call in API:
            error = {
                "refuse": RemoteFault("500", where=path),
                "throttle": Throttled("429", where=path, seconds=0),
                "cut": ConnectionFailed("no route", where=path),
            }.get(what)
        if error is not None:
            self._faults.remove(fault)
            self.trace.append(f"    {what} {phase} {call} {path}")
            raise error

    # what must hold

    def check(self, report: SyncReport | None) -> None:
        """Raise Broken when a version is lost, or a conflict is none."""
        live = self.live()
        if not self.strict:
            live |= {mark_of(data) for data in self.kept.values()}
        lost = self.provenance.lost(live)
        if lost:
            raise self._broken(f"LOST: {lost}")
        self._forget_equal()
        for hold in report.conflicts if report else ():
            touched = [
                any(_related(hold.slot, slot) for slot in self._lately[side]) for side in Side
            ]
            exempt = any(_related(hold.slot, slot) for slot in self.provenance.exempt)
            if not all(touched) and not exempt:
                raise self._broken(f"FALSE CONFLICT: {hold.slot}, touched {touched}")
        theirs = {(slot, leaf.canonical) for slot, leaf in self.held[Side.REMOTE]}
        for slot, was in self.ancestors().items():
            leaf = Leaf(was.kind, was.canonical, was.language, was.format)
            leaf = FOLDER if was.kind is Kind.DIRECTORY else leaf
            if (slot, leaf) not in self.held[Side.LOCAL]:
                raise self._broken(f"NEVER HELD: {slot} {leaf} locally")
            # a save of another kind right before a pull is fetched, and found out at the next look
            if (slot, leaf.canonical) not in theirs:
                raise self._broken(f"NEVER HELD: {slot} {leaf} in the workspace")

    def _broken(self, what: str) -> Broken:
        return Broken("\n".join([what, *self.trace]))

    def ancestors(self) -> Mapping[str, Ancestor]:
        """What is remembered as equal."""
        state = MemoryState(self)
        return state.ancestors()

    def _check_alone(self, call: str, path: str) -> None:
        """The tool makes nothing that would be one object with something else."""
        if call not in {"publish", "make_folder"} or not takes_part(path):
            return
        data = self.tree.files().get(path)
        slot = path if data is None else slot_at(path, data)
        if self.local().get(slot) == Leaf(Kind.OPAQUE) and slot not in self._met:
            raise self._broken(f"COLLIDED: {call} {path}")

    def _check_kept(self, call: str, path: str) -> None:
        """Whatever the tool overwrites or deletes is in the object store before."""
        item = self.fake.items.get(path)
        if call == "mkdirs" or item is None or item.kind is Kind.DIRECTORY:
            return
        if call == "put" and not self.fake.overwriting:
            return
        if mark_of(item.data) and content_hash(item.data) not in self.kept:
            raise self._broken(f"NOT KEPT: {path} before {call}")

    def quiesce(self) -> None:
        """Sync without faults until nothing changes; then both sides are equal but for holds."""
        for _ in range(8):
            report = self.sync()
            if report is not None and not (report.changes or report.failures):
                break
        else:
            left = (report.changes, report.failures) if report else "died"
            raise self._broken(f"DIVERGED: never done: {left}")
        assert report is not None
        held = {hold.slot for hold in report.conflicts} | {hold.slot for hold in report.held}
        local, remote = self.local(), self.remote()
        for slot in {*local, *remote}:
            if local.get(slot) != remote.get(slot) and not any(_related(h, slot) for h in held):
                raise self._broken(f"DIVERGED: {slot}: {local.get(slot)} and {remote.get(slot)}")
        writes = self.fake.writes(), self.local_writes
        self.sync()
        if (self.fake.writes(), self.local_writes) != writes:
            raise self._broken("RESTLESS: a sync with nothing to do wrote something")
        risen = self.provenance.risen(self.standing())
        if risen and not held:
            raise self._broken(f"RESURRECTED: {risen}")
        left = [path for path in self.tree.files() if ".brickloop-" in path]
        rows = self.database.execute("SELECT slot FROM intents").fetchall()
        if (left or rows) and not held:
            raise self._broken(f"LEFT OVER: {left} {rows}")
        if not held:
            # what came back in an exempt slot is there to stay
            self.provenance.put_away.difference_update(
                (slot, mark_of(data)) for slot, data in self.standing()
            )
            self.provenance.exempt.clear()

    def forget_state(self) -> None:
        """The state file is gone."""
        self.trace.append("another state")
        self.database = new_database()
        self.provenance.exempt |= {*self.local(), *self.remote(), *self._all_slots()}

    def copy_state(self) -> sqlite3.Connection:
        """A copy of the state as it is."""
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.database.backup(copy)
        return copy

    def restore_state(self, copy: sqlite3.Connection) -> None:
        """The state of another day is back."""
        self.forget_state()
        self.database = copy

    def _all_slots(self) -> set[str]:
        return {slot for slot, _ in self.held[Side.LOCAL] | self.held[Side.REMOTE]}


def new_database() -> sqlite3.Connection:
    """An empty state."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    prepare(connection)
    return connection


def remote_leaf(item: Item) -> Leaf:
    """An object, as it can be compared."""
    if item.kind is Kind.DIRECTORY:
        return FOLDER
    if item.kind is Kind.NOTEBOOK:
        suffix = {Language.SQL: ".sql"}.get(item.language or Language.PYTHON, ".py")
        name = "n.ipynb" if item.format is NotebookFormat.JUPYTER else f"n{suffix}"
        return local_leaf(name, item.data)
    return Leaf(item.kind, content_hash(item.data))


def _made(what: str, mark: str) -> Content:
    if what == "opaque":
        return Content(Kind.OPAQUE, mark.encode())
    kind, language = Kind.NOTEBOOK, None
    suffix, format = ".py", NotebookFormat.SOURCE
    if what in {"save file", "recreate"}:
        return Content(Kind.FILE, mark.encode())
    if what == "save sql":
        suffix = ".sql"
    elif what == "save jupyter":
        suffix, format = ".ipynb", NotebookFormat.JUPYTER
    language = LANGUAGES.get(suffix, Language.PYTHON)
    return Content(kind, content(mark, suffix, notebook=True), language, format)


def _suffix(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return "." + name.rsplit(".", 1)[-1] if "." in name else ""


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _related(one: str, other: str) -> bool:
    """Whether two paths are the same, or one is below the other."""
    if not one or not other:
        return False
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
