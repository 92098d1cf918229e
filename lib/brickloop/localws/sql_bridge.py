"""Databricks' query syntax rewritten into what the engine takes, where that can be done soundly.

A query is parsed (sqlglot, Databricks' dialect) only where its tokens show something that the
engine lacks; what was not changed goes to the engine as it was written. Columns behind a star and
the type under a JSON path are asked of the engine, which analyses a query in a millisecond or two.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from brickloop.localws.spark_errors import refused_intersection, unsupported
from brickloop.localws.sql_checks import check_window, name_shared, whether_one_row
from brickloop.localws.sql_context import OWN_VIEW, SqlContext
from brickloop.localws.sql_functions import expand_function, find_function
from brickloop.localws.sql_probe import Probe, sources_of
from brickloop.localws.sql_recursion import is_recursive, materialise
from brickloop.localws.sql_relations import information_schema, read_files, table_changes
from brickloop.localws.sql_rows import Rows
from brickloop.localws.sql_selects import Selects
from brickloop.localws.sql_tokens import argument_counts
from brickloop.localws.sql_trees import (
    alias_of,
    decode_case,
    dotted,
    exact,
    generate,
    is_star,
    json_call,
    json_value,
    like_each,
    nearest_rank,
    parse,
    path_text,
    refuse_wildcard,
    schema_of,
    transformed_map,
)
from brickloop.localws.sql_types import Typist

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame
    from sqlglot import exp

_EXACT = {
    "date_diff": "INT", "datediff": "INT", "date_trunc": "TIMESTAMP", "timestamp_trunc": "TIMESTAMP"
}  # fmt: skip
"""Functions that the engine gives another type than Databricks."""
_HIDDEN = OWN_VIEW


class Bridge:
    """Rewrites one statement."""

    def __init__(self, context: SqlContext) -> None:
        self._context = context
        self._probe = Probe(context)
        self._typist = Typist(self._probe, context.interceptor.zone)
        self._rows = Rows(self._typist)
        self._selects = Selects(self._probe)
        self.views = self._probe.views
        """Relations that the rewritten statement stands on, by the name that it uses."""
        self.changed = False
        self._text = ""
        logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

    def rewrite(self, text: str) -> str:
        """The statement for the engine; the same text where nothing had to be changed."""
        tree = parse(text)
        if tree is None:
            return text
        self._text = self._typist.text = text
        self.changed = "|>" in text
        tree = self._visit(tree)
        return generate(tree) if self.changed else text

    def replace_column(self, text: str, name: str, value: str | None) -> str | None:
        """The statement with an unresolved name replaced by the select item of that alias to its
        left, or by a variable's ``value``; None where there is neither."""
        from sqlglot import exp

        tree = parse(text)
        if tree is None:
            return None
        found = False
        for column in list(tree.find_all(exp.Column)):
            parts = [part.name.lower() for part in column.parts]
            if parts[-1] != name.lower() or (len(parts) > 1 and parts[0] != "session"):
                continue
            new: exp.Expr | None = alias_of(column) if len(parts) == 1 else None
            if new is not None:
                new = exp.Paren(this=new)
            elif value:
                new = exp.maybe_parse(value, dialect="databricks")
            # a column of that name comes first wherever there is one
            if new is None or self._kind(column.find_ancestor(exp.Select), column):
                continue
            if isinstance(column.parent, exp.Select) and column.arg_key == "expressions":
                new = exp.alias_(new, column.name, quoted=True)
            column.replace(new)
            found = True
        return generate(tree) if found else None

    def _visit(self, node: exp.Expr) -> exp.Expr:
        from sqlglot import exp

        recursive = isinstance(node, exp.With) and node.recursive
        # a query may stand on the relations that are named before it
        for key in sorted(node.args, key=lambda key: key != "with_"):
            value = node.args[key]
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, exp.Expr):
                    continue
                if recursive and isinstance(child, exp.CTE) and is_recursive(child):
                    assert isinstance(node, exp.With)
                    materialise(self._context, self._probe, node, child, self._visit)
                    self.changed = True
                    continue
                self._visit(child)
        if recursive:
            node.set("recursive", False)
            if not node.expressions:
                node.pop()
            return node
        return self._change(node)

    def _change(self, node: exp.Expr) -> exp.Expr:
        from sqlglot import exp

        new = node
        if isinstance(node, exp.Table | exp.Subquery):
            self._pivots(node)
        if isinstance(node, exp.Table):
            new = self._table(node)
        elif isinstance(node, exp.JSONExtract) and node.args.get("variant_extract"):
            new = self._json_path(node)
        elif isinstance(node, exp.Like | exp.ILike):
            new = like_each(node)
        elif isinstance(node, exp.Window):
            check_window(node)
        elif isinstance(node, exp.Exists) and isinstance(node.this, exp.Query):
            new = whether_one_row(node, self._probe)
        elif isinstance(node, exp.Values) and node.parent is not None:
            self.changed = self._rows.mend_rows(node) or self.changed
        elif isinstance(node, exp.Select):
            self.changed = name_shared(node) or self.changed
            self._rows.refuse_maps(node)
            self.changed = self._typist.mend_scope(node) or self.changed
            new = self._selects.rewrite(node)
            self.changed = self.changed or self._selects.changed
        elif node.parent is None and isinstance(
            node, exp.Update | exp.Delete | exp.Merge | exp.Values
        ):
            self.changed = self._typist.mend_scope(node) or self.changed
            if isinstance(node, exp.Values):
                self.changed = self._rows.mend_rows(node) or self.changed
        elif isinstance(node, exp.SetOperation):
            if isinstance(node, exp.Intersect) and not node.args.get("distinct"):
                raise refused_intersection()
            self.changed = self._rows.mend_sides(node) or self.changed
        elif isinstance(node, exp.Func):
            new = self._function(node)
        if new is not node:
            self.changed = True
            if node.parent is not None:
                node.replace(new)
        return new

    # tables

    def _pivots(self, relation: exp.Expr) -> None:
        """``FOR x IN`` as ``FOR (x) IN``, which the engine reads."""
        from sqlglot import exp

        for pivot in relation.args.get("pivots") or []:
            if not pivot.args.get("unpivot"):
                self.changed = self._typist.mend_pivot(relation, pivot) or self.changed
            for field in [] if pivot.args.get("unpivot") else pivot.args.get("fields") or []:
                if isinstance(field, exp.In) and isinstance(field.this, exp.Column):
                    field.set("this", exp.Tuple(expressions=[field.this.copy()]))
                    self.changed = True

    def _table(self, table: exp.Table) -> exp.Expr:
        from sqlglot import exp

        if isinstance(table.this, exp.Anonymous):
            name = table.this.name.lower()
            make = {"read_files": read_files, "table_changes": table_changes}.get(name)
            if make is not None:
                return self._view_for(table, make(self._context, table.this.expressions))
            found = find_function(self._context, (*schema_of(table), table.this.name))
            if found is not None:
                made = self._visit(expand_function(self._context, found, table.this.expressions))
                if table.args.get("alias") is not None:
                    made.set("alias", table.args["alias"].copy())
                return made
        if table.db.lower() == "information_schema":
            frame = information_schema(self._context, table.catalog.lower(), table.name.lower())
            return self._view_for(table, frame)
        sample = table.args.get("sample")
        if sample is not None and sample.args.get("size") is not None:
            bare = table.copy()
            bare.set("sample", None)
            alias = bare.args.get("alias")
            bare.set("alias", None)
            inner = exp.select("*").from_(bare).limit(sample.args["size"].copy())
            name = alias.name if alias is not None else table.name
            return inner.subquery(name)
        return table

    def _view_for(self, table: exp.Table, frame: DataFrame) -> exp.Expr:
        from sqlglot import exp

        name = f"{_HIDDEN}{len(self.views)}"
        self.views[name] = frame
        new: exp.Expr = exp.to_table(name)
        alias = table.args.get("alias")
        given = table.name if isinstance(table.this, exp.Identifier) else ""
        if alias is not None:
            new.set("alias", alias.copy())
        elif given:
            new = exp.alias_(new, given, table=True)
        for key in ("pivots", "joins", "laterals"):
            if table.args.get(key):
                new.set(key, table.args[key])
        return new

    # JSON paths

    def _json_path(self, node: exp.JSONExtract) -> exp.Expr:
        from sqlglot import exp

        path = path_text(node.expression)
        base = node.this
        select = node.find_ancestor(exp.Select)
        cast = node.parent if isinstance(node.parent, exp.Cast) else None
        variant = self._is_variant(select, base)
        if variant:
            new: exp.Expr = exp.Anonymous(
                this="variant_get", expressions=[base.copy(), exp.Literal.string(path)]
            )
            if cast is not None:
                kind = cast.to.sql("databricks").lower()
                name = "try_variant_get" if isinstance(cast, exp.TryCast) else "variant_get"
                new.set("this", name)
                new.append("expressions", exp.Literal.string(kind))
        else:
            new = json_value(base, node.expression)
        top = cast if cast is not None else node
        if isinstance(top.parent, exp.Select) and top.arg_key == "expressions":
            keys = [part.name for part in node.expression.expressions if part.name]
            wrapped = new
            if cast is not None and not variant:
                return self._alias_cast(cast, node, new, keys[-1])
            if cast is not None:
                cast.replace(exp.alias_(wrapped, keys[-1], quoted=True))
                self.changed = True
                return node
            return exp.alias_(wrapped, keys[-1], quoted=True)
        if cast is not None and variant:
            cast.replace(new)
            self.changed = True
            return node
        return new

    def _alias_cast(self, cast: exp.Cast, node: exp.Expr, new: exp.Expr, name: str) -> exp.Expr:
        from sqlglot import exp

        whole = cast.copy()
        whole.set("this", new)
        cast.replace(exp.alias_(whole, name, quoted=True))
        self.changed = True
        return node

    def _is_variant(self, select: exp.Select | None, base: exp.Expr) -> bool:
        from sqlglot import exp

        if isinstance(base, exp.ParseJSON):
            return True
        if isinstance(base, exp.Anonymous):
            return base.name.lower() in {"variant_get", "try_variant_get", "to_variant_object"}
        return self._kind(select, base) == "variant"

    def _kind(
        self, select: exp.Select | None, value: exp.Expr, before: exp.Expr | None = None
    ) -> str:
        """The type of an expression of a select; of what stands before one of its laterals."""
        from sqlglot import exp

        if select is None or select.args.get("from_") is None or value.find(exp.Query):
            return ""
        sources = sources_of(select)
        if before is not None:
            kept = select.args.get("laterals") or []
            place = next((i for i, each in enumerate(kept) if each is before), len(kept))
            sources.set("laterals", [each.copy() for each in kept[:place]])
        probe = sources.select(value.copy(), append=False)
        try:
            return str(self._probe.schema(select, probe).fields[0].dataType.simpleString())
        except Exception:  # noqa: BLE001 - the statement itself will tell what is wrong
            return ""

    def _explode(self, node: exp.Func) -> exp.Expr:
        """``explode`` of a map, at which the engine's task fails, over the map's entries."""
        from sqlglot import exp

        lateral = node.find_ancestor(exp.Lateral)
        select = node.find_ancestor(exp.Select)
        value = node.this
        is_map = isinstance(value, exp.Map | exp.VarMap | exp.StrToMap)
        if not is_map and not self._kind(select, value, lateral).startswith("map"):
            return node
        if isinstance(node, exp.Posexplode):
            raise unsupported("posexplode of a map", "Use explode, or map_entries.")
        outer = isinstance(node, exp.ExplodeOuter)
        entries = exp.Anonymous(this="map_entries", expressions=[value.copy()])
        return exp.Anonymous(this="inline_outer" if outer else "inline", expressions=[entries])

    # functions

    def _function(self, node: exp.Func) -> exp.Expr:
        from sqlglot import exp

        name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        if isinstance(node, exp.DecodeCase) or (name == "decode" and len(node.expressions) > 2):
            return decode_case(list(node.expressions))
        if name in {"percentile_approx", "approx_percentile", "approx_quantile"}:
            return nearest_rank(node)
        if isinstance(node, exp.If):
            # the engine knows neither iff nor if by every spelling; this is the one it knows
            self.changed = True
            return node
        if isinstance(node, exp.Explode | exp.Posexplode):
            return self._explode(node)
        if isinstance(node, exp.Count):
            return self._count(node)
        if name == "len" or isinstance(node, exp.Length):
            self.changed = self.changed or name == "len"
            return node
        if isinstance(node, exp.JSONExtractScalar | exp.JSONExtract) or name == "get_json_object":
            refuse_wildcard(node)
            if isinstance(node.args.get("expression"), exp.JSONPath):
                return json_call(node.this, node.expression)
            return node
        kind = _EXACT.get(name)
        if isinstance(node, exp.DateDiff) and self._is_three_sided(node):
            kind = "BIGINT"
        if kind is not None and not isinstance(node.parent, exp.Cast):
            return exact(node, kind)
        if name in {"transform_keys", "transform_values"}:
            return transformed_map(node, name)
        if isinstance(node, exp.Anonymous):
            whole = node.parent if isinstance(node.parent, exp.Dot) else node
            parts = dotted(whole)
            found = find_function(self._context, parts)
            if found is not None:
                new = self._visit(expand_function(self._context, found, node.expressions))
                if isinstance(whole.parent, exp.Select) and whole.arg_key == "expressions":
                    shown = ", ".join(each.sql("databricks") for each in node.expressions)
                    new = exp.alias_(new, f"{found.name}({shown})", quoted=True)
                if whole is not node:
                    whole.replace(new)
                    self.changed = True
                    return node
                return new
        return node

    def _count(self, node: exp.Count) -> exp.Expr:
        """``count(t.*)`` counts the rows in which no column of ``t`` is NULL."""
        from sqlglot import exp

        star = node.this
        select = node.find_ancestor(exp.Select)
        if not isinstance(star, exp.Column) or not is_star(star) or select is None:
            return node
        columns = self._selects.star_columns(select, star.args.get("table"))
        node.set("this", columns[0])
        node.set("expressions", columns[1:])
        self.changed = True
        return node

    def _is_three_sided(self, node: exp.DateDiff) -> bool:
        """Whether ``datediff`` was written with a unit, with which it gives a BIGINT."""
        unit = node.args.get("unit")
        if unit is not None and unit.name.upper() != "DAY":
            return True
        counts = argument_counts(self._text, "DATEDIFF", "DATE_DIFF")
        return bool(counts) and all(count == 3 for count in counts)
