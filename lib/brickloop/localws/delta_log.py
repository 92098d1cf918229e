"""The log of a Delta table, read and written as files: metadata, history, commits of metadata.

https://github.com/delta-io/delta/blob/master/PROTOCOL.md. Data files are the engine's business.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brickloop.localws.spark_errors import analysis_error
from brickloop.model.whole_file import write_whole

Action = dict[str, Any]
_COMMIT = re.compile(r"^(\d{20})\.json$")
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint.*\.parquet$")
_ATTEMPTS = 20
_LEGACY_WRITERS = {"changeDataFeed": 4}
"""The writer versions that stand for features in tables which do not name them."""


@dataclass(frozen=True)
class DeltaFacts:
    """A Delta table at its newest version."""

    version: int
    metadata: Action
    """The log's ``metaData`` action."""
    protocol: Action

    @property
    def schema(self) -> Action:
        """The schema as Spark's JSON."""
        found: Action = json.loads(self.metadata["schemaString"])
        return found

    @property
    def properties(self) -> dict[str, str]:
        """The table's properties."""
        return dict(self.metadata.get("configuration") or {})

    @property
    def partition_columns(self) -> list[str]:
        """The columns by which the data lies in folders."""
        return list(self.metadata.get("partitionColumns") or [])

    @property
    def comment(self) -> str:
        """The table's comment, empty where it has none."""
        return str(self.metadata.get("description") or "")


def read_facts(folder: Path) -> DeltaFacts:
    """The newest version of the table in ``folder``; raises where there is none."""
    versions = commit_versions(folder)
    if not versions:
        raise analysis_error("DELTA_MISSING_DELTA_TABLE", f"'{folder.name}' is not a Delta table.")
    wanted: dict[str, Action] = {}
    for version in reversed(versions):
        for action in read_commit(folder, version):
            for kind in ("metaData", "protocol"):
                if kind in action and kind not in wanted:
                    wanted[kind] = action[kind]
        if len(wanted) == 2:
            return DeltaFacts(versions[-1], wanted["metaData"], wanted["protocol"])
    for kind, action in _from_checkpoint(folder).items():
        wanted.setdefault(kind, action)
    return DeltaFacts(versions[-1], wanted["metaData"], wanted["protocol"])


def commit_versions(folder: Path) -> list[int]:
    """The versions whose commits are there, oldest first."""
    try:
        names = [path.name for path in (folder / "_delta_log").iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(found.group(1)) for name in names if (found := _COMMIT.match(name)))


def read_commit(folder: Path, version: int) -> Iterator[Action]:
    """The actions of one commit."""
    with (folder / "_delta_log" / f"{version:020d}.json").open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def read_history(folder: Path, limit: int | None = None) -> list[tuple[int, Action]]:
    """Versions with their ``commitInfo``, newest first."""
    versions = sorted(commit_versions(folder), reverse=True)[:limit]
    found: list[tuple[int, Action]] = []
    for version in versions:
        actions = (action.get("commitInfo") for action in read_commit(folder, version))
        found.append((version, next((info for info in actions if info), {})))
    return found


def change_metadata(
    folder: Path,
    change: Callable[[Action], Action],
    operation: str,
    parameters: dict[str, Any] | None = None,
    feature: str = "",
) -> int:
    """Commit another ``metaData`` action; the new version.

    ``change`` gets the present action and returns the next; it is called again when another writer
    was faster. ``feature`` is a writer feature that the change needs.
    """
    for _ in range(_ATTEMPTS):
        facts = read_facts(folder)
        actions: list[Action] = [{"metaData": change(json.loads(json.dumps(facts.metadata)))}]
        protocol = _with_feature(facts.protocol, feature)
        if protocol != facts.protocol:
            actions.append({"protocol": protocol})
        if write_commit(folder, facts.version + 1, operation, parameters or {}, actions):
            return facts.version + 1
    raise analysis_error("DELTA_MISSING_DELTA_TABLE", "Too many writers at once; try again.")


def amend_newest(folder: Path, change: Callable[[Action], Action], feature: str = "") -> None:
    """Change the ``metaData`` of the commit that was just made, in that commit itself.

    ``change`` gets its ``metaData`` action; a commit without one stays as it is.
    """
    version = commit_versions(folder)[-1]
    actions = list(read_commit(folder, version))
    if not any("metaData" in action for action in actions):
        return
    for action in actions:
        if "metaData" in action:
            action["metaData"] = change(action["metaData"])
        if "protocol" in action:
            action["protocol"] = _with_feature(action["protocol"], feature)
    path = folder / "_delta_log" / f"{version:020d}.json"
    # the version's checksum holds what the metadata was; a log need not have one
    path.with_suffix(".crc").unlink(missing_ok=True)
    write_whole(path, "".join(json.dumps(action) + "\n" for action in actions))


def create_table(folder: Path, like: DeltaFacts, operation: str) -> None:
    """Make an empty table with the columns and properties of another."""
    (folder / "_delta_log").mkdir(parents=True, exist_ok=True)
    now = int(time.time() * 1000)
    metadata = {**like.metadata, "id": str(uuid.uuid4()), "createdTime": now}
    actions: list[Action] = [{"protocol": like.protocol}, {"metaData": metadata}]
    write_commit(folder, 0, operation, {}, actions)


def write_commit(
    folder: Path, version: int, operation: str, parameters: dict[str, Any], actions: list[Action]
) -> bool:
    """Write one commit; False where that version is there already."""
    info = {
        "commitInfo": {
            "timestamp": int(time.time() * 1000),
            "operation": operation,
            "operationParameters": parameters,
            "isBlindAppend": False,
            "engineInfo": "brickloop",
        }
    }
    log = folder / "_delta_log"
    draft = log / f".{version:020d}.{uuid.uuid4().hex}.tmp"
    draft.write_text("".join(json.dumps(action) + "\n" for action in [info, *actions]), "utf-8")
    try:
        # a link fails where the name is taken: exactly one of two writers gets the version
        (log / f"{version:020d}.json").hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _with_feature(protocol: Action, feature: str) -> Action:
    if not feature:
        return protocol
    if int(protocol.get("minWriterVersion", 0)) < 7:
        needed = _LEGACY_WRITERS.get(feature, 0)
        return {**protocol, "minWriterVersion": max(protocol.get("minWriterVersion", 1), needed)}
    features = list(protocol.get("writerFeatures") or [])
    return protocol if feature in features else {**protocol, "writerFeatures": [*features, feature]}


def _from_checkpoint(folder: Path) -> dict[str, Action]:
    """Metadata and protocol from the newest checkpoint."""
    import pyarrow.parquet as parquet

    log = folder / "_delta_log"
    names = sorted(path.name for path in log.iterdir() if _CHECKPOINT.match(path.name))
    found: dict[str, Action] = {}
    for name in reversed(names):
        for row in parquet.read_table(log / name, columns=["metaData", "protocol"]).to_pylist():
            for kind in ("metaData", "protocol"):
                if row.get(kind) and kind not in found:
                    found[kind] = _plain(row[kind])
        if len(found) == 2:
            break
    return found


def _plain(action: Action) -> Action:
    """A checkpoint's row as the JSON action: maps come as lists of pairs."""
    pairs = action.get("configuration")
    if isinstance(pairs, list):
        action = {**action, "configuration": dict(pairs)}
    return {key: value for key, value in action.items() if value is not None}
