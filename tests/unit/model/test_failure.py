"""Where a run failed, and what to do about it."""

from __future__ import annotations

import pytest

from brickloop.model.failure import (
    describe_failure,
    failing_line,
    hint_for,
    own_lines,
    without_message,
)
from brickloop.model.run import (
    CellResult,
    ErrorOutput,
    LifeCycle,
    ResultState,
    RunResult,
    RunStatus,
)

IPYTHON = """---------------------------------------------------------------------------
KeyError                                  Traceback (most recent call last)
File /databricks/python/lib/python3.11/site-packages/pandas/core/base.py:3802, in get_loc(self)
   3801 try:
-> 3802     return self._engine.get_loc(casted_key)
   3803 except KeyError as err:

File <command-4085>, line 4
      1 import pandas as pd
      2 def g():
      3     return frame['b']
----> 4 g()

File <command-4085>, line 3, in g()
      1 import pandas as pd
      2 def g():
----> 3     return frame['b']
      4 g()

File <command-11>:2, in helper()
      1 def helper():
----> 2     raise KeyError('b')

KeyError: 'b'"""
JAVA = """Py4JJavaError: An error occurred while calling o1.count.
: org.apache.spark.SparkException: Job aborted
\tat org.apache.spark.scheduler.DAGScheduler.failJob(DAGScheduler.scala:1)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.lang.OutOfMemoryError: Java heap space
\t... 1 more"""


def cell(command, index=1):
    return CellResult(index, command, None, "error")


@pytest.mark.parametrize(
    ("command", "trace", "message", "line"),
    [
        ("x = 1\ny = x / 0", 'File "/w/n cell 2", line 2, in <module>\n    y = x / 0', "", 2),
        # the line is counted from below the magic word
        ("%python\nx = 1\ny = x / 0", 'File "/w/n cell 2", line 2\n    y = x / 0', "", 3),
        # another cell's function: the call in this one
        ("h()", 'File "/w/n cell 2", line 1\n    h()\n File "/w/n cell 1", line 9\n    1/0', "", 1),
        ("import pandas\ndef g():\n    return frame['b']\ng()", IPYTHON, "", 3),
        ("x = 1", 'File "/w/n cell 2", line 900, in <module>', "", None),
        ("x = 1", 'File "/w/other.py", line 1', "", None),
        ("%sql\nSELECT 1,\n  FROM x y z", "", "invalid: found y at 19:20 expected ','", 3),
        ("SELECT *\nFROM t\nWHER x", "", "[PARSE_SYNTAX_ERROR] near 'x' (line 3, pos 5)", 3),
        ("%sql\n\nSELECT a\nFROM", "", "[PARSE_SYNTAX_ERROR] at end (line 2, pos 4)", 4),
        # of several statements it is not known which one is meant
        ("%sql\nSELECT 1;\nSELECT a FROM", "", "[PARSE_SYNTAX_ERROR] (line 1, pos 13)", None),
        ("%sh\nfalse", "", "(line 1, pos 1)", None),
    ],
)  # fmt: skip
def test_the_failing_line(command, trace, message, line):
    assert failing_line(cell(command), trace, message) == line


def test_the_trace_keeps_the_notebooks_own_lines():
    trace, shortened = own_lines(IPYTHON)
    assert shortened
    assert "site-packages" not in trace
    assert "3801 try" not in trace
    assert trace.count("File <command-4085>") == 2
    assert trace.endswith("KeyError: 'b'")
    assert own_lines("ValueError: x") == ("ValueError: x", False)


CHAIN = """Traceback (most recent call last):
  File "/lib/python3.11/site-packages/pandas/core/base.py", line 3812, in get_loc
    return self._engine.get_loc(key)
KeyError: 'late'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/w/n cell 2", line 1, in <module>
    frame["late"]
  File "/lib/python3.11/site-packages/pandas/core/frame.py", line 4113, in __getitem__
    indexer = self.columns.get_loc(key)
KeyError: 'late'"""


def test_an_error_within_libraries_alone_is_left_out():
    assert own_lines(CHAIN) == (
        'Traceback (most recent call last):\n  File "/w/n cell 2", line 1, in <module>\n'
        "    frame[\"late\"]\n  … 1 line of libraries\nKeyError: 'late'",
        True,
    )


def test_errors_of_the_notebook_that_caused_each_other_stay():
    first = 'Traceback (most recent call last):\n  File "/w/n cell 2", line 2\n    1/0\nA: b'
    link = "During handling of the above exception, another exception occurred:"
    whole = f"{first}\n\n{link}\n\n{first}"
    assert own_lines(whole) == (whole, False)


