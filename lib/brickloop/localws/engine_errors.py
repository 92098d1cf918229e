"""The engine's errors with the class and SQLSTATE that Spark gives them.

A message that is not known for certain stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pyspark.errors.exceptions.connect import (
    ArithmeticException,
    NumberFormatException,
    SparkConnectGrpcException,
    UnsupportedOperationException,
)

from brickloop.localws.spark_errors import (
    analysis_error,
    catalog_not_found,
    column_not_found,
    knows,
    made,
    parse_error,
    place_of,
    schema_not_found,
    table_exists,
    table_not_found,
    unsupported,
)

_RAISES = re.compile(r"\b(?:raise_error|assert_true)\s*\(", re.IGNORECASE)
_PREAMBLE = (
    r"^(?:function:|CommandNode::|Physical plan does not support logical expression"
    r"|This feature is not implemented:)\s*"
)
_ELSEWHERE = re.compile(
    r"(?:ai_|h3_|st_|vector_search|http_request|remote_query|secret$|try_secret$|is_member$"
    r"|is_account_group_member$|read_kafka$|read_pubsub$|read_kinesis$|cloud_files|event_log$)"
)
"""Functions that need more of Databricks than an engine."""
_WHOLE_NAMES = {
    "TINYINT": "tinyint|byte|ByteType", "SMALLINT": "smallint|short|ShortType",
    "INT": "int|integer|IntegerType", "BIGINT": "bigint|long|LongType",
}  # fmt: skip
_CLASS = re.compile(r"\[([A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)\]\s*(.*)", re.DOTALL)


def translate(error: SparkConnectGrpcException, statement: str = "") -> Exception:
    """The engine's error with the class and SQLSTATE that Spark gives it, where that is sure."""
    known: Exception = error
    if str(error).lstrip().startswith("[UNSUPPORTED_FEATURE"):
        return known
    if isinstance(error, UnsupportedOperationException) and "unknown" not in str(error):
        return unsupported(re.sub(_PREAMBLE, "", str(error.getMessage())))
    if error.getSqlState() is not None:
        return known
    message = str(error.getMessage() or error)
    for pattern, make in _RULES:
        found = pattern.search(message)
        if found:
            return make(found, statement)
    found = _CLASS.search(message)
    if found and knows(found.group(1)):
        return made(type(error), found.group(1), found.group(2))
    if _RAISES.search(statement):
        return made(type(error), "USER_RAISED_EXCEPTION", message)
    return known


def _parse_failure(found: re.Match[str], statement: str) -> Exception:
    near, begin = found.group(1), int(found.group(2))
    if near == "end of input" or begin >= len(statement.rstrip()):
        near = "end of input"
    return parse_error(statement or near, near, begin if statement else 0)


def _column_missing(found: re.Match[str], statement: str) -> Exception:
    parts = re.findall(r'Identifier\("([^"]*)"\)', found.group(1))
    return column_not_found(parts, statement=statement)


def _table_missing(name: str, statement: str) -> Exception:
    """The engine says the last part only; the statement has the name as it was written."""
    last = re.escape(name.rpartition(".")[2].strip("`"))
    part = r"(?:`[^`]+`|\w+)"
    found = re.search(rf"(?:{part}\.){{1,2}}`?{last}`?(?![\w`.])", statement, re.IGNORECASE)
    whole = found.group() if found else name
    return table_not_found(whole, place_of(name.rpartition(".")[2].strip("`"), statement))


def _unknown_function(name: str) -> Exception:
    lowered = name.lower()
    if _ELSEWHERE.match(lowered):
        return unsupported(f"the function {lowered}", "Run this statement on a SQL warehouse.")
    return analysis_error(
        "UNRESOLVED_ROUTINE",
        f"Cannot resolve routine `{lowered}` on search path"
        " [`system`.`builtin`, `system`.`session`].",
    )


def _arithmetic(found: re.Match[str], _statement: str) -> Exception:
    return made(
        ArithmeticException,
        "DIVIDE_BY_ZERO",
        "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.",
    )


def _cast(found: re.Match[str], _statement: str) -> Exception:
    kind = _SPARK_TYPES.get(found.group(2), found.group(2).upper())
    return made(
        NumberFormatException,
        "CAST_INVALID_INPUT",
        f'The value \'{found.group(1)}\' of the type "STRING" cannot be cast to "{kind}" because'
        " it is malformed. Correct the value as per the syntax, or change its target type. Use"
        " `try_cast` to tolerate malformed input and return NULL instead.",
    )


def _overflow(found: re.Match[str], statement: str) -> Exception:
    kind = _SPARK_TYPES.get(found.group(2), found.group(2).upper())
    if not _casts_to(kind, statement):
        return _too_large("long" if kind == "BIGINT" else "integer")
    return made(
        ArithmeticException,
        "CAST_OVERFLOW",
        f'The value {found.group(1)} cannot be cast to "{kind}" due to an overflow. Use'
        " `try_cast` to tolerate overflow and return NULL instead.",
    )


