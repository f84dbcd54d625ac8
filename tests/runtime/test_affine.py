"""`runtime.affine`: the arithmetic between the graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runtime.affine import MIN_DEVIATION, affine_of, mix_codes, split_sites

numbers = st.floats(-100, 100, width=32)
rows = st.integers(1, 20).flatmap(lambda m: st.tuples(*[hnp.arrays(np.float32, (2, m), elements=numbers)] * 2))
strengths = st.floats(0, 1)


def with_deviation(stats: np.ndarray) -> np.ndarray:
    """Statistics as they are measured: deviations are positive."""
    return np.stack([stats[0], np.abs(stats[1]) + 0.1]).astype(np.float32)


def test_by_hand():
    code, stats = np.array([[10.0, -1.0], [4.0, 3.0]]), np.array([[1.0, 2.0], [2.0, 1.0]])
    scale, shift = affine_of(code, stats)
    assert scale.tolist() == [2, 3] and shift.tolist() == [8, -7]
    scale, shift = affine_of(code, stats, 0.25)
    assert scale.tolist() == [1.25, 1.5] and shift.tolist() == [2, -1.75]
    assert scale.dtype == shift.dtype == np.float32


@given(rows)
def test_strength_0_is_the_identity(pair: tuple[np.ndarray, np.ndarray]):
    scale, shift = affine_of(pair[0], with_deviation(pair[1]), 0)
    assert (scale == 1).all() and (shift == 0).all()


@given(rows)
def test_strength_1_gives_the_content_the_statistics_of_the_code(pair: tuple[np.ndarray, np.ndarray]):
    code, stats = pair[0], with_deviation(pair[1])
    scale, shift = affine_of(code, stats, 1)
    np.testing.assert_allclose(scale * stats[0] + shift, code[0], atol=0.05, rtol=1e-3)  # mean
    np.testing.assert_allclose(scale * stats[1], code[1], atol=1e-4, rtol=1e-5)  # deviation


@given(rows, strengths, hnp.arrays(np.float32, 5, elements=numbers))
def test_strength_mixes_features_linearly(pair: tuple[np.ndarray, np.ndarray], strength: float, features: np.ndarray):
    code, stats = pair[0], with_deviation(pair[1])
    scale, shift = affine_of(code, stats, strength)
    full_scale, full_shift = affine_of(code, stats, 1)
    x = features[:, None].astype(np.float64)
    expected = strength * (full_scale * x + full_shift) + (1 - strength) * x
    bound = 1e-5 * (1 + np.abs(full_scale) * 100 + np.abs(full_shift)).max()
    np.testing.assert_allclose(scale * x + shift, expected, atol=bound)


@given(rows)
def test_a_content_with_its_own_statistics_stays_as_it_is(pair: tuple[np.ndarray, np.ndarray]):
    stats = with_deviation(pair[1])
    scale, shift = affine_of(stats, stats, 1)
    assert (scale == 1).all() and (shift == 0).all()


def test_a_constant_channel_stays_finite():
    scale, shift = affine_of(np.array([[0.5], [0.2]]), np.array([[3.0], [0.0]]))
    assert np.isfinite(scale).all() and np.isfinite(shift).all()
    assert scale[0] == pytest.approx(0.2 / MIN_DEVIATION)


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_strength_outside_its_range(strength: float):
    with pytest.raises(ValueError, match="strength"):
        affine_of(np.ones((2, 3)), np.ones((2, 3)), strength)


@pytest.mark.parametrize(("code", "stats"), [((2, 3), (2, 4)), ((3, 2), (3, 2)), ((2,), (2,))])
def test_shapes_that_do_not_fit(code: tuple[int, ...], stats: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"\(2, M\)"):
        affine_of(np.ones(code), np.ones(stats))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_sites_hold_the_channels_in_order(channels: list[int]):
    total = sum(channels)
    scale, shift = np.arange(total, dtype=np.float32), -np.arange(total, dtype=np.float32)
    sites = split_sites(scale, shift, channels)
    assert [a.shape for a, _ in sites] == [b.shape for _, b in sites] == [(1, c, 1, 1) for c in channels]
    assert np.concatenate([a.ravel() for a, _ in sites]).tolist() == scale.tolist()
    assert np.concatenate([b.ravel() for _, b in sites]).tolist() == shift.tolist()


def test_sites_that_do_not_fit():
    with pytest.raises(ValueError, match="5 channels"):
        split_sites(np.ones(4), np.ones(4), [2, 3])


@given(rows, st.floats(0, 1))
def test_a_mixture_is_the_weighted_mean(pair: tuple[np.ndarray, np.ndarray], weight: float):
    mixed = mix_codes(pair, [weight, 1 - weight])
    np.testing.assert_allclose(mixed, weight * pair[0] + (1 - weight) * pair[1], atol=1e-4)
    assert mixed.dtype == np.float32


@given(rows, st.floats(0.01, 100))
def test_only_the_proportions_of_the_weights_count(pair: tuple[np.ndarray, np.ndarray], factor: float):
    np.testing.assert_allclose(mix_codes(pair, [1, 3]), mix_codes(pair, [factor, 3 * factor]), atol=1e-4)


@pytest.mark.parametrize("weights", [[0, 0], [-1, 2], [1], [float("nan"), 1], [float("inf"), 1]])
def test_weights_that_make_no_mixture(weights: list[float]):
    with pytest.raises(ValueError):
        mix_codes([np.ones((2, 3)), np.zeros((2, 3))], weights)


def test_codes_that_cannot_be_mixed():
    with pytest.raises(ValueError):
        mix_codes([], [])
    with pytest.raises(ValueError):
        mix_codes([np.ones((2, 3)), np.ones((2, 4))], [1, 1])
