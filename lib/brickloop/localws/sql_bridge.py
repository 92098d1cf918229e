"""Databricks' query syntax rewritten into what the engine takes, where that can be done soundly.

A query is parsed (sqlglot, Databricks' dialect) only where its tokens show something that the
engine lacks; what was not changed goes to the engine as it was written. Columns behind a star and
the type under a JSON path are asked of the engine, which analyses a query in a millisecond or two.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from brickloop.localws.spark_errors import analysis_error, column_not_found, unsupported
from brickloop.localws.sql_context import OWN_VIEW, SqlContext
from brickloop.localws.sql_functions import expand_function, find_function
from brickloop.localws.sql_probe import Probe, sources_of
from brickloop.localws.sql_relations import information_schema, read_files, table_changes
from brickloop.localws.sql_tokens import Token, argument_counts
from brickloop.localws.sql_trees import (
    alias_of,
    column_node,
    decode_case,
    dotted,
    exact,
    generate,
    has_aggregate,
    in_aggregate,
    is_all,
    is_star,
    json_call,
    json_value,
    like_each,
    nearest_rank,
    parse,
    path_text,
    prefixed,
    refuse_wildcard,
    schema_of,
    source_names,
    transformed_map,
    with_aliases,
)
from brickloop.localws.sql_types import Typist
from brickloop.localws.typed_rules import TEXT_OPERANDS

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame
    from sqlglot import exp

_WORDS = frozenset(
    {"QUALIFY", "PIVOT", "RECURSIVE", "TABLESAMPLE", "INFORMATION_SCHEMA", "UNION", "EXCEPT",
     "INTERSECT", "MINUS", "CASE", "RANGE"}
)  # fmt: skip
_CALLS = frozenset(
    {"APPROX_PERCENTILE", "DECODE", "IFF", "PERCENTILE_APPROX", "READ_FILES", "TABLE_CHANGES",
     "GET_JSON_OBJECT", "LEN", "TRANSFORM_KEYS", "TRANSFORM_VALUES", "EXPLODE", "EXPLODE_OUTER",
     "POSEXPLODE", "POSEXPLODE_OUTER", "DATE_TRUNC", "DATEDIFF", "DATE_DIFF", "SUM", "AVG", "MEAN",
     "IF", "TO_JSON", "TIMESTAMP_SECONDS", "MOD", "PMOD",
     "ROUND", "BROUND", "REGEXP_COUNT", "COALESCE", "NVL", "NVL2", "IFNULL"}
) | {name.upper() for name in TEXT_OPERANDS}  # fmt: skip
_OPERATORS = frozenset({"+", "-", "/", "%", "||"})
_NUMERIC = re.compile(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?")
_EXACT = {
    "date_diff": "INT", "datediff": "INT", "date_trunc": "TIMESTAMP", "timestamp_trunc": "TIMESTAMP"
}  # fmt: skip
"""Functions that the engine gives another type than Databricks."""
_LEVELS = 100
_LARGEST_RECURSION = 1_000_000
_HIDDEN = OWN_VIEW


def needs_bridge(context: SqlContext, tokens: tuple[Token, ...]) -> bool:
    """Whether the statement shows something that the engine lacks."""
    functions: set[str] | None = None
    for index, token in enumerate(tokens):
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.kind == "sign":
            if token.text == "|>" or (token.text == "*" and _is(after, "EXCEPT", "EXCLUDE")):
                return True
            if token.text == "*" and index > 1 and tokens[index - 1].text == ".":
                if _is(after, ")"):
                    return True
                continue
            if token.text == ":" and index and _is_path(tokens[index - 1], token):
                return True
            if token.text in _OPERATORS or (token.text == "*" and _multiplies(tokens, index)):
                return True
            continue
        if token.kind == "string" and _NUMERIC.fullmatch(token.text[1:-1].strip()):
            return True
        word = token.upper
        if word == "AS" and _is(after, "STRING"):
            return True
        if word in _WORDS:
            return True
        if word == "ALL" and index and tokens[index - 1].upper == "BY":
            return True
        if word in {"LIKE", "ILIKE"} and _is(after, "ANY", "ALL", "SOME"):
            return True
        if after is not None and after.text == "(" and token.is_name:
            if word in _CALLS:
                return True
            if functions is None:
                functions = context.registry.function_names() | set(context.temporary_functions)
            if functions and token.value.lower() in functions:
                return True
    return False


class Bridge:
    """Rewrites one statement."""

    def __init__(self, context: SqlContext) -> None:
        self._context = context
        self._probe = Probe(context)
        self._typist = Typist(self._probe)
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
                self._visit(child)
                if recursive and isinstance(child, exp.CTE) and isinstance(node, exp.With):
                    self._materialise(node, child)
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
        elif isinstance(node, exp.Select):
            self.changed = self._typist.mend_scope(node) or self.changed
            new = self._select(node)
        elif node.parent is None and isinstance(
            node, exp.Update | exp.Delete | exp.Merge | exp.Values
        ):
            self.changed = self._typist.mend_scope(node) or self.changed
        elif isinstance(node, exp.SetOperation):
            self.changed = self._typist.mend_sides(node) or self.changed
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
        columns = self._star_columns(select, star.args.get("table"))
        node.set("this", columns[0])
        node.set("expressions", columns[1:])
        self.changed = True
        return node

    def _is_three_sided(self, node: exp.DateDiff) -> bool:
        """Whether ``datediff`` was written with a unit, with which it gives a BIGINT."""
        unit = node.args.get("unit")
        if unit is not None and unit.name.upper() != "DAY":
            return True
        return all(count == 3 for count in argument_counts(self._text, "DATEDIFF", "DATE_DIFF"))

    # selects

    def _select(self, select: exp.Select) -> exp.Expr:
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
        found = self._star_columns(select, table)
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

    def _star_columns(self, select: exp.Select, table: exp.Identifier | None) -> list[exp.Column]:
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

    # recursion

    def _materialise(self, with_: exp.With, cte: exp.CTE) -> None:
        """Compute a recursive relation level by level, as Databricks does, and take its rows."""
        import pyarrow as pa
        from sqlglot import exp

        name = cte.alias
        body = cte.this
        if not any(table.name.lower() == name.lower() for table in body.find_all(exp.Table)):
            return
        if not isinstance(body, exp.Union) or body.args.get("distinct"):
            raise unsupported("WITH RECURSIVE without UNION ALL")
        before = [each for each in with_.expressions if each is not cte]
        before = before[: with_.expressions.index(cte)]
        columns = [column.name for column in cte.args["alias"].columns]
        frame = self._probe.frame(prefixed(body.this, before), self.views)
        level = frame.toArrow()
        columns = columns or list(level.column_names)
        level = level.rename_columns(columns)
        kept, count = [level], level.num_rows
        for _ in range(_LEVELS):
            if level.num_rows == 0:
                break
            given = self._context.spark.createDataFrame(level)
            step = self._probe.frame(prefixed(body.expression, before), {**self.views, name: given})
            level = step.toArrow().rename_columns(columns).cast(level.schema)
            kept.append(level)
            count += level.num_rows
            if count > _LARGEST_RECURSION:
                raise analysis_error(
                    "RECURSION_ROW_LIMIT_EXCEEDED",
                    f"Recursion row limit {_LARGEST_RECURSION} reached but query has not"
                    " exhausted.",
                )
        else:
            if level.num_rows:
                raise analysis_error(
                    "RECURSION_LEVEL_LIMIT_EXCEEDED",
                    f"Recursion level limit {_LEVELS} reached but query has not exhausted, try"
                    " increasing it.",
                )
        self.views[name] = self._context.spark.createDataFrame(pa.concat_tables(kept))
        cte.pop()
        self.changed = True


def _is(token: Token | None, *words: str) -> bool:
    return token is not None and token.upper in words


def _multiplies(tokens: tuple[Token, ...], index: int) -> bool:
    """Whether a star is the operator, not all columns."""
    before = tokens[index - 1] if index else None
    return before is not None and (
        before.kind in {"number", "quoted", "string"}
        or before.text in {")", "]"}
        or (before.kind == "word" and before.upper not in {"SELECT", "ALL", "DISTINCT"})
    )


def _is_path(before: Token, colon: Token) -> bool:
    return before.end == colon.start and (before.is_name or before.text in {")", "]"})
