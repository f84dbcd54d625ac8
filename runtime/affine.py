"""What a user controls, as arithmetic: AdaIN's scale and shift per modulated channel, strength and mixtures.

A style code and a content's statistics are float32 (2, M): row 0 means, row 1 standard deviations, where M counts the
modulated channels of all sites in order (Huang & Belongie, "Arbitrary Style Transfer in Real-time with Adaptive
Instance Normalization", 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

# A scale and a shift, each float32 (1, C, 1, 1) or, where they vary over the picture, (1, C, H/stride, W/stride).
Affine = tuple[np.ndarray, np.ndarray]

# A channel that is constant over the content has no deviation; this keeps its scale finite.
MIN_DEVIATION = 1e-5


def affine_of(code: np.ndarray, stats: np.ndarray, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift, float32 (M,) each, that give a content with `stats` the statistics of `code`.

    Args:
        code: (2, M) target means and deviations.
        stats: (2, M) the content's own.
        strength: 0 leaves every feature as it is, 1 is the full style; between, features are mixed linearly.

    Raises:
        ValueError: shapes differ, or strength is outside 0..1.
    """
    if code.shape != stats.shape or code.ndim != 2 or code.shape[0] != 2:
        raise ValueError(f"code {code.shape} and stats {stats.shape} must both be (2, M)")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be from 0 to 1, not {strength}")
    mean, deviation = stats.astype(np.float64)
    target_mean, target_deviation = code.astype(np.float64)
    scale = target_deviation / np.maximum(deviation, MIN_DEVIATION)
    shift = target_mean - scale * mean
    return (strength * scale + (1 - strength)).astype(np.float32), (strength * shift).astype(np.float32)


def split_sites(scale: np.ndarray, shift: np.ndarray, channels: Sequence[int]) -> list[Affine]:
    """Cut scale and shift, (M,) each, into the paint graph's inputs: per site (1, C, 1, 1) each.

    Raises:
        ValueError: the channels of the sites do not sum to M.
    """
    if scale.shape != shift.shape or scale.shape != (sum(channels),):
        raise ValueError(f"sites with {sum(channels)} channels do not fit {scale.shape} and {shift.shape}")
    scale, shift = scale[None, :, None, None], shift[None, :, None, None]
    ends = list(accumulate(channels))
    return [(scale[:, end - n : end], shift[:, end - n : end]) for end, n in zip(ends, channels, strict=True)]


def mix_codes(codes: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """The weighted mean of style codes (2, M); weights are normalised to sum 1.

    Raises:
        ValueError: no codes, shapes that differ, or weights that are negative, not finite or all 0.
    """
    weight = np.asarray(weights, dtype=np.float64)
    if not codes or len(codes) != weight.size or any(code.shape != codes[0].shape for code in codes):
        raise ValueError("a mixture needs codes of one shape and one weight for each")
    if not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() <= 0:
        raise ValueError("the weights of a mixture must be 0 or more, and not all 0")
    return np.tensordot(weight / weight.sum(), np.stack(codes).astype(np.float64), 1).astype(np.float32)
