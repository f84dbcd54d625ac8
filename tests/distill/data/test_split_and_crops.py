"""The split that every tool shares, and random crops."""

from __future__ import annotations

import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.data import is_held_back, random_crop


def gradient(height: int, width: int) -> np.ndarray:
    """Red is the row, green the column, blue a constant that neither reaches."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.arange(height)[:, None]
    picture[..., 1] = np.arange(width)[None]
    picture[..., 2] = 255
    return picture


def test_the_split_depends_on_the_stem_alone():
    names = [f"photo-{i}" for i in range(400)]
    assert [is_held_back(name) for name in names] == [zlib.crc32(name.encode()) % 5 == 0 for name in names]
    assert all(is_held_back(name) == is_held_back(f"somewhere/else/{name}.JPG") for name in names)
    assert 50 < sum(map(is_held_back, names)) < 110


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 48), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_crop_has_the_size_asked_for(height, width, size, augment, seed):
    crop = random_crop(gradient(height, width), size, np.random.default_rng(seed), augment)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    assert crop.flags.c_contiguous


def test_a_plain_crop_is_a_window_and_mirrored_half_the_time():
    picture, rng = gradient(90, 120), np.random.default_rng(0)
    tops, mirrored = set(), 0
    for _ in range(300):
        crop = random_crop(picture, 32, rng, augment=False)
        steps = np.diff(crop[0, :, 1].astype(int))
        assert set(steps) in ({1}, {-1})
        assert set(np.diff(crop[:, 0, 0].astype(int))) == {1}
        mirrored += steps[0] < 0
        tops.add(int(crop[0, 0, 0]))
    assert 110 < mirrored < 190
    assert min(tops) == 0 and max(tops) == 90 - 32


def test_augmentation_turns_permutes_and_zooms():
    picture, rng = gradient(96, 96), np.random.default_rng(1)
    turned, permuted, spans = 0, 0, []
    for _ in range(300):
        crop = random_crop(picture, 32, rng, augment=True).astype(int)
        spread = np.ptp(crop, axis=(0, 1))
        permuted += spread[2] > 0
        rows = crop[..., np.argmax(spread)]
        turned += np.ptp(rows[:, 0]) < np.ptp(rows[0])
        spans.append(spread.max())
    assert 40 < permuted < 110
    assert 80 < turned < 220
    assert min(spans) < 22 and max(spans) > 55


def test_the_same_generator_gives_the_same_crops():
    picture = gradient(80, 80)
    first, second = (random_crop(picture, 40, np.random.default_rng(5), True) for _ in range(2))
    assert np.array_equal(first, second)


def test_every_call_draws_the_same_amount():
    states = Counter()
    for picture, augment in ((gradient(20, 90), True), (gradient(90, 90), False)):
        rng = np.random.default_rng(3)
        random_crop(picture, 32, rng, augment)
        states[str(rng.bit_generator.state)] += 1
    assert list(states.values()) == [2]


@pytest.mark.parametrize("augment", [False, True])
def test_the_picture_is_not_touched(augment):
    picture = gradient(64, 64)
    picture.flags.writeable = False
    crop = random_crop(picture, 64, np.random.default_rng(0), augment)
    crop[:] = 0
    assert picture.max() == 255