def _casts_to(kind: str, statement: str) -> bool:
    """Whether a statement or cell makes numbers this type by its own wish.

    Where it does not, arithmetic was too large. The cast of a literal that fits is none.
    """
    if kind not in _WHOLE_NAMES:
        return True
    names = _WHOLE_NAMES[kind]
    digits = {"TINYINT": 7, "SMALLINT": 15, "INT": 31, "BIGINT": 63}[kind]
    rest = re.sub(
        rf"\bcast\s*\(\s*(\d+)\s+as\s+(?:{names})\s*\)",
        lambda found: "" if int(found[1]) < 2**digits else found[0],
        statement,
        flags=re.IGNORECASE,
    )
    pattern = (
        rf"\bas\s+(?:{names})\s*\)|::\s*(?:{names})\b|(?<![\w.])(?:{names})\s*\("
        rf"|\.(?:cast|astype)\s*\(\s*(?:dataType\s*=\s*)?(?:[\"\'](?:{names})\b|(?:\w+\.)*(?:{names})\b|\w+\s*\))"
    )
    return re.search(pattern, rest, re.IGNORECASE) is not None


def _too_large(word: str) -> Exception:
    return made(
        ArithmeticException,
        "ARITHMETIC_OVERFLOW",
        f"{word} overflow. Use `try_add`, `try_subtract` or `try_multiply` to tolerate overflow and"
        " return NULL instead.",
    )


def _attribute(text: str) -> str:
    return ".".join(f"`{part}`" for part in re.findall(r'Identifier\("([^"]*)"\)', text))


