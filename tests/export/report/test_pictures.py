"""`export.report.pictures`: which samples are taken, and what is shown of them."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.report.pictures import (
    AMPLIFIED,
    BORDER,
    SIDE,
    as_data_uri,
    difference,
    sample_photos,
    sample_styles,
    without_border,
)
from runtime.errors import UserError
from runtime.image_files import write_picture
from runtime.stylizer import Stylizer
from tests.runtime.test_stylizer import fixed_style_bundle
from tests.tiny_bundle import make_tiny_bundle


def code(mean: float) -> np.ndarray:
    return np.array([[mean] * 4, [1.0] * 4])


def test_named_photos_become_squares_of_their_middle(tmp_path: Path):
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 255
    write_picture(tmp_path / "wide.png", wide)
    (photo,) = sample_photos([tmp_path / "wide.png"])
    assert photo.name == "wide.png" and photo.rgb.shape == (SIDE, SIDE, 3)
    assert photo.rgb[:, 20:-20].min() > 200  # nothing of what lies beside the middle
    with pytest.raises(UserError, match="no file"):
        sample_photos([tmp_path / "missing.png"])


def test_of_many_styles_the_two_least_alike_are_shown(tmp_path: Path):
    styles = {"plain": code(0.5), "dark": code(0.0), "like": code(0.6), "light": code(0.9)}
    with Stylizer.load(make_tiny_bundle(tmp_path / "tiny", styles=styles)) as stylizer:
        assert {style.name for style in sample_styles(stylizer)} == {"dark", "light"}


def test_a_bundle_without_styles_is_shown_in_drawn_ones(tmp_path: Path):
    with Stylizer.load(make_tiny_bundle(tmp_path / "tiny", styles={})) as stylizer:
        styles = sample_styles(stylizer)
    assert len(styles) == 2 and all(style.rgb is not None for style in styles)


def test_a_fixed_style_is_its_own(tmp_path: Path):
    with Stylizer.load(fixed_style_bundle(tmp_path / "negative")) as stylizer:
        (style,) = sample_styles(stylizer)
    assert style.code is None


def test_differences_are_amplified_around_grey_and_clipped():
    reference = np.full((2, 2, 3), 100, np.uint8)
    found = reference.copy()
    found[0, 0], found[0, 1], found[1, 0] = 103, 97, 255
    change = difference(found, reference)[:, :, 0]
    np.testing.assert_array_equal(change, [[128 + 3 * AMPLIFIED, 128 - 3 * AMPLIFIED], [255, 128]])


def test_the_border_is_not_shown():
    framed = np.zeros((SIDE, SIDE, 3), np.uint8)
    framed[BORDER:-BORDER, BORDER:-BORDER] = 255
    assert without_border(framed).shape == (SIDE - 2 * BORDER,) * 2 + (3,)
    assert without_border(framed).min() == 255


def test_a_picture_inside_an_address():
    rgb = np.full((300, 200, 3), (200, 30, 60), np.uint8)
    kind, encoded = as_data_uri(rgb, 100, 90).split(",")
    shown = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert kind == "data:image/jpeg;base64" and shown.size == (67, 100)
    assert np.abs(np.asarray(shown).mean((0, 1)) - (200, 30, 60)).max() < 4
