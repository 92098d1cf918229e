"""The arithmetic, on numbers whose answer is known."""

import measures
import pandas as pd
import pytest


def test_a_line_goes_through_its_points():
    line = measures.fit_line(pd.Series([1, 2, 3, None]), pd.Series([3, 5, 7, 100]))
    assert line.points == 3
    assert (line.slope, line.intercept, line.correlation) == pytest.approx((2, 1, 1))
    assert line.at([10]) == pytest.approx([21])


def test_two_points_are_no_line():
    with pytest.raises(ValueError, match="three points, there are 2"):
        measures.fit_line(pd.Series([1, 2, None]), pd.Series([1, 2, 3]))


def test_only_columns_with_gaps_are_listed_the_worst_first():
    frame = pd.DataFrame({"whole": [1, 2], "half": [None, 2], "empty": [None, None]})
    found = measures.missing_values(frame)
    assert found.to_numpy().tolist() == [["empty", 2, 100.0], ["half", 1, 50.0]]
