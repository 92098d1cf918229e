"""What a rule is given of an expression, and how it makes another one, in SQL or in a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pyspark.sql.types import DataType


class Builder(Protocol):
    """Makes expressions, in SQL or in a plan."""

    def cast(self, node: Any, kind: str) -> Any:
        """``CAST(node AS kind)``."""

    def call(self, name: str, *nodes: Any) -> Any:
        """A function's call, or an operator's where ``name`` is one."""

    def text(self, value: str) -> Any:
        """A string literal."""

    def field(self, node: Any, name: str) -> Any:
        """A field of a struct."""

    def when(self, condition: Any, value: Any) -> Any:
        """``CASE WHEN condition THEN value END``."""

    def transform(self, node: Any, change: Callable[[Any], Any]) -> Any:
        """An array with each element changed."""


@dataclass(frozen=True)
class Operand:
    """One operand of an operator or function."""

    node: Any
    kind: DataType | None
    """None where it is not known."""
    integer: int | None = None
    """The value of an integer literal."""
    string: str | None = None
    """The value of a string literal."""
    has_time: bool = False
    """Whether it is an interval with hours, minutes or seconds."""


@dataclass(frozen=True)
class Mended:
    """An expression for the engine; ``node`` is None where the user's own is right."""

    node: Any
    kind: DataType | None


def spark_text(build: Builder, node: Any) -> Any:
    """A DOUBLE or FLOAT as Spark writes it: ``1.0E7``, ``1.0E-4``, ``Infinity``.

    The engine's plain cast gives ``10000000.0`` and ``inf``; inside an array it writes as Spark.
    """
    shown = build.cast(build.call("array", node), "STRING")
    return build.call("nullif", build.call("btrim", shown, build.text("[]")), build.text("NULL"))
