from __future__ import annotations

from brickloop.localws.dynamic_values import fill_references, known_values

KNOWN = known_values(
    job_id=1,
    job_name="nightly",
    job_run_id=2,
    task_key="load",
    task_run_id=3,
    attempt=1,
    started_ms=1_700_000_000_000,
    parameters={"day": "monday"},
    task_values={"first": {"n": 41, "name": "x", "list": [1, "a"]}},
    results={"first": "SUCCESS"},
)


def test_references_stand_for_what_is_known() -> None:
    filled = fill_references(
        {
            "ids": "{{job.id}} {{job.run_id}} {{task.run_id}} {{ job.name }}",
            "when": ["{{job.start_time.iso_date}}", "{{start_date}}"],
            "given": "{{job.parameters.day}}",
            "values": "{{tasks.first.values.n}} {{tasks.first.values.name}}",
            "list": "{{tasks.first.values.list}}",
            "state": "{{tasks.first.result_state}}",
            "tries": "{{task.execution_count}}",
            "number": 7,
        },
        KNOWN,
    )
    assert filled == {
        "ids": "1 2 3 nightly",
        "when": ["2023-11-14", "2023-11-14"],
        "given": "monday",
        "values": "41 x",
        "list": '[1, "a"]',
        "state": "success",
        "tries": "2",
        "number": 7,
    }


def test_what_is_unknown_stays_as_it_is() -> None:
    for text in ("{{job.nothing}}", "{{ }}", "{{tasks.other.values.n}}", "{job.id}", "{{job.id"):
        assert fill_references(text, KNOWN) == text


def test_a_value_is_not_read_again_for_references() -> None:
    known = {"a": "{{b}}", "b": "secret"}
    assert fill_references("{{a}}", known) == "{{b}}"
