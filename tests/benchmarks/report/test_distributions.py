"""`benchmarks.report.distributions`: every series can be drawn, and what is drawn is where it belongs."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measurements import Timing
from benchmarks.report.axis import axis_for
from benchmarks.report.distributions import WIDTH, runs, shown_range, spread
from tests.benchmarks.report.records import timing

series = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60)


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


@given(series, series)
def test_every_series_is_drawn_inside_its_frame(samples, warmup):
    median = float(np.median(samples))
    own = Timing(0, "model", True, False, median, median, tuple(warmup), tuple(samples))
    axis = axis_for(samples)
    for drawing in (spread(own, axis, 20), runs(own, 30)):
        for element in ElementTree.fromstring(drawing):
            for number in numbers(element.get("d", "")):
                assert -0.1 <= number <= WIDTH + 1
    assert "nan" not in spread(own, axis, 20) + runs(own, 30)


def test_the_median_is_where_the_axis_has_it_and_the_curve_is_highest_there():
    own = timing(0, "end_to_end", 20.0, count=4000)
    axis = axis_for([5.0, 80.0])
    shapes = {each.get("class"): each for each in ElementTree.fromstring(spread(own, axis, 100))}
    median = numbers(shapes["median"].get("d"))[0]
    assert median == pytest.approx(WIDTH * float(axis.at(own.percentiles_ms[0])), abs=0.1)
    curve = np.array(numbers(shapes["cloud"].get("d"))[2:-1]).reshape(-1, 2)
    assert curve[curve[:, 1].argmin(), 0] == pytest.approx(median, abs=15)
    assert curve[:, 1].min() == pytest.approx(2, abs=0.2)
    assert shapes["dots"].get("d").count("M") == 100


def test_two_humps_are_two_humps():
    half = timing(0, "model", 10.0, 200)
    both = replace(half, samples_ms=(*half.samples_ms, *(4 * ms for ms in half.samples_ms)))
    shapes = {each.get("class"): each for each in ElementTree.fromstring(spread(both, axis_for([5, 60]), 50))}
    heights = 30 - np.array(numbers(shapes["cloud"].get("d"))[2:-1]).reshape(-1, 2)[:, 1]
    middle = len(heights) // 2
    assert heights[middle] < 0.3 * min(heights[:middle].max(), heights[middle:].max())


def test_runs_go_up_where_the_samples_do():
    rising = replace(timing(0, "model", 10.0), samples_ms=tuple(np.linspace(10, 20, 100)))
    shapes = {each.get("class"): each for each in ElementTree.fromstring(runs(rising, 25))}
    line = np.array(numbers(shapes["runs"].get("d"))[:-1]).reshape(-1, 2)
    assert len(line) == 25
    assert (np.diff(line[:, 1]) < 0).all()
    assert "band" in shapes
    low, high = shown_range(rising)
    assert low == 10
    assert high > 20
