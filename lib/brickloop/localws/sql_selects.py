"""Clauses of a select that the engine lacks, in terms of those that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brickloop.localws.spark_errors import column_not_found, unsupported
from brickloop.localws.sql_context import OWN_VIEW
from brickloop.localws.sql_probe import Probe, sources_of
from brickloop.localws.sql_trees import (
    column_node,
    has_aggregate,
    in_aggregate,
    is_all,
    is_star,
    source_names,
    with_aliases,
)

if TYPE_CHECKING:
    from sqlglot import exp

_HIDDEN = OWN_VIEW


class Selects:
    """Rewrites ``* EXCEPT``, ``GROUP BY ALL``, ``ORDER BY ALL`` and ``QUALIFY``."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.changed = False
        """Whether a select was changed in place."""

    def rewrite(self, select: exp.Select) -> exp.Expr:
        """The select for the engine, the same one where nothing around it has to be made."""
        from sqlglot import exp

        for item in list(select.expressions):
            star = item.this if isinstance(item, exp.Column) else item
            if isinstance(star, exp.Star) and star.args.get("except_"):
                self._expand(select, item)
        group = select.args.get("group")
        if group is not None and group.args.get("all"):
            self._group_by_all(select)
        order = select.args.get("order")
        if order is not None and any(is_all(each) for each in order.expressions):
            self._order_by_all(select, order)
        if select.args.get("qualify") is not None:
            return self._qualify(select)
        return select

    def _expand(self, select: exp.Select, item: exp.Expr) -> list[exp.Expr]:
        """Put columns in the place of a star."""
        from sqlglot import exp

        star = item.this if isinstance(item, exp.Column) else item
        gone = [each.name.lower() for each in star.args.get("except_") or []]
        table = item.args.get("table") if isinstance(item, exp.Column) else None
        found = self.star_columns(select, table)
        names = [column.name.lower() for column in found]
        unknown = [name for name in gone if name not in names]
        if unknown:
            raise column_not_found([unknown[0]], names)
        kept: list[exp.Expr] = [c for c in found if c.name.lower() not in gone]
        items = list(select.expressions)
        place = next(i for i, each in enumerate(items) if each is item)
        select.set("expressions", [*items[:place], *kept, *items[place + 1 :]])
        self.changed = True
        return kept

    def star_columns(self, select: exp.Select, table: exp.Identifier | None) -> list[exp.Column]:
        """The columns behind ``*``, or behind ``table.*``."""
        from sqlglot import exp

        sources = sources_of(select)
        if table is not None:
            probe = sources.select(exp.Column(this=exp.Star(), table=table.copy()), append=False)
            return [column_node(n, table) for n in self._probe.columns(select, probe)]
        names = self._probe.columns(select, sources.select("*", append=False))
        if len({name.lower() for name in names}) == len(names):
            return [column_node(name, None) for name in names]
        columns: list[exp.Column] = []
        for alias in source_names(select):
            star = exp.Column(this=exp.Star(), table=alias.copy())
            probe = sources.select(star, append=False)
            columns += [column_node(name, alias) for name in self._probe.columns(select, probe)]
        if [column.name for column in columns] != list(names):
            raise unsupported("SELECT * EXCEPT over columns of the same name")
        return columns

    def _group_by_all(self, select: exp.Select) -> None:
        from sqlglot import exp

        for item in list(select.expressions):
            if is_star(item):
                self._expand(select, item)
        keys: list[exp.Expr] = []
        for position, item in enumerate(select.expressions, start=1):
            if not has_aggregate(item):
                keys.append(exp.Literal.number(position))
            else:
                keys += [c.copy() for c in item.find_all(exp.Column) if not in_aggregate(c, item)]
        select.set("group", exp.Group(expressions=keys) if keys else None)
        self.changed = True

    def _order_by_all(self, select: exp.Select, order: exp.Order) -> None:
        from sqlglot import exp

        (whole,) = order.expressions
        count = len(select.expressions)
        if any(is_star(item) for item in select.expressions):
            probe = select.copy()
            for key in ("order", "limit", "offset"):
                probe.set(key, None)
            count = len(self._probe.columns(select, probe))
        order.set(
            "expressions",
            [
                exp.Ordered(
                    this=exp.Literal.number(place),
                    desc=whole.args.get("desc"),
                    nulls_first=whole.args.get("nulls_first"),
                )
                for place in range(1, count + 1)
            ],
        )
        self.changed = True

    def _qualify(self, select: exp.Select) -> exp.Expr:
        """``QUALIFY`` as a filter around the select, whose columns keep their names and order."""
        from sqlglot import exp

        for item in list(select.expressions):
            if is_star(item):
                self._expand(select, item)
        aliases = {
            item.alias.lower(): item.this
            for item in select.expressions
            if isinstance(item, exp.Alias)
        }
        plain = select.copy()
        for key in ("qualify", "order", "limit", "offset", "with_", "distinct"):
            plain.set(key, None)
        names = self._probe.columns(select, plain)
        items = [item.unalias().copy() for item in select.expressions]
        condition = with_aliases(select.args["qualify"].this.copy(), aliases)
        inner = plain
        hidden = [exp.alias_(item, f"{_HIDDEN}c{i}") for i, item in enumerate(items)]
        hidden.append(exp.alias_(condition, f"{_HIDDEN}q"))
        outer = exp.Select(
            expressions=[
                exp.alias_(exp.column(f"{_HIDDEN}c{i}"), name, quoted=True)
                for i, name in enumerate(names)
            ]
        )
        order = select.args.get("order")
        if order is not None:
            ordered = order.copy()
            lowered = [name.lower() for name in names]
            for place, each in enumerate(ordered.expressions):
                key = each.this
                if isinstance(key, exp.Literal):
                    continue
                if isinstance(key, exp.Column) and not key.table and key.name.lower() in lowered:
                    continue
                if select.args.get("distinct"):
                    raise unsupported("DISTINCT with QUALIFY, ordered by what is not selected")
                hidden.append(exp.alias_(with_aliases(key.copy(), aliases), f"{_HIDDEN}o{place}"))
                each.set("this", exp.column(f"{_HIDDEN}o{place}"))
            outer.set("order", ordered)
        inner.set("expressions", hidden)
        outer = outer.from_(inner.subquery(f"{_HIDDEN}qualified"))
        outer = outer.where(exp.column(f"{_HIDDEN}q"))
        for key in ("limit", "offset", "with_", "distinct"):
            if select.args.get(key) is not None:
                outer.set(key, select.args[key].copy())
        return outer
