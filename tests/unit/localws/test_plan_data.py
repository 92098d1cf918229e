"""Local data held back from questions about types, and given back to every copy of its plan."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql.connect import proto

from brickloop.localws.plan_data import held_back


def _relation(count: int) -> proto.Relation:
    table = pa.table({"n": pa.array(range(count), pa.int32()), "s": ["text"] * count})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    made = proto.Relation()
    made.filter.input.local_relation.data = sink.getvalue().to_pybytes()
    return made


def _columns(data: bytes) -> pa.Schema:
    with pa.ipc.open_stream(data) as reader:
        return reader.schema


def test_large_data_is_held_back_and_given_back_to_its_copies() -> None:
    plans = proto.Relation()
    plans.set_op.left_input.CopyFrom(_relation(50_000))
    plans.set_op.right_input.CopyFrom(_relation(60_000))
    before = [
        plans.set_op.left_input.filter.input.local_relation.data,
        plans.set_op.right_input.filter.input.local_relation.data,
    ]
    with held_back(plans):
        assert plans.ByteSize() < 4096
        inner = plans.set_op.left_input.filter.input
        assert _columns(inner.local_relation.data).equals(_columns(before[0]))
        wrapped = proto.Relation()
        wrapped.limit.input.CopyFrom(plans.set_op.right_input)
        plans.set_op.right_input.CopyFrom(wrapped)
    assert plans.set_op.left_input.filter.input.local_relation.data == before[0]
    right = plans.set_op.right_input.limit.input
    assert right.filter.input.local_relation.data == before[1]


def test_small_data_stays() -> None:
    plan = _relation(3)
    before = plan.SerializeToString()
    with held_back(plan):
        assert plan.SerializeToString() == before
    assert plan.SerializeToString() == before
