"""Pieces of Databricks statements as trees (sqlglot): read, asked and built."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from brickloop.localws.spark_errors import unsupported
from brickloop.localws.sql_tokens import read_tokens

if TYPE_CHECKING:
    from sqlglot import exp

_TIME = re.compile(r"\btime\s*['\"]|\bas\s+time\s*[()]|::\s*time\b", re.IGNORECASE)
"""Values of the type TIME, which sqlglot takes for timestamps."""
_AGGREGATES = frozenset(
    {"any", "any_value", "approx_top_k", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or",
     "collect_list", "collect_set", "every", "first_value", "histogram_numeric", "last_value",
     "listagg", "max_by", "mean", "median", "min_by", "mode", "percentile", "percentile_approx",
     "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx",
     "regr_sxy", "regr_syy", "skewness", "kurtosis", "some", "std", "string_agg", "try_avg",
     "try_sum", "count_if", "approx_percentile", "array_agg", "schema_of_json_agg"}
)  # fmt: skip


def parse(text: str) -> exp.Expr | None:
    """The statement as a tree, None where it is not in Databricks' dialect."""
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    try:
        tree = parse_one(text, dialect="databricks")
    except SqlglotError:
        return None
    if isinstance(tree, exp.Command) or _TIME.search(text):
        return None
    return _as_written(tree, has_log10="log10" in text.lower())


def _as_written(tree: exp.Expr, *, has_log10: bool) -> exp.Expr:
    """The tree with what would be written as something else when it becomes text again."""
    from sqlglot import exp

    for interval in list(tree.find_all(exp.Interval)):
        # INTERVAL 1 DAY 2 HOURS is a sum
        whole = interval.parent
        if isinstance(whole, exp.Add) and whole.this is interval and _is_sum(whole):
            while (
                isinstance(whole.parent, exp.Add)
                and whole.arg_key == "this"
                and _is_sum(whole.parent)
            ):
                whole = whole.parent
            if isinstance(whole.parent, exp.Binary):
                whole.replace(exp.Paren(this=whole.copy()))
    for moved in list(tree.find_all(exp.TsOrDsAdd)):
        # date_sub is read as a sum with the days times -1
        days = moved.expression
        if isinstance(days, exp.Mul) and days.expression == exp.Literal.number(-1):
            inner = days.this.this if isinstance(days.this, exp.Paren) else days.this
            new = exp.Anonymous(this="date_sub", expressions=[moved.this.copy(), inner.copy()])
            moved.replace(new)
    for log in list(tree.find_all(exp.Log)):
        # log10 is read as a logarithm to any base, which is less exact
        if log.this == exp.Literal.number(10) and log.expression is not None and has_log10:
            log.replace(exp.Anonymous(this="log10", expressions=[log.expression.copy()]))
    for moment in list(tree.find_all(exp.Localtimestamp)):
        moment.replace(exp.Anonymous(this="localtimestamp"))
    return tree


def _is_sum(node: exp.Expr) -> bool:
    from sqlglot import exp

    if isinstance(node, exp.Add):
        return _is_sum(node.this) and _is_sum(node.expression)
    return isinstance(node, exp.Interval)


def generate(tree: exp.Expr) -> str:
    """The tree as text for the engine."""
    from sqlglot.dialects import Databricks

    generator = Databricks().generator(normalize_functions="lower", comments=False)
    # a relation named inside a subquery is not seen outside it
    vars(generator)["EXPRESSIONS_WITHOUT_NESTED_CTES"] = frozenset()
    return str(generator.generate(tree))


def column_node(name: str, table: exp.Identifier | None) -> exp.Column:
    from sqlglot import exp

    made = exp.Column(this=exp.to_identifier(name, quoted=True))
    if table is not None:
        made.set("table", table.copy())
    return made


def is_star(item: exp.Expr) -> bool:
    from sqlglot import exp

    return isinstance(item, exp.Star) or (
        isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
    )


def schema_of(table: exp.Table) -> tuple[str, ...]:
    return tuple(part for part in (table.catalog, table.db) if part)


