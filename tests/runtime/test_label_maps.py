"""Label maps: numbers and colours are one thing, noise is forgiven, other pictures are refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime.errors import UserError
from runtime.label_maps import Label, Palette, as_label_map, nearest, palette_of, read_label_map

LANDSCAPE = Palette([Label("sky", "#4aa3ff"), Label("field", "#9bd13c"), Label("water", "#1f3fd6")])
VOC = Palette.of_number(256)


def blocks(count: int = 3, side: int = 60) -> np.ndarray:
    """Numbers (side, side) in vertical bands."""
    return np.repeat((np.arange(side) * count // side).astype(np.uint8)[None], side, axis=0)


def test_labels_by_number_have_the_colours_of_voc():
    """As in the challenge's development kit: aeroplane, bicycle, person, and the border's 255 (its bits by hand)."""
    assert [VOC.labels[i].colour for i in (0, 1, 2, 15)] == ["#000000", "#800000", "#008000", "#c08080"]
    assert VOC.labels[255].colour == "#e0e0c0" and len({label.colour for label in VOC.labels}) == 256


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([LANDSCAPE, VOC]), st.integers(1, 40), st.integers(1, 3000), st.integers(0, 2**32 - 1))
def test_what_is_drawn_is_read_back(palette, height, width, seed):
    numbers = np.random.default_rng(seed).integers(0, len(palette), (height, width), dtype=np.uint8)
    assert np.array_equal(palette.numbers(palette.draw(numbers)), numbers)


def test_the_noise_of_jpeg_is_forgiven():
    file = io.BytesIO()
    Image.fromarray(LANDSCAPE.draw(blocks(side=240))).save(file, "JPEG", quality=92)
    noisy = np.asarray(Image.open(file))
    assert (noisy != LANDSCAPE.draw(blocks(side=240))).any()
    assert (LANDSCAPE.numbers(noisy) == blocks(side=240)).mean() > 0.97


def test_smoothed_edges_go_to_a_label():
    smooth = np.asarray(Image.fromarray(LANDSCAPE.draw(blocks())).resize((240, 240), Image.Resampling.BILINEAR))
    assert (LANDSCAPE.numbers(smooth) == nearest(blocks(), 240, 240)).mean() > 0.97


def test_a_strange_colour_is_named_with_those_that_are_known():
    drawn = LANDSCAPE.draw(blocks())
    drawn[:10, :10] = (200, 30, 60)
    with pytest.raises(UserError, match=r"2\.78 % of it are in other colours, such as #c81e3c.*sky #4aa3ff, field"):
        LANDSCAPE.numbers(drawn)
    assert (LANDSCAPE.numbers(drawn, strict=False)[10:] == blocks()[10:]).all()


def test_a_photo_is_no_label_map():
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with pytest.raises(UserError, match="this is no label map in the palette"):
        LANDSCAPE.numbers(photo)
    assert set(np.unique(LANDSCAPE.numbers(photo, strict=False))) == {0, 1, 2}


@pytest.mark.parametrize("form", ["path", "pillow", "array"])
def test_grey_pictures_hold_numbers(tmp_path, form):
    path = tmp_path / "labels.png"
    Image.fromarray(blocks()).save(path)
    content = {"path": path, "pillow": Image.open(path), "array": blocks()}[form]
    assert np.array_equal(as_label_map(content, LANDSCAPE).rgb, LANDSCAPE.draw(blocks()))


@pytest.mark.parametrize("form", ["path", "pillow", "array"])
def test_colour_pictures_hold_colours(tmp_path, form):
    path, drawn = tmp_path / "labels.png", LANDSCAPE.draw(blocks())
    Image.fromarray(drawn).quantize(3).save(path)  # as a palette picture whose own numbers mean nothing
    content = {"path": path, "pillow": Image.open(path), "array": drawn}[form]
    assert np.array_equal(as_label_map(content, LANDSCAPE).rgb, drawn)


def test_numbers_that_no_label_has_are_refused(tmp_path):
    Image.fromarray(blocks(5)).save(tmp_path / "labels.png")
    with pytest.raises(UserError, match=r"labels\.png: the label map holds the number 4, and there are labels 0 to 2"):
        read_label_map(tmp_path / "labels.png", LANDSCAPE)
    Image.fromarray(blocks().astype(np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UserError, match=r"deep\.png: label numbers are read from grey pictures of 8 bits"):
        read_label_map(tmp_path / "deep.png", LANDSCAPE)


def test_scaling_makes_no_new_colours(tmp_path):
    Image.fromarray(LANDSCAPE.draw(blocks(side=61))).save(tmp_path / "labels.png")
    small = read_label_map(tmp_path / "labels.png", LANDSCAPE, 17).rgb
    assert small.shape == (17, 17, 3)
    assert np.array_equal(LANDSCAPE.draw(LANDSCAPE.numbers(small)), small)
    assert (small[0, 0] == LANDSCAPE.colours[0]).all() and (small[0, -1] == LANDSCAPE.colours[2]).all()


def test_transparency_stays(tmp_path):
    alpha = np.full((60, 60), 9, np.uint8)
    Image.fromarray(np.dstack([LANDSCAPE.draw(blocks()), alpha])).save(tmp_path / "labels.png")
    assert np.array_equal(read_label_map(tmp_path / "labels.png", LANDSCAPE).alpha, alpha)


def test_palettes_survive_json_and_bad_ones_are_refused():
    assert palette_of({"labels": LANDSCAPE.to_json()}) == LANDSCAPE and palette_of({}) is None
    for labels, said in (
        ([{"name": "sky", "colour": "blue"}], "must look like #4aa3ff"),
        ([{"colour": "#ffffff"}], "'name' is missing"),
        (
            [{"name": "a", "colour": "#ffffff"}, {"name": "b", "colour": "#ffffff"}],
            "two labels .* have the colour #fff",
        ),
        ("sky", "must be a list"),
    ):
        with pytest.raises(UserError, match=said):
            palette_of({"labels": labels})
    with pytest.raises(UserError, match="1 to 256 labels, not 0"):
        Palette([])


def test_files_that_are_no_pictures_are_refused(tmp_path: Path):
    (tmp_path / "labels.png").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match=r"labels\.png"):
        read_label_map(tmp_path / "labels.png", LANDSCAPE)
    with pytest.raises(UserError, match="there is no file"):
        read_label_map(tmp_path / "none.png", LANDSCAPE)
