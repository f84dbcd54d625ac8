"""Palettes of weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export.coreml.palettes import nearest, palette

WEIGHTS = st.integers(1, 60).flatmap(lambda n: arrays(np.float32, n, elements=st.floats(-4, 4, width=16)))


@settings(max_examples=60)
@given(WEIGHTS, st.sampled_from([1, 2, 4]))
def test_a_palette_is_ascending_small_and_within_the_weights(weights, bits):
    entries = palette(weights, bits)
    assert 1 <= len(entries) <= 1 << bits
    assert (np.diff(entries) >= 0).all()
    assert weights.min() - 1e-6 <= entries.min() and entries.max() <= weights.max() + 1e-6


@settings(max_examples=60)
@given(WEIGHTS, st.sampled_from([1, 2, 4]))
def test_each_weight_becomes_the_nearest_entry(weights, bits):
    entries = palette(weights, bits)
    found = nearest(weights, entries)
    assert found.shape == weights.shape
    assert np.abs(found - weights).max() <= np.abs(weights[:, None] - entries).min(1).max() + 1e-6


@given(st.lists(st.floats(-4, 4, width=16), min_size=1, max_size=16, unique=True), st.integers(1, 5))
def test_few_values_are_kept_exactly(values, times):
    weights = np.array(values * times, np.float64)
    np.testing.assert_allclose(nearest(weights, palette(weights, 4)), weights, atol=1e-6)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_the_error_is_near_the_best_for_normal_weights(bits):
    weights = np.random.default_rng(0).standard_normal(20_000)
    error = np.mean((nearest(weights, palette(weights, bits)) - weights) ** 2)
    # Panter & Dite 1951: the best scalar quantiser of a normal density, for many levels.
    best = np.sqrt(3) * np.pi / 2 / 4**bits
    assert error < 1.3 * best


def test_a_few_large_weights_get_entries_of_their_own():
    weights = np.concatenate([np.random.default_rng(0).normal(0, 0.01, 5000), [3.0, -2.0]])
    found = nearest(weights, palette(weights, 4))
    np.testing.assert_allclose(found[-2:], [3.0, -2.0], atol=1e-9)


def test_equal_weights_have_one_entry():
    assert palette(np.full(10, 0.25), 6).tolist() == [0.25]