def is_all(ordered: exp.Expr) -> bool:
    from sqlglot import exp

    inner = ordered.this
    if isinstance(inner, exp.Column):
        return inner.name.upper() == "ALL" and not inner.table and not inner.this.quoted
    return isinstance(inner, exp.Var) and inner.name.upper() == "ALL"


def source_names(select: exp.Select) -> list[exp.Identifier]:
    from sqlglot import exp

    joins = [join.this for join in select.args.get("joins") or []]
    sources = [select.args["from_"].this, *joins]
    return [exp.to_identifier(source.alias_or_name) for source in sources]


def has_aggregate(item: exp.Expr) -> bool:
    return any(is_aggregate(node) for node in item.walk() if not in_subquery(node, item))


def in_subquery(node: exp.Expr, top: exp.Expr) -> bool:
    from sqlglot import exp

    parent: exp.Expr | None = node
    while parent is not top and parent is not None:
        if isinstance(parent, exp.Subquery | exp.Select):
            return True
        parent = parent.parent
    return False


def is_aggregate(node: exp.Expr) -> bool:
    from sqlglot import exp

    known = isinstance(node, exp.AggFunc) or (
        isinstance(node, exp.Anonymous) and node.name.lower() in _AGGREGATES
    )
    if not known:
        return False
    parent = node.parent
    while isinstance(parent, exp.IgnoreNulls | exp.RespectNulls | exp.Filter | exp.WithinGroup):
        parent = parent.parent
    return not isinstance(parent, exp.Window)


def in_aggregate(node: exp.Expr, top: exp.Expr) -> bool:
    parent: exp.Expr | None = node
    while parent is not None and parent is not top:
        if is_aggregate(parent):
            return True
        parent = parent.parent
    return is_aggregate(top)


def with_aliases(tree: exp.Expr, aliases: dict[str, exp.Expr]) -> exp.Expr:
    """The expression with the select's aliases replaced by what they stand for."""
    from sqlglot import exp

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and not node.table and node.name.lower() in aliases:
            return exp.Paren(this=aliases[node.name.lower()].copy())
        return node

    return tree.transform(change)


def alias_of(column: exp.Column) -> exp.Expr | None:
    """What stands left of a column under its name in the same select."""
    from sqlglot import exp

    select = column.find_ancestor(exp.Select)
    if select is None:
        return None
    for item in select.expressions:
        if any(node is column for node in item.walk()):
            return None
        if isinstance(item, exp.Alias) and item.alias.lower() == column.name.lower():
            found: exp.Expr = item.this.copy()
            return found
    return None


def visible(select: exp.Expr) -> Iterator[exp.CTE]:
    """The named relations that a select may stand on, in order."""
    from sqlglot import exp

    found: list[list[exp.CTE]] = []
    node: exp.Expr | None = select
    while node is not None:
        with_ = node.args.get("with_")
        if with_ is not None:
            inside = next((c for c in with_.expressions if holds(c, select)), None)
            stop = with_.expressions.index(inside) if inside is not None else None
            found.append(with_.expressions[:stop])
        node = node.parent
        if isinstance(node, exp.With):
            node = node.parent
            if node is not None:
                with_ = node.args["with_"]
                inside = next((c for c in with_.expressions if holds(c, select)), None)
                stop = with_.expressions.index(inside) if inside is not None else None
                found.append(with_.expressions[:stop])
                node = node.parent
    for ctes in reversed(found):
        yield from ctes


def holds(cte: exp.CTE, select: exp.Expr) -> bool:
    node: exp.Expr | None = select
    while node is not None:
        if node is cte:
            return True
        node = node.parent
    return False


def prefixed(query: exp.Expr, ctes: list[exp.CTE]) -> exp.Expr:
    from sqlglot import exp

    made = query.copy()
    if not ctes:
        return made
    own = made.args.get("with_")
    kept = [cte.copy() for cte in ctes]
    taken = {cte.alias.lower() for cte in kept}
    if own is not None:
        kept += [each.copy() for each in own.expressions if each.alias.lower() not in taken]
    made.set("with_", exp.With(expressions=kept))
    return made


