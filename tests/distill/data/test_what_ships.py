"""Sample photographs and drawn swatches: what training uses when the user gives nothing."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from distill.data import open_pictures
from distill.data.canvas import PALETTES, blend, fractal, palette, turn_hue
from distill.data.painting import PAINTERS
from distill.data.swatches import REVISION, SIZE, draw_swatch
from runtime.errors import UserError


@pytest.fixture(scope="module")
def swatches() -> list[np.ndarray]:
    return list(open_pictures(None, "style", SIZE))


def test_sample_photographs():
    train, held_back = (open_pictures(None, "content", 128, part) for part in ("train", "held-back"))
    assert held_back.names == ["chelsea.png", "coffee.png"]
    assert len(train) >= 8
    assert not set(train.names) & set(held_back.names)
    assert all(min(picture.shape[:2]) == 128 and picture.std() > 10 for picture in (*train, *held_back))


def test_without_scikit_image_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'brushlet\[distill\]', or give --content DIR"):
        open_pictures(None, "content", 128)


def test_there_are_enough_swatches():
    train, held_back = (open_pictures(None, "style", 64, part) for part in ("train", "held-back"))
    assert len(train) >= 32
    assert len(held_back) == 8
    assert train.fingerprint != held_back.fingerprint
    assert len(set(train.names + held_back.names)) == len(train) + len(held_back)


def test_swatches_are_pictures_and_not_noise(swatches):
    for picture in swatches:
        assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
        grey = picture.mean(axis=2)
        assert grey.std() > 12
        # Strokes span pixels: neighbours agree far better than chance.
        neighbours = np.corrcoef(grey[:, 1:].ravel(), grey[:, :-1].ravel())[0, 1]
        assert neighbours > 0.5


def test_swatches_differ_in_colour_and_in_stroke(swatches):
    means = np.array([picture.reshape(-1, 3).mean(0) for picture in swatches])
    assert means.std(0).min() > 25
    fineness = [np.abs(np.diff(picture.mean(axis=2), axis=1)).mean() for picture in swatches]
    assert max(fineness) > 5 * min(fineness)
    distances = np.abs(means[:, None] - means[None]).sum(-1) + 1e9 * np.eye(len(means))
    assert np.median(distances.min(1)) > 3


def test_another_drawing_needs_another_revision(swatches):
    """Caches of teacher pictures know swatches by their revision alone."""
    mean = np.mean([picture.reshape(-1, 3).mean(0) for picture in swatches], axis=0)
    assert REVISION == 2
    assert mean == pytest.approx([133.1, 126.5, 111.4], abs=0.5)


@pytest.mark.parametrize("painter", range(len(PAINTERS)), ids=[painter.__name__ for painter in PAINTERS])
def test_a_swatch_is_a_function_of_its_number(painter, swatches):
    assert np.array_equal(draw_swatch(painter, 1), swatches[len(PAINTERS) + painter])


def test_palettes_run_from_dark_to_light():
    for name in PALETTES:
        colours = palette(name)
        assert colours.min() >= 0 and colours.max() <= 1
        assert colours[0].mean() < colours[-1].mean()


def test_turning_the_hue_keeps_the_brightness():
    colours = np.array([[0.5, 0.4, 0.3], [0.2, 0.2, 0.2]], np.float32)
    turned = turn_hue(colours, 1 / 3)
    assert np.allclose(turned.mean(1), colours.mean(1), atol=1e-6)
    assert np.allclose(turned[0], [0.3, 0.5, 0.4], atol=1e-6)
    assert np.allclose(turn_hue(colours, 1), colours, atol=1e-6)


def test_blending_meets_the_palettes_ends():
    colours = palette("night")
    assert np.allclose(blend(colours, np.array([-1.0, 0.0, 1.0, 2.0])), colours[[0, 0, -1, -1]])


def test_fractal_noise_fills_its_range():
    field = fractal(np.random.default_rng(0), 128, 4)
    assert field.min() == 0 and field.max() == 1
