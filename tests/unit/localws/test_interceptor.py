"""What the interceptor does with requests before and after they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from pyspark.sql.connect import proto

from brickloop.localws.interceptor import PlanInterceptor
from brickloop.localws.layout import StoreLayout
from brickloop.localws.session_record import Recorder
from brickloop.localws.store_paths import StorePaths


@dataclass
class Answer:
    """An answer with a status."""

    status: grpc.StatusCode

    def code(self) -> grpc.StatusCode:
        """The status."""
        return self.status


@pytest.mark.parametrize(
    ("request_", "sent"), [(proto.ConfigRequest(), 2), (proto.AnalyzePlanRequest(), 1)]
)
def test_only_settings_are_asked_for_again(layout: StoreLayout, request_: Any, sent: int) -> None:
    interceptor = PlanInterceptor(StorePaths(layout), Recorder(), "me@here.test")
    answers = [Answer(grpc.StatusCode.INTERNAL), Answer(grpc.StatusCode.OK)]
    left = iter(answers)
    found = interceptor.intercept_unary_unary(lambda _details, _request: next(left), None, request_)
    assert found is answers[sent - 1]


def test_paths_in_plans_lead_into_the_store_and_are_recorded(layout: StoreLayout) -> None:
    (layout.dbfs / "seen.csv").write_text("a")
    recorder = Recorder()
    interceptor = PlanInterceptor(StorePaths(layout), recorder, "me@here.test")
    request = proto.AnalyzePlanRequest()
    source = request.schema.plan.root.read.data_source
    source.paths.append("dbfs:/seen.csv")
    interceptor.intercept_unary_unary(
        lambda _details, _request: Answer(grpc.StatusCode.OK), None, request
    )
    assert list(source.paths) == [str(layout.dbfs / "seen.csv")]
    assert recorder.record().paths_read == ("dbfs:/seen.csv",)
