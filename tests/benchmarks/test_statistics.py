"""`benchmarks.statistics`: known numbers and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.statistics import drift, median_interval, percentiles, ratio_interval

times = st.lists(st.floats(0.01, 1e5), min_size=1, max_size=60)


def test_percentiles_of_known_numbers():
    assert percentiles(range(101)) == (50.0, 90.0, 99.0)
    assert percentiles([3.0]) == (3.0, 3.0, 3.0)
    assert percentiles([1, 2], which=[25]) == (1.25,)


@pytest.mark.parametrize("bad", [[], [float("nan")], [1.0, float("inf")], [[1.0], [2.0]]])
def test_samples_must_be_finite_numbers(bad):
    for function in (
        percentiles,
        median_interval,
        lambda x: ratio_interval(x, [1.0]),
        lambda x: ratio_interval([1], x),
    ):
        with pytest.raises(ValueError, match="finite sample"):
            function(bad)


def test_ratio_to_nothing_is_an_error():
    with pytest.raises(ValueError, match="above 0"):
        ratio_interval([1.0], [1.0, 0.0])


@settings(max_examples=50, deadline=None)
@given(times)
def test_percentiles_are_ordered_and_within_the_samples(samples):
    p50, p90, p99 = percentiles(samples)
    assert min(samples) <= p50 <= p90 <= p99 <= max(samples)


@settings(max_examples=30, deadline=None)
@given(times)
def test_interval_lies_within_the_samples(samples):
    interval = median_interval(samples)
    assert min(samples) <= interval.low <= interval.high <= max(samples)
    assert interval.value == np.median(samples)


@settings(max_examples=20, deadline=None)
@given(times, st.integers(-8, 8))
def test_interval_scales_with_the_unit(samples, power):
    scale = 2.0**power
    plain, scaled = median_interval(samples), median_interval([scale * sample for sample in samples])
    assert (scaled.value, scaled.low, scaled.high) == (scale * plain.value, scale * plain.low, scale * plain.high)


@settings(max_examples=20, deadline=None)
@given(times, times)
def test_ratio_interval_brackets_possible_ratios(above, below):
    interval = ratio_interval(above, below)
    assert min(above) / max(below) * (1 - 1e-12) <= interval.low <= interval.high
    assert interval.high <= max(above) / min(below) * (1 + 1e-12)
    assert interval.value == pytest.approx(np.median(above) / np.median(below))


@settings(max_examples=20, deadline=None)
@given(times, st.integers(0, 5))
def test_same_seed_same_interval(samples, seed):
    assert median_interval(samples, seed=seed) == median_interval(samples, seed=seed)


@settings(max_examples=20, deadline=None)
@given(times)
def test_more_confidence_is_a_wider_interval(samples):
    narrow, wide = median_interval(samples, confidence=0.5), median_interval(samples, confidence=0.99)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@given(st.floats(0.01, 1e5), st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_constant_times_are_known_exactly(value, count):
    interval = median_interval([value] * count)
    assert interval.low == interval.high == interval.value == value


def test_more_samples_are_a_narrower_interval():
    rng = np.random.default_rng(3)
    few, many = (median_interval(rng.normal(100, 5, count)) for count in (50, 5000))
    assert many.high - many.low < (few.high - few.low) / 4


def test_interval_holds_the_true_median_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    hits = 0
    for seed in range(200):
        interval = median_interval(rng.lognormal(0, 0.3, 50), seed=seed)
        hits += interval.low <= 1.0 <= interval.high
    assert 0.86 <= hits / 200 <= 0.99


def test_interval_allows_for_neighbours_that_resemble_each_other():
    rng = np.random.default_rng(5)
    shocks = rng.normal(size=600)
    drifting = [0.0]
    for shock in shocks:
        drifting.append(0.8 * drifting[-1] + shock)
    in_order, shuffled = median_interval(drifting), median_interval(rng.permutation(drifting))
    assert in_order.high - in_order.low > 1.4 * (shuffled.high - shuffled.low)


def test_ratio_interval_holds_the_true_ratio():
    rng = np.random.default_rng(6)
    hits = 0
    for seed in range(100):
        above, below = rng.lognormal(np.log(30), 0.2, 60), rng.lognormal(np.log(10), 0.2, 60)
        interval = ratio_interval(above, below, seed=seed)
        hits += interval.low <= 3.0 <= interval.high
    assert hits >= 86


def test_a_drift_is_told_and_noise_is_not():
    rng = np.random.default_rng(0)
    noise = rng.normal(10, 0.5, 300)
    assert drift(noise) is None
    assert drift(noise * np.linspace(1, 1.5, 300)) == pytest.approx(1.4 / 1.08, abs=0.1)
    assert drift(noise * np.linspace(1.5, 1, 300)) == pytest.approx(1.08 / 1.4, abs=0.05)
    assert drift([10, 20] * 7) is None, "too few to tell"
    assert drift(rng.choice([1.0, 9.0], 30)) is None, "far apart, but not by time"


def test_long_series_stay_within_memory(monkeypatch):
    monkeypatch.setattr("benchmarks.statistics._CHUNK", 1000)
    samples = np.arange(500.0)
    interval = median_interval(samples)
    assert interval.low < interval.value < interval.high
