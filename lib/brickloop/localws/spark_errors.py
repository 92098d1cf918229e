"""Errors as Spark names them: the engine's own messages carry neither error class nor SQLSTATE.

https://docs.databricks.com/error-messages/error-classes.html. A message that is not known for
certain stays as it is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pyspark.errors.exceptions.connect import (
    AnalysisException,
    ArithmeticException,
    NumberFormatException,
    ParseException,
    SparkConnectGrpcException,
    UnsupportedOperationException,
)

_STATES = {
    "AMBIGUOUS_REFERENCE": "42704",
    "ARITHMETIC_OVERFLOW": "22003",
    "CANNOT_PARSE_TIMESTAMP": "22007",
    "CAST_INVALID_INPUT": "22018",
    "CAST_OVERFLOW": "22003",
    "CATALOG_ALREADY_EXISTS": "42P04",
    "CATALOG_NOT_FOUND": "42P08",
    "COLUMN_ALREADY_EXISTS": "42711",
    "DATATYPE_MISMATCH": "42K09",
    "DATETIME_OVERFLOW": "22008",
    "DELTA_MISSING_CHANGE_DATA": "KD002",
    "DELTA_MISSING_DELTA_TABLE": "42P01",
    "DELTA_NOT_NULL_CONSTRAINT_VIOLATED": "23502",
    "DELTA_SCHEMA_MISMATCH": "42KDG",
    "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION": "42816",
    "DELTA_UNSUPPORTED_DROP_COLUMN": "0AKDC",
    "DELTA_UNSUPPORTED_RENAME_COLUMN": "0AKDC",
    "DELTA_VERSION_NOT_FOUND": "22003",
    "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES": "23001",
    "DIVIDE_BY_ZERO": "22012",
    "EXPECT_TABLE_NOT_VIEW": "42809",
    "EXPECT_VIEW_NOT_TABLE": "42809",
    "FIELD_NOT_FOUND": "42704",
    "GROUP_BY_AGGREGATE": "42903",
    "INSERT_COLUMN_ARITY_MISMATCH": "21S01",
    "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS": "21S01",
    "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS": "21S01",
    "SCALAR_SUBQUERY_TOO_MANY_ROWS": "21000",
    "INVALID_ARRAY_INDEX": "22003",
    "INVALID_ARRAY_INDEX_IN_ELEMENT_AT": "22003",
    "INVALID_EXTRACT_FIELD": "42601",
    "INVALID_PARTITION_OPERATION.PARTITION_SCHEMA_IS_EMPTY": "42601",
    "INVALID_PARAMETER_VALUE": "22023",
    "INVALID_WHERE_CONDITION": "42903",
    "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH": "42000",
    "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES": "42K09",
    "INVALID_SCHEMA_OR_RELATION_NAME": "42602",
    "INVALID_TEMP_OBJ_REFERENCE": "42K0F",
    "MISSING_AGGREGATION": "42803",
    "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION": "22003",
    "NUM_COLUMNS_MISMATCH": "42826",
    "REMAINDER_BY_ZERO": "22012",
    "OPERATION_CANCELED": "HY008",
    "PARSE_SYNTAX_ERROR": "42601",
    "PATH_NOT_FOUND": "42K03",
    "RECURSION_LEVEL_LIMIT_EXCEEDED": "42836",
    "RECURSION_ROW_LIMIT_EXCEEDED": "42836",
    "ROUTINE_ALREADY_EXISTS": "42723",
    "ROUTINE_NOT_FOUND": "42883",
    "SCHEMA_ALREADY_EXISTS": "42P06",
    "SCHEMA_NOT_EMPTY": "2BP01",
    "SCHEMA_NOT_FOUND": "42704",
    "TABLE_OR_VIEW_ALREADY_EXISTS": "42P07",
    "TABLE_OR_VIEW_NOT_FOUND": "42P01",
    "UNBOUND_SQL_PARAMETER": "42P02",
    "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION": "42703",
    "UNRESOLVED_COLUMN.WITH_SUGGESTION": "42703",
    "UNRESOLVED_MAP_KEY": "42703",
    "UNRESOLVED_ROUTINE": "42883",
    "UNRESOLVED_VARIABLE": "42883",
    "UNSUPPORTED_FEATURE": "0A000",
    "USER_RAISED_EXCEPTION": "P0001",
    "VARIABLE_ALREADY_EXISTS": "42723",
    "VARIABLE_NOT_FOUND": "42883",
    "VOLUME_ALREADY_EXISTS": "42000",
    "VOLUME_NOT_FOUND": "42704",
    "WRONG_COMMAND_FOR_OBJECT_TYPE": "42809",
    "WRONG_NUM_ARGS": "42605",
    "WRONG_NUM_ARGS.WITHOUT_SUGGESTION": "42605",
}
_RAISES = re.compile(r"\b(?:raise_error|assert_true)\s*\(", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"(?:ai_|h3_|st_|vector_search|http_request|remote_query|secret$|try_secret$|is_member$"
    r"|is_account_group_member$|read_kafka$|read_pubsub$|read_kinesis$|cloud_files|event_log$)"
)
"""Functions that need more of Databricks than an engine."""
_CLASS = re.compile(r"\[([A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)\]\s*(.*)", re.DOTALL)


def analysis_error(condition: str, message: str, place: str = "") -> Exception:
    """An AnalysisException with its class, SQLSTATE and Spark's form of message.

    ``place`` is ``line 1 pos 7`` where the statement is at fault there.
    """
    return _made(AnalysisException, condition, message, place)


def column_not_found(
    parts: Sequence[str], known: Iterable[str] = (), statement: str = ""
) -> Exception:
    """The error for a name that is no column; ``known`` are names that it might be."""
    shown = ".".join(f"`{part}`" for part in parts)
    message = f"A column, variable, or function parameter with name {shown} cannot be resolved."
    place = place_of(parts[-1], statement)
    last = parts[-1].lower()
    near = sorted(
        dict.fromkeys(known),
        key=lambda name: -difflib.SequenceMatcher(None, name.lower(), last).ratio(),
    )[:5]
    if not near:
        return analysis_error("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", message, place)
    choices = ", ".join(f"`{name}`" for name in near)
    return analysis_error(
        "UNRESOLVED_COLUMN.WITH_SUGGESTION",
        f"{message} Did you mean one of the following? [{choices}].",
        place,
    )


def place_of(name: str, statement: str) -> str:
    """Where the statement has a name, as ``line 1 pos 7``; empty where that is not certain."""
    pattern = rf"(?:(?<=`)|(?<![\w`])){re.escape(name)}(?![\w`]|`?\()"
    found = [match.start() for match in re.finditer(pattern, statement, re.IGNORECASE)]
    if len(found) != 1:
        return ""
    before = statement[: found[0]]
    return f"line {before.count(chr(10)) + 1} pos {found[0] - (before.rfind(chr(10)) + 1)}"


def unsupported(feature: str, hint: str = "") -> Exception:
    """The error for what the local workspace cannot do; it names the feature."""
    text = f"The local workspace does not support {feature}." + (f" {hint}" if hint else "")
    return _made(UnsupportedOperationException, "UNSUPPORTED_FEATURE", text)


def parse_error(statement: str, near: str, position: int) -> Exception:
    """A ParseException that shows the statement with the place marked."""
    before = statement[:position]
    line = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1)
    lines = statement.splitlines() or [""]
    shown = [*lines[:line], "-" * column + "^^^", *lines[line:]]
    message = f"Syntax error at or near '{near}'."
    text = (
        f"\n[PARSE_SYNTAX_ERROR] {message} SQLSTATE: 42601 (line {line}, pos {column})"
        "\n\n== SQL ==\n" + "\n".join(shown)
    )
    error: Exception = ParseException(text, errorClass="PARSE_SYNTAX_ERROR", sql_state="42601")
    return error


def table_not_found(name: str, place: str = "") -> Exception:
    """The error for a table or view that is not there."""
    return analysis_error(
        "TABLE_OR_VIEW_NOT_FOUND",
        f"The table or view {_ticked(name)} cannot be found. Verify the spelling and correctness of"
        " the schema and catalog.\nIf you did not qualify the name with a schema, verify the"
        " current_schema() output, or qualify the name with the correct schema and catalog.\nTo"
        " tolerate the error on drop use DROP VIEW IF EXISTS or DROP TABLE IF EXISTS.",
        place,
    )


def table_exists(name: str) -> Exception:
    """The error for a table or view that is there already."""
    return analysis_error(
        "TABLE_OR_VIEW_ALREADY_EXISTS",
        f"Cannot create table or view {_ticked(name)} because it already exists. Choose a"
        " different name, drop or replace the existing object, or add the IF NOT EXISTS clause to"
        " tolerate pre-existing objects.",
    )


def schema_not_found(name: str) -> Exception:
    """The error for a schema that is not there."""
    return analysis_error(
        "SCHEMA_NOT_FOUND",
        f"The schema {_ticked(name)} cannot be found. Verify the spelling and correctness of the"
        " schema and catalog.",
    )


def catalog_not_found(name: str) -> Exception:
    """The error for a catalog that is not there."""
    return analysis_error(
        "CATALOG_NOT_FOUND",
        f"The catalog {_ticked(name)} not found. Consider to set the SQL config to a catalog"
        " plugin.",
    )


def path_not_found(path: str) -> Exception:
    """The error for a path to read that is not there, as the user wrote it."""
    return analysis_error("PATH_NOT_FOUND", f"Path does not exist: {path}.")


def is_parse_error(error: Exception) -> bool:
    """Whether the statement could not be read."""
    return isinstance(error, ParseException)


def is_unknown(error: Exception) -> bool:
    """Whether a function is not known, or not by this name."""
    return str(error).lstrip().startswith(("[UNRESOLVED_ROUTINE]", "[UNSUPPORTED_FEATURE]"))


def translate(error: SparkConnectGrpcException, statement: str = "") -> Exception:
    """The engine's error with the class and SQLSTATE that Spark gives it, where that is sure."""
    known: Exception = error
    if isinstance(error, UnsupportedOperationException) and "unknown" not in str(error):
        return unsupported(re.sub(r"^(?:function|CommandNode)::?\s*", "", str(error.getMessage())))
    if error.getSqlState() is not None:
        return known
    message = str(error.getMessage() or error)
    for pattern, make in _RULES:
        found = pattern.search(message)
        if found:
            return make(found, statement)
    found = _CLASS.search(message)
    if found and found.group(1) in _STATES:
        return _made(type(error), found.group(1), found.group(2))
    if _RAISES.search(statement):
        return _made(type(error), "USER_RAISED_EXCEPTION", message)
    return known


