"""What keeps a video steady: statistics, exposure, cuts and blending."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from runtime import UserError
from runtime.video.scene_cuts import SceneCuts
from runtime.video.steadiness import Steadiness, retention
from runtime.video.steady_exposure import SteadyExposure
from runtime.video.steady_pixels import SteadyPixels
from runtime.video.steady_statistics import SteadyStatistics


def stats(mean: float, deviation: float = 1.0) -> np.ndarray:
    return np.array([[mean], [deviation]], np.float32)


def texture(seed: int, height: int = 90, width: int = 160) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@given(st.floats(1, 240), st.floats(0.05, 5))
def test_smoothing_does_not_depend_on_the_frame_rate(rate: float, time_constant: float):
    steady = SteadyStatistics(Steadiness(time_constant, 0, 0))
    steady.at(0, lambda gain: stats(0))
    seconds = 0.0
    while seconds < 1:
        seconds += 1 / rate
        now = steady.at(seconds, lambda gain: stats(1))
    assert now[0, 0] == pytest.approx(1 - np.exp(-seconds / time_constant), abs=1e-4)


def test_without_smoothing_each_frame_has_its_own():
    steady = SteadyStatistics(Steadiness(0, 0, 0))
    for index in range(5):
        assert steady.at(index / 24, lambda gain, index=index: stats(index))[0, 0] == index


def test_measurements_are_made_now_and_then():
    steady, measured = SteadyStatistics(Steadiness(0.5, 0, 0.1)), []
    for index in range(48):
        steady.at(index / 24, lambda gain, index=index: measured.append(index) or stats(1))
    assert measured == list(range(0, 48, 3))  # 0.1 s is 2.4 frames, so every third


def test_after_a_reset_the_next_frame_counts_alone():
    steady = SteadyStatistics(Steadiness(10, 0, 0))
    steady.at(0, lambda gain: stats(0))
    steady.reset()
    assert steady.at(0.04, lambda gain: stats(7))[0, 0] == 7


def test_what_the_exposure_changes_is_let_through_at_once():
    steady = SteadyStatistics(Steadiness(10, 0, 0))
    steady.at(0, lambda gain: stats(0.5, 0.2))
    # Measured as it is, the brighter frame has other statistics; brought to the old exposure, the old ones.
    brighter = steady.at(0.04, lambda gain: stats(0.6, 0.24) if gain is None else stats(0.5, 0.2), np.full(3, 1 / 1.2))
    np.testing.assert_allclose(brighter, stats(0.6, 0.24), atol=1e-6)


@given(st.floats(0.8, 1.25))
def test_exposure_is_told_from_what_moves(factor: float):
    frame = np.clip(texture(1, 36, 64).astype(float) * 0.5 + 40, 0, 200)
    exposure = SteadyExposure(1e6)
    assert exposure.gain((frame + 0.5).astype(np.uint8), 0) is None
    later = frame * factor
    later[:, :20] = 10  # someone walks in, and covers a third
    gain = exposure.gain((later + 0.5).astype(np.uint8), 0.04)
    if gain is None:
        assert abs(np.log(factor)) < 0.01
    else:
        np.testing.assert_allclose(gain, 1 / factor, rtol=0.01)


def test_a_lasting_change_of_exposure_becomes_the_usual_one():
    exposure, frame = SteadyExposure(0.5), np.full((36, 64, 3), 100, np.uint8)
    exposure.gain(frame, 0)
    gains = [exposure.gain(np.full_like(frame, 120), t / 24) for t in range(1, 120)]
    assert gains[0][0] == pytest.approx(1 / 1.2, rel=0.02) and gains[-1] is None


@pytest.mark.parametrize("shift", [1, 4, 12])
def test_motion_and_noise_are_no_cuts(shift: int):
    wide, rng, cuts = texture(2, 36, 400), np.random.default_rng(0), SceneCuts()
    for t in range(20):
        noisy = wide[:, shift * t : shift * t + 64] + rng.normal(0, 4, (36, 64, 3))
        assert cuts.is_cut(np.clip(noisy, 0, 255).astype(np.uint8)) == (t == 0)


def test_another_scene_is_a_cut():
    dark, bright = texture(3, 36, 64) // 3, 255 - texture(4, 36, 64) // 3
    cuts = SceneCuts()
    assert [cuts.is_cut(frame) for frame in (dark, dark, bright, bright, dark)] == [True, False, True, False, True]


def blended(frames: list[np.ndarray], time_constant: float = 0.1) -> list[np.ndarray]:
    """Frames at 24 a second, painted as they are."""
    pixels = SteadyPixels(time_constant)
    return [pixels.blend(f, np.asarray(Image.fromarray(f).reduce(4)), t / 24) for t, f in enumerate(frames)]


def test_noise_on_what_rests_is_calmed():
    still, rng = texture(5, 180, 320).astype(float) * 0.6 + 50, np.random.default_rng(0)
    noisy = [np.clip(still + rng.normal(0, 4, still.shape) + 0.5, 0, 255).astype(np.uint8) for _ in range(24)]
    before, after = (np.stack(f[8:]).astype(float).std(axis=0).mean() for f in (noisy, blended(noisy)))
    assert before > 3 and after < 0.6 * before
    assert np.abs(np.mean(blended(noisy)[8:], axis=0) - still).mean() < 1.5  # and its colours are not moved


def test_what_moves_leaves_no_trail():
    ground = texture(6, 180, 320) // 2
    frames = []
    for t in range(16):
        frame = ground.copy()
        frame[60:120, 12 * t : 12 * t + 60] = (250, 240, 60)
        frames.append(frame)
    error = np.abs(blended(frames)[-1].astype(int) - frames[-1])
    assert error[60:120].max() <= 6 and error.mean() < 0.1


def test_a_slow_fade_is_followed():
    frames = [np.full((90, 160, 3), 60 + t, np.uint8) for t in range(100)]
    lag = [int(frame[0, 0, 0]) - int(result[45, 80, 0]) for frame, result in zip(frames, blended(frames), strict=True)]
    assert 0 <= max(lag) <= 4


def test_blending_comes_to_rest_on_the_picture_itself():
    before, after = np.full((64, 64, 3), 100, np.uint8), np.full((64, 64, 3), 101, np.uint8)
    pixels, small = SteadyPixels(0.1), np.full((16, 16, 3), 100, np.uint8)
    pixels.blend(before, small, 0)
    for t in range(1, 24):
        result = pixels.blend(after, small, t / 24)
    assert (result == after).all()


def test_times_are_checked():
    assert retention(1, 0) == 0 and retention(0, 1) == 1 and retention(-1, 1) == 1
    for bad in (-0.1, 61, float("nan"), float("inf")):
        with pytest.raises(UserError, match="from 0 to 60 seconds"):
            Steadiness(statistics=bad)
