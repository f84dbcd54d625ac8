"""`benchmarks.report.axis`: order is kept, marks are round and lie within."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report.axis import Axis, axis_for

milliseconds = st.floats(1e-3, 1e9)


@given(st.lists(milliseconds, min_size=1, max_size=30))
def test_values_lie_inside_in_their_order(values):
    places = axis_for(values).at(sorted(values))
    assert ((places > 0) & (places < 1)).all()
    assert (np.diff(places) >= 0).all()


@given(milliseconds, st.floats(1.001, 1e6))
def test_marks_are_where_their_numbers_are(low, factor):
    axis = axis_for([low, low * factor])
    marks = axis.marks()
    assert 2 <= len(marks) <= 13
    for place, text in marks:
        assert 0 <= place <= 1
        assert float(axis.at(float(text))) == pytest.approx(place, abs=0.02)
    assert [place for place, _ in marks] == sorted({place for place, _ in marks})


def test_marks_are_round():
    assert [text for _, text in Axis(9, 120).marks()] == ["10", "20", "50", "100"]
    assert [text for _, text in Axis(31, 38).marks()] == ["32", "34", "36", "38"]


def test_equal_values_and_zeros_have_an_axis():
    assert 0 < float(axis_for([5.0, 5.0]).at(5.0)) < 1
    assert float(axis_for([0.0, 3.0]).at(0.0)) == 0
    assert axis_for([0.0]).marks()