def test_a_java_trace_keeps_what_it_says():
    trace, shortened = own_lines(JAVA)
    assert shortened
    assert "\tat " not in trace
    assert "Caused by: java.lang.OutOfMemoryError" in trace
    assert "… 2 lines of libraries" in trace


@pytest.mark.parametrize(
    ("trace", "message", "left"),
    [
        ("File x\n    y\nValueError: no", "no", "File x\n    y"),
        ("File x\nValueError: a\nb", "a\nb", "File x"),
        ("pyspark.X: no", "no", ""),
        ("File x", "", "File x"),
        ("File x", "other", "File x"),
    ],
)
def test_a_message_is_not_repeated(trace, message, left):
    assert without_message(trace, message) == left


@pytest.mark.parametrize(
    ("name", "message", "said"),
    [
        ("AnalysisException", "[TABLE_OR_VIEW_NOT_FOUND] The table `t` ...", "SHOW TABLES"),
        ("ModuleNotFoundError", "No module named 'lightgbm'", "%pip install"),
        ("AnalysisException", "[AMBIGUOUS_REFERENCE] Reference `id` is ambiguous", "both sides"),
        ("AnalysisException", "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column", "df.columns"),
        ("SparkException", "[INSUFFICIENT_PERMISSIONS] Insufficient privileges", "GRANT"),
        ("PermissionError", "[Errno 13] Permission denied: '/x'", "GRANT"),
        ("ParseException", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'x'", "does not parse"),
        ("SyntaxError", "invalid syntax", "the marked line"),
        ("MemoryError", "", "out of memory"),
        ("", "The spark driver has stopped unexpectedly and is restarting.", "out of memory"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'x'", "/Volumes/"),
        ("InputWidgetNotDefined", "No input widget named day is defined", "-p name=value"),
        ("NameError", "name 'frame' is not defined", "the cell that makes frame"),
        ("SparkArithmeticException", "[DIVIDE_BY_ZERO] Division by zero", "try_divide"),
        ("AnalysisException", "[SCHEMA_NOT_FOUND] The schema `x`", "CREATE SCHEMA"),
        ("PySparkAttributeError", "[JVM_ATTRIBUTE_NOT_SUPPORTED] `sparkContext`", "serverless"),
        ("IOException", "Public DBFS root is disabled", "volume"),
        ("DeltaException", "[DELTA_CONCURRENT_APPEND] ConcurrentAppendException", "run it again"),
        ("TimeoutError", "timed out", "run it again"),
        ("KeyError", "'late'", "frame.columns"),
    ],
)
def test_hints(name, message, said):
    assert said in hint_for(name, message)


def test_an_error_without_a_hint_and_one_that_is_wrapped():
    assert hint_for("ZeroDivisionError", "division by zero") is None
    assert "out of memory" in hint_for("Py4JJavaError", "An error occurred", JAVA)
    # the notebook's own code is no message
    assert hint_for("ValueError", "no", "    except MemoryError:\nValueError: no") is None


@pytest.mark.parametrize(
    ("state", "life", "said"),
    [
        (ResultState.TIMEDOUT, LifeCycle.TERMINATED, "more time"),
        (ResultState.CANCELED, LifeCycle.TERMINATED, "cancelled"),
        (ResultState.MAXIMUM_CONCURRENT_RUNS_REACHED, LifeCycle.SKIPPED, "another run"),
        (ResultState.UPSTREAM_FAILED, LifeCycle.TERMINATED, "depends on"),
        (None, LifeCycle.INTERNAL_ERROR, "could not run it"),
    ],
)
def test_a_run_that_gives_its_own_reason(state, life, said):
    failure = describe_failure(RunResult(RunStatus(1, 2, life, state, "why", "", 0, 1)))
    assert (failure.cell, failure.name, failure.message, failure.trace) == (None, "", "why", "")
    assert said in failure.hint
    assert failure.state == (state or life).value


def test_a_failed_cell_is_described():
    error = ErrorOutput("KeyError", "'b'", IPYTHON)
    failing = CellResult(1, "def g():\n    return frame['b']\ng()", "T", "error", (error,))
    failure = describe_failure(
        RunResult(
            RunStatus(1, 2, LifeCycle.TERMINATED, ResultState.FAILED, "", "", 0, 1),
            error="KeyError: 'b'",
            cells=(cell("x = 1", 0), failing),
        )
    )
    assert (failure.cell, failure.line, failure.name) == (failing, 2, "KeyError")
    assert failure.shortened
    assert not failure.trace.endswith("'b'")