_SPARK_TYPES = {
    "Int8": "TINYINT", "Int16": "SMALLINT", "Int32": "INT", "Int64": "BIGINT",
    "Float32": "FLOAT", "Float64": "DOUBLE", "Boolean": "BOOLEAN", "Date32": "DATE",
}  # fmt: skip
_Rule = Callable[[re.Match[str], str], Exception]
_RULES: tuple[tuple[re.Pattern[str], _Rule], ...] = (
    (
        re.compile(r"invalid argument: found (.*) at (\d+):\d+ expected", re.DOTALL),
        _parse_failure,
    ),
    (
        re.compile(r"invalid argument: found (end of input)()"),
        lambda found, text: parse_error(text, "end of input", len(text)),
    ),
    (re.compile(r"Table or view not found: (\S+)"), lambda f, t: _table_missing(f.group(1), t)),
    (re.compile(r"^Table not found: (\S+)$"), lambda f, t: _table_missing(f.group(1), t)),
    (re.compile(r"^View not found: (\S+)$"), lambda f, _: table_not_found(f.group(1))),
    (re.compile(r"^(?:Table|View) already exists: (\S+)$"), lambda f, _: table_exists(f.group(1))),
    (re.compile(r"^Database not found: (\S+)$"), lambda f, _: schema_not_found(f.group(1))),
    (re.compile(r"^Catalog not found: (\S+)$"), lambda f, _: catalog_not_found(f.group(1))),
    (re.compile(r"attribute ObjectName\((.*?)\) is missing from the schema"), _column_missing),
    (
        re.compile(r"ambiguous attribute: ObjectName\((.*?)\)"),
        lambda f, _: analysis_error(
            "AMBIGUOUS_REFERENCE", f"Reference {_attribute(f.group(1))} is ambiguous."
        ),
    ),
    (re.compile(r"unknown (?:table )?function: (\S+)"), lambda f, _: _unknown_function(f.group(1))),
    (
        re.compile(r"No field named .*Valid fields are", re.DOTALL),
        lambda _f, _t: analysis_error(
            "MISSING_AGGREGATION",
            "A column of the select list is based on columns which are not participating in the"
            " GROUP BY clause. Add them to the GROUP BY clause, aggregate the expression, or use"
            " `any_value` if you do not care which of the values within a group is returned.",
        ),
    ),
    (
        re.compile(r"filter: .*logical expression AggregateFunction", re.DOTALL),
        lambda _f, _t: analysis_error(
            "INVALID_WHERE_CONDITION",
            "The WHERE condition contains invalid expressions: an aggregate function. Rewrite the"
            " query to avoid window functions, aggregate functions, and generator functions in the"
            " WHERE clause.",
        ),
    ),
    (
        re.compile(r"^(?:one|two|three) values? expected"),
        lambda _f, _t: analysis_error(
            "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            "A function is called with a wrong number of arguments.",
        ),
    ),
    (
        re.compile(r"Cannot coerce (?:arithmetic|comparison)? ?expression (.*) to valid types"),
        lambda f, _: analysis_error(
            "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
            f"Cannot resolve the expression due to data type mismatch: {f.group(1)}.",
        ),
    ),
    (
        re.compile(r"^(?:invalid timestamp: (.*)|expected numeric datetime field.*)", re.DOTALL),
        lambda f, _: analysis_error(
            "CANNOT_PARSE_TIMESTAMP",
            f"Text '{f.group(1) or '?'}' could not be parsed. Use `try_to_timestamp` to tolerate"
            " invalid input string and return NULL instead.",
        ),
    ),
    (
        re.compile(r"element_at: the index is out of bounds"),
        lambda _f, _t: analysis_error(
            "INVALID_ARRAY_INDEX_IN_ELEMENT_AT",
            "The index is out of bounds. Use `try_element_at` to tolerate accessing element at"
            " invalid index and return NULL instead.",
        ),
    ),
    (
        re.compile(r"Scalar subquery returned more than one row"),
        lambda _f, _t: analysis_error(
            "SCALAR_SUBQUERY_TOO_MANY_ROWS",
            "More than one row returned by a subquery used as an expression.",
        ),
    ),
    (
        re.compile(
            r"Inconsistent data length across values list: got (\d+) values in row (\d+)"
            r" but expected (\d+)"
        ),
        lambda f, _: analysis_error(
            "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
            f"Invalid inline table. Inline table expected {f.group(3)} columns but found"
            f" {f.group(1)} columns in row {f.group(2)}.",
        ),
    ),
    (
        re.compile(r"Placeholder '[:$]?(\w+)' was not provided a value"),
        lambda f, _: analysis_error(
            "UNBOUND_SQL_PARAMETER",
            f"Found the unbound parameter: {f.group(1)}. Please, fix `args` and provide a mapping"
            " of the parameter to either a SQL literal or collection constructor functions such as"
            " `map()`, `array()`, `struct()`.",
        ),
    ),
    (
        re.compile(r"please specify: ChangeDataFeed"),
        lambda _f, _t: unsupported("this change of a table with a change data feed"),
    ),
    (re.compile(r"Cannot cast value '(.*)' to value of (\w+) type", re.DOTALL), _cast),
    (
        re.compile(r"Remainder by zero"),
        lambda _f, _t: made(
            ArithmeticException,
            "REMAINDER_BY_ZERO",
            "Remainder by zero. Use `try_mod` to tolerate divisor being 0 and return NULL instead.",
        ),
    ),
    (
        re.compile(r"(\S+) is too large to store in a Decimal128 of precision (\d+)"),
        lambda f, _: made(
            ArithmeticException,
            "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
            f"{f.group(1)} cannot be represented as Decimal({f.group(2)}). Use `try_cast` to"
            " tolerate it and return NULL instead.",
        ),
    ),
    (
        re.compile(r"Schema contains duplicate unqualified field name \"?(\S+?)\"?$"),
        lambda f, _: analysis_error(
            "COLUMN_ALREADY_EXISTS",
            f"The column `{f.group(1)}` already exists. Choose another name or rename the existing"
            " column.",
        ),
    ),
    (
        re.compile(r"No version of the Delta table exists at or before timestamp (\S+)"),
        lambda f, _: analysis_error(
            "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION",
            f"The provided timestamp ({f.group(1)}) is before the earliest version available to"
            " this table.",
        ),
    ),
    (re.compile(r"divide by zero", re.IGNORECASE), _arithmetic),
    (re.compile(r"Cannot cast string '(.*)' to value of (\w+) type", re.DOTALL), _cast),
    (re.compile(r"Can't cast value (\S+) to type (\w+)"), _overflow),
    (re.compile(r"value of (\S+) is out of range (Int\d+)"), _overflow),
    (
        re.compile(r"Int(\d+) overflow on negative"),
        lambda f, _: _too_large("long" if f.group(1) == "64" else "integer"),
    ),
    (re.compile(r"Division by zero"), _arithmetic),
    (
        re.compile(
            r"UNION queries have different number of columns: left has (\d+) columns whereas"
            r" right has (\d+) columns"
        ),
        lambda f, _: analysis_error(
            "NUM_COLUMNS_MISMATCH",
            "UNION can only be performed on inputs with the same number of columns, but the first"
            f" input has {f.group(1)} columns and the second input has {f.group(2)} columns.",
        ),
    ),
    (
        re.compile(r"input schema for INSERT has (\d+) fields, but table schema has (\d+) fields"),
        lambda f, _: analysis_error(
            "INSERT_COLUMN_ARITY_MISMATCH",
            f"Cannot write to the table, the reason is that it has {f.group(2)} columns and the"
            f" data has {f.group(1)}.",
        ),
    ),
    (
        re.compile(r"expected final version (\d+), replay reached (\d+)"),
        lambda f, _: analysis_error(
            "DELTA_VERSION_NOT_FOUND",
            f"Cannot time travel Delta table to version {f.group(1)}. Available versions:"
            f" [0, {f.group(2)}].",
        ),
    ),
)
