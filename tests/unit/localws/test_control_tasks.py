from __future__ import annotations

import pytest

from brickloop.localws.control_tasks import holds, input_values, read_inputs


@pytest.mark.parametrize(
    ("left", "op", "right", "expected"),
    [
        ("12", "EQUAL_TO", "12", True),
        # equality is that of texts, order that of numbers
        ("12.0", "EQUAL_TO", "12", False),
        ("12.0", "NOT_EQUAL", "12", True),
        ("12.0", "GREATER_THAN_OR_EQUAL", "12", True),
        ("9", "GREATER_THAN", "10", False),
        ("-1e3", "LESS_THAN", "0.5", True),
        ("3", "LESS_THAN_OR_EQUAL", "2", False),
        ("true", "EQUAL_TO", "true", True),
    ],
)
def test_conditions(left: str, op: str, right: str, expected: bool) -> None:
    assert holds({"left": left, "op": op, "right": right}) is expected


@pytest.mark.parametrize("text", ["ten", "", "NaN", "{{tasks.a.values.b}}"])
def test_what_is_no_number_has_no_order(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        holds({"left": text, "op": "LESS_THAN", "right": "1"})


def test_inputs_are_an_array_of_any_values() -> None:
    assert read_inputs('["a", 1, {"k": null}]') == ["a", 1, {"k": None}]
    for text in ("", "a,b", '{"a": 1}', "null"):
        with pytest.raises(ValueError, match="not a JSON array"):
            read_inputs(text)
    with pytest.raises(ValueError, match="at most 5000"):
        read_inputs(str(list(range(5001))))


def test_a_value_and_its_fields_can_be_named() -> None:
    assert input_values("x y") == {"input": "x y"}
    assert input_values(7) == {"input": "7"}
    assert input_values({"a": "t", "b": [1]}) == {
        "input": '{"a": "t", "b": [1]}',
        "input.a": "t",
        "input.b": "[1]",
    }
