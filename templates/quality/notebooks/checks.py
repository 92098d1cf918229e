"""What a check is, and how a table is held against all of them in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

SEVERITIES = ("error", "warning")


@dataclass(frozen=True)
class Check:
    """A condition that every row of a table must meet."""

    name: str
    rule: str
    """In SQL; may look at other rows by window functions. A row for which it is null breaks it too."""
    severity: str = "error"
    """``error`` fails the run, ``warning`` is only shown."""
    tolerated: float = 0.0
    """How many percent of the rows may break it."""

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"{self.name}: severity is '{self.severity}', not one of {', '.join(SEVERITIES)}")


@dataclass(frozen=True)
class Result:
    """What came of one check."""

    name: str
    severity: str
    rows: int
    broken: int
    tolerated: float

    @property
    def percent(self) -> float:
        """How many percent of the rows break the rule."""
        return round(100 * self.broken / self.rows, 2) if self.rows else 0.0

    @property
    def verdict(self) -> str:
        """``holds``, or the check's severity where it does not."""
        return "holds" if self.percent <= self.tolerated else self.severity


def unique(*columns: str) -> str:
    """The rule that no two rows have the same values in these columns."""
    return f"count(*) OVER (PARTITION BY {', '.join(columns)}) = 1"


def evaluate(table: DataFrame, checks: Sequence[Check]) -> list[Result]:
    """The results of all checks, in their order; the table is read once."""
    marked = table.select(*(F.expr(check.rule).alias(f"check_{n}") for n, check in enumerate(checks)))
    sums = [_broken(f"check_{n}").alias(f"check_{n}") for n in range(len(checks))]
    (found,) = marked.agg(F.count("*").alias("rows"), *sums).collect()
    return [
        Result(check.name, check.severity, found["rows"], found[f"check_{n}"] or 0, check.tolerated)
        for n, check in enumerate(checks)
    ]


def offenders(table: DataFrame, check: Check) -> DataFrame:
    """The rows that break a check."""
    return table.withColumn("_holds", F.expr(check.rule)).where("NOT coalesce(_holds, false)").drop("_holds")


def _broken(column: str):
    return F.sum(F.when(F.coalesce(F.col(column), F.lit(False)), 0).otherwise(1))
