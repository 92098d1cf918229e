"""Errors as Spark names them, with their class and SQLSTATE.

https://docs.databricks.com/error-messages/error-classes.html.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pyspark.errors.exceptions.connect import (
    AnalysisException,
    ParseException,
    UnsupportedOperationException,
)

_STATES = {
    "_LEGACY_ERROR_TEMP_1037": "XX000",
    "AMBIGUOUS_REFERENCE": "42704",
    "ARITHMETIC_OVERFLOW": "22003",
    "CANNOT_PARSE_TIMESTAMP": "22007",
    "CAST_INVALID_INPUT": "22018",
    "CAST_OVERFLOW": "22003",
    "CATALOG_ALREADY_EXISTS": "42P04",
    "CATALOG_NOT_FOUND": "42P08",
    "COLUMN_ALREADY_EXISTS": "42711",
    "CONVERSION_INVALID_INPUT": "22018",
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
    "INVALID_PARAMETER_VALUE.LENGTH": "22023",
    "INVALID_PARAMETER_VALUE.START": "22023",
    "INVALID_WHERE_CONDITION": "42903",
    "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH": "42000",
    "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES": "42K09",
    "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE": "42K09",
    "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE": "42K09",
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
    "SECOND_FUNCTION_ARGUMENT_NOT_INTEGER": "22023",
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
    "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE": "0A000",
    "USER_RAISED_EXCEPTION": "P0001",
    "VARIABLE_ALREADY_EXISTS": "42723",
    "VARIABLE_NOT_FOUND": "42883",
    "VOLUME_ALREADY_EXISTS": "42000",
    "VOLUME_NOT_FOUND": "42704",
    "WRONG_COMMAND_FOR_OBJECT_TYPE": "42809",
    "WRONG_NUM_ARGS": "42605",
    "WRONG_NUM_ARGS.WITHOUT_SUGGESTION": "42605",
}


def analysis_error(condition: str, message: str, place: str = "") -> Exception:
    """An AnalysisException with its class, SQLSTATE and Spark's form of message.

    ``place`` is ``line 1 pos 7`` where the statement is at fault there.
    """
    return made(AnalysisException, condition, message, place)


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
    return made(UnsupportedOperationException, "UNSUPPORTED_FEATURE", text)


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


def knows(condition: str) -> bool:
    """Whether an error class and its SQLSTATE are known."""
    return condition in _STATES


def made(kind: type[Any], condition: str, message: str, place: str = "") -> Exception:
    """An error of a class of pyspark's, with its SQLSTATE in the text as clients look for it."""
    state = _STATES[condition]
    text = f"[{condition}] {message.rstrip()} SQLSTATE: {state}" + (f"; {place}" if place else "")
    error: Exception = kind(text, errorClass=condition, sql_state=state)
    return error


def _ticked(name: str) -> str:
    parts = name.replace("`", "").split(".")
    return ".".join(f"`{part}`" for part in parts)


def refused_intersection() -> Exception:
    """The error for INTERSECT ALL, of which the engine gives too many rows."""
    return unsupported("INTERSECT ALL", "Number the rows with row_number() and use INTERSECT.")


def not_ordered(operation: str, kind: str) -> Exception:
    """The error for comparing or sorting what has no order, such as maps."""
    return analysis_error(
        "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
        f"Cannot resolve the expression due to data type mismatch: The `{operation}` does not"
        f' support ordering on type "{kind}".',
    )


def set_operation_on_map(name: str, kind: str) -> Exception:
    """The error for DISTINCT and set operations over a column with maps."""
    return analysis_error(
        "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE",
        "The feature is not supported: Cannot have MAP type columns in DataFrame which calls set"
        f' operations (INTERSECT, EXCEPT, etc.), but the type of column `{name}` is "{kind}".',
    )


def window_not_ordered(name: str) -> Exception:
    """The error for a ranking function over a window without ORDER BY."""
    return analysis_error(
        "_LEGACY_ERROR_TEMP_1037",
        f"Window function {name}() requires window to be ordered, please add ORDER BY clause. For"
        f" example SELECT {name}(value_expr) OVER (PARTITION BY window_partition ORDER BY"
        " window_ordering) from table.",
    )