def path_text(path: exp.Expr) -> str:
    from sqlglot import exp

    text = "$"
    for part in path.expressions:
        if isinstance(part, exp.JSONPathRoot):
            continue
        if isinstance(part, exp.JSONPathKey) and isinstance(part.this, str):
            text += f".{part.this}" if part.this.isidentifier() else f"['{part.this}']"
        elif isinstance(part, exp.JSONPathSubscript) and isinstance(part.this, int):
            text += f"[{part.this}]"
        elif isinstance(part, exp.JSONPathSubscript) and isinstance(part.this, str):
            text += f"['{part.this}']"
        else:
            raise unsupported("[*] in a JSON path", "Use from_json and transform.")
    return text


def json_value(base: exp.Expr, path: exp.Expr) -> exp.Expr:
    """What a JSON path reaches: keys that are not in brackets are found whatever their case is.

    The key as it is written is tried first; only where it is not there are the others looked at.
    """
    from sqlglot import exp, maybe_parse

    exact = json_call(base, path)
    steps = [each for each in path.expressions if not isinstance(each, exp.JSONPathRoot)]
    loose = [_is_loose(each) for each in steps]
    if not any(loose):
        return exact
    found = base
    for step, any_case in zip(steps, loose, strict=True):
        if any_case:
            key = exp.Literal.string(step.name.lower()).sql("databricks")
            keys = f"filter(json_object_keys({generate(found)}), _key -> lower(_key) = {key})"
            place: exp.Expr = maybe_parse(f"concat('$.', get({keys}, 0))", dialect="databricks")
            found = exp.Anonymous(this="get_json_object", expressions=[found.copy(), place])
        else:
            found = json_call(found, exp.JSONPath(expressions=[step.copy()]))
    return exp.Coalesce(this=exact, expressions=[found])


def json_call(base: exp.Expr, path: exp.Expr) -> exp.Expr:
    """``get_json_object`` with a path as the engine reads it."""
    from sqlglot import exp

    place = exp.Literal.string(path_text(path))
    return exp.Anonymous(this="get_json_object", expressions=[base.copy(), place])


def _is_loose(step: exp.Expr) -> bool:
    from sqlglot import exp

    return (
        isinstance(step, exp.JSONPathKey)
        and isinstance(step.this, str)
        and not step.args.get("quoted")
        and step.this.lower() != step.this.upper()
    )


def refuse_wildcard(node: exp.Expr) -> None:
    if "[*]" in node.sql("databricks"):
        raise unsupported("[*] in a JSON path", "Use from_json and transform.")


def decode_case(arguments: list[exp.Expr]) -> exp.Expr:
    from sqlglot import exp

    subject, *rest = arguments
    case = exp.Case(ifs=[])
    while len(rest) > 1:
        same = exp.NullSafeEQ(this=subject.copy(), expression=rest[0].copy())
        case.append("ifs", exp.If(this=same, true=rest[1].copy()))
        rest = rest[2:]
    if rest:
        case.set("default", rest[0].copy())
    return case


def nearest_rank(node: exp.Func) -> exp.Expr:
    """A percentile that is a value of the column, as Spark's is; the engine's lies between two."""
    from sqlglot import exp, parse_one

    arguments = (
        list(node.expressions)
        if isinstance(node, exp.Anonymous)
        else [node.this, node.args.get("quantile") or node.args.get("expression")]
    )
    column, share = arguments[0], arguments[1]
    if isinstance(node.parent, exp.Window | exp.Filter | exp.WithinGroup):
        raise unsupported("percentile_approx with OVER or FILTER", "Use percentile.")

    quoted_title = node.sql("databricks", normalize_functions="lower")

    def one(each: exp.Expr) -> exp.Expr:
        shown, asked = column.sql("databricks"), each.sql("databricks")
        return parse_one(
            f"get(sort_array(collect_list({shown})),"
            f" greatest(CAST(ceil({asked} * count({shown})) AS INT), 1) - 1)",
            dialect="databricks",
        )

    if isinstance(share, exp.Array):
        made: exp.Expr = exp.Array(expressions=[one(each) for each in share.expressions])
    elif isinstance(share, exp.Literal | exp.Cast | exp.Div):
        made = one(share)
    else:
        raise unsupported("percentile_approx with a percentage that is not a literal")
    if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
        return exp.alias_(made, quoted_title, quoted=True)
    return made