def _made(kind: type[Any], condition: str, message: str, place: str = "") -> Exception:
    state = _STATES[condition]
    text = f"[{condition}] {message.rstrip()} SQLSTATE: {state}" + (f"; {place}" if place else "")
    error: Exception = kind(text, errorClass=condition, sql_state=state)
    return error


def _ticked(name: str) -> str:
    parts = name.replace("`", "").split(".")
    return ".".join(f"`{part}`" for part in parts)


def _attribute(text: str) -> str:
    return ".".join(f"`{part}`" for part in re.findall(r'Identifier\("([^"]*)"\)', text))


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
    return _made(
        ArithmeticException,
        "DIVIDE_BY_ZERO",
        "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.",
    )


def _cast(found: re.Match[str], _statement: str) -> Exception:
    kind = _SPARK_TYPES.get(found.group(2), found.group(2).upper())
    return _made(
        NumberFormatException,
        "CAST_INVALID_INPUT",
        f'The value \'{found.group(1)}\' of the type "STRING" cannot be cast to "{kind}" because'
        " it is malformed. Correct the value as per the syntax, or change its target type. Use"
        " `try_cast` to tolerate malformed input and return NULL instead.",
    )


def _overflow(found: re.Match[str], _statement: str) -> Exception:
    kind = _SPARK_TYPES.get(found.group(2), found.group(2).upper())
    return _made(
        ArithmeticException,
        "CAST_OVERFLOW",
        f'The value {found.group(1)} cannot be cast to "{kind}" due to an overflow. Use'
        " `try_cast` to tolerate overflow and return NULL instead.",
    )


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
        lambda _f, _t: _made(
            ArithmeticException,
            "REMAINDER_BY_ZERO",
            "Remainder by zero. Use `try_mod` to tolerate divisor being 0 and return NULL instead.",
        ),
    ),
    (
        re.compile(r"(\S+) is too large to store in a Decimal128 of precision (\d+)"),
        lambda f, _: _made(
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
