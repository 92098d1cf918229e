"""Expressions of Spark Connect plans, made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql.connect import proto

from brickloop.localws.sql_tokens import quoted_name


class PlanBuilder:
    """Makes expressions as Spark Connect's messages."""

    def __init__(self) -> None:
        self._lambdas = 0

    def cast(self, node: Any, kind: str) -> Any:
        """``CAST(node AS kind)``."""
        return proto.Expression(cast=proto.Expression.Cast(expr=node, type_str=kind))

    def call(self, name: str, *nodes: Any) -> Any:
        """A function's call, or an operator's."""
        return call(name, *nodes)

    def text(self, value: str) -> Any:
        """A string literal."""
        return text(value)

    def field(self, node: Any, name: str) -> Any:
        """A field of a struct."""
        return proto.Expression(
            unresolved_extract_value=proto.Expression.UnresolvedExtractValue(
                child=node, extraction=text(name)
            )
        )

    def when(self, condition: Any, value: Any) -> Any:
        """``CASE WHEN condition THEN value END``."""
        return call("when", condition, value)

    def transform(self, node: Any, change: Callable[[Any], Any]) -> Any:
        """An array with each element changed."""
        self._lambdas += 1
        each = proto.Expression.UnresolvedNamedLambdaVariable(name_parts=[f"e{self._lambdas}"])
        function = proto.Expression.LambdaFunction(
            function=change(proto.Expression(unresolved_named_lambda_variable=each)),
            arguments=[each],
        )
        return call("transform", node, proto.Expression(lambda_function=function))


def call(name: str, *arguments: Any) -> Any:
    """A function's call."""
    return proto.Expression(
        unresolved_function=proto.Expression.UnresolvedFunction(
            function_name=name, arguments=list(arguments)
        )
    )


def text(value: str) -> Any:
    """A string literal."""
    return proto.Expression(literal=proto.Expression.Literal(string=value))


def column(name: str) -> Any:
    """A column by its name, whatever stands in it."""
    return proto.Expression(
        unresolved_attribute=proto.Expression.UnresolvedAttribute(
            unparsed_identifier=quoted_name(name)
        )
    )


def integer(value: int) -> Any:
    """An INT literal."""
    return proto.Expression(literal=proto.Expression.Literal(integer=value))


def aliased(expression: Any, name: str) -> Any:
    """The expression under a name; one that has a name takes this one instead."""
    inner = expression
    if expression.WhichOneof("expr_type") == "alias":
        inner = expression.alias.expr
    return proto.Expression(alias=proto.Expression.Alias(expr=inner, name=[name]))


def copied(expression: Any) -> Any:
    """The expression anew."""
    made = proto.Expression()
    made.CopyFrom(expression)
    return made