def dotted(node: exp.Expr) -> tuple[str, ...]:
    from sqlglot import exp

    if isinstance(node, exp.Dot):
        return (*dotted(node.this), *dotted(node.expression))
    if isinstance(node, exp.Column):
        return tuple(part.name for part in node.parts)
    return (node.name,)


def read_path_versions(text: str) -> str:
    """``t@v1`` as ``t VERSION AS OF 1``, ``t@20240102030405000`` as ``TIMESTAMP AS OF``."""
    tokens = read_tokens(text)
    for index in range(len(tokens) - 1, 0, -1):
        token, before = tokens[index], tokens[index - 1]
        if before.text != "@" or index < 2 or not tokens[index - 2].is_name:
            continue
        if before.end != token.start or tokens[index - 2].end != before.start:
            continue
        digits = token.text[1:]
        if token.kind == "word" and token.text[0] in "vV" and digits.isdigit():
            text = text[: before.start] + f" VERSION AS OF {digits}" + text[token.end :]
        elif token.kind == "number" and len(token.text) == 17:
            t = token.text
            moment = f"{t[:4]}-{t[4:6]}-{t[6:8]} {t[8:10]}:{t[10:12]}:{t[12:14]}.{t[14:]}"
            text = text[: before.start] + f" TIMESTAMP AS OF '{moment}'" + text[token.end :]
    return text


def like_each(node: exp.Expr) -> exp.Expr:
    """``LIKE ANY`` and ``LIKE ALL`` as a chain of LIKE; any other LIKE as it is."""
    from sqlglot import exp

    choice = node.expression
    if not isinstance(choice, exp.Any | exp.All):
        return node
    patterns = choice.this.unnest()
    each = patterns.expressions if isinstance(patterns, exp.Tuple) else [patterns]
    parts: list[exp.Expr] = []
    for pattern in each:
        part: exp.Expr = type(node)(this=node.this.copy(), expression=pattern.copy())
        parts.append(exp.Not(this=part) if node.args.get("negate") else part)
    join = exp.or_ if isinstance(choice, exp.Any) else exp.and_
    return exp.Paren(this=join(*parts))


def transformed_map(node: exp.Expr, name: str) -> exp.Expr:
    """``transform_keys`` and ``transform_values`` over the map's entries."""
    from sqlglot import exp, maybe_parse

    subject, function = node.expressions
    if not isinstance(function, exp.Lambda) or len(function.expressions) != 2:
        return node
    sides = dict(zip([each.name for each in function.expressions], ("key", "value"), strict=True))

    def put(each: exp.Expr) -> exp.Expr:
        if isinstance(each, exp.Identifier) and each.name in sides:
            return maybe_parse(f"_entry.{sides[each.name]}", dialect="databricks")
        return each

    body = generate(function.this.transform(put))
    pair = f"_entry.key, {body}" if name == "transform_values" else f"{body}, _entry.value"
    return maybe_parse(
        f"map_from_entries(transform(map_entries({generate(subject)}), _entry -> struct({pair})))",
        dialect="databricks",
    )


def exact(node: exp.Expr, kind: str) -> exp.Expr:
    """The call with the type that Databricks gives it, under the same name."""
    from sqlglot import exp

    made: exp.Expr = exp.cast(node.copy(), kind, dialect="databricks")
    if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
        return exp.alias_(made, node.sql("databricks", normalize_functions="lower"), quoted=True)
    return made
