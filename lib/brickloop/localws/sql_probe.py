"""What the engine is asked about parts of a statement while it is rewritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.plan import SQL, SubqueryAlias

from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_trees import generate, prefixed, visible

if TYPE_CHECKING:
    from pyspark.sql.types import StructType
    from sqlglot import exp


class Probe:
    """Asks the engine for columns and types; an answer takes a millisecond or two."""

    def __init__(self, context: SqlContext) -> None:
        self._context = context
        self.views: dict[str, DataFrame] = {}
        """Relations that the rewritten statement stands on, by the name that it uses."""

    def frame(self, query: exp.Expr, views: dict[str, DataFrame]) -> DataFrame:
        """The query as a frame."""
        return self._context.engine(generate(query), views=views)

    def columns(self, scope: exp.Expr, query: exp.Expr) -> list[str]:
        """The names of the query's columns; it sees the named relations that ``scope`` sees."""
        return [str(name) for name in self.schema(scope, query).names]

    def schema(self, scope: exp.Expr, query: exp.Expr) -> StructType:
        """The query's columns; it sees the named relations that ``scope`` sees."""
        return self._analysed(generate(prefixed(query, list(visible(scope)))))

    def names(self, text: str) -> list[str]:
        """The names of a statement's columns."""
        return [str(name) for name in self._analysed(text).names]

    def _analysed(self, text: str) -> StructType:
        given = [SubqueryAlias(frame._plan, name) for name, frame in self.views.items()]
        frame = DataFrame(SQL(text, [], {}, given), self._context.spark)
        found: StructType = frame.schema
        return found


def sources_of(scope: exp.Expr) -> exp.Select:
    """A select without columns on the relations that a select, or a change of rows, stands on."""
    from sqlglot import exp

    made = exp.Select()
    if isinstance(scope, exp.Update | exp.Delete):
        return made.from_(scope.this.copy())
    if isinstance(scope, exp.Merge):
        return made.from_(scope.this.copy()).join(scope.args["using"].copy(), join_type="cross")
    for key in ("from_", "joins", "laterals"):
        value = scope.args.get(key)
        if isinstance(value, list):
            made.set(key, [each.copy() for each in value])
        elif value is not None:
            made.set(key, value.copy())
    return made
