"""Students that paint label maps: what they take, and that nothing between the file and the graph invents a label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import brushlet
from runtime.bundle import BundleError, open_bundle
from runtime.errors import UserError
from runtime.image_files import read_picture
from runtime.label_maps import Label, Palette
from runtime.stylizer import Stylizer
from runtime.video.frame_stylizer import FrameStylizer
from tests.runtime.test_stylizer import fixed_style_bundle

PALETTE = Palette([Label("sky", "#4aa3ff"), Label("field", "#9bd13c")])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Paints the negative of a label map."""
    folder = fixed_style_bundle(tmp_path / "negative")
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "labels": PALETTE.to_json()}))
    return folder


@pytest.fixture
def numbers() -> np.ndarray:
    """Sky above a slanting field, (40, 70)."""
    row, column = np.mgrid[0:40, 0:70]
    return (row > 15 + column // 9).astype(np.uint8)


def test_numbers_and_colours_paint_the_same(bundle, numbers, tmp_path):
    with Stylizer.load(bundle) as stylizer:
        assert stylizer.palette == PALETTE
        wanted = 255 - PALETTE.draw(numbers)
        assert np.array_equal(stylizer(PALETTE.draw(numbers)), wanted)
        assert np.array_equal(stylizer(numbers), wanted)
        Image.fromarray(numbers).save(tmp_path / "numbers.png")
        assert np.array_equal(stylizer(tmp_path / "numbers.png"), wanted)


def test_other_pictures_and_controls_are_refused(bundle, numbers):
    with Stylizer.load(bundle) as stylizer:
        with pytest.raises(UserError, match="no label map in the palette"):
            stylizer(np.full((8, 8, 3), 90, np.uint8))
        for control in ({"stroke": 2.0}, {"preserve_color": "luminance"}):
            with pytest.raises(UserError, match="neither strokes nor colours to keep"):
                stylizer(numbers, **control)
        with pytest.raises(UserError, match="paints label maps: give it pictures, not videos"):
            FrameStylizer(stylizer, None)


def test_benchmarks_paint_the_nearest_label_map_of_any_picture(bundle):
    photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    with Stylizer.load(bundle) as stylizer:
        stylizer(stylizer.stand_in(photo))


def test_the_command_takes_either_and_scales_label_by_label(bundle, numbers, tmp_path):
    Image.fromarray(PALETTE.draw(numbers)).save(tmp_path / "labels.png")
    Image.fromarray(numbers).save(tmp_path / "numbers.png")
    pictures = []
    for name in ("labels", "numbers"):
        out = tmp_path / f"{name}-out.png"
        arguments = ["stylize", tmp_path / f"{name}.png", "--model", bundle, "--size", 31, "-o", out]
        result = CliRunner().invoke(brushlet.app, [*map(str, arguments)])
        assert result.exit_code == 0, result.output
        pictures.append(read_picture(out).rgb)
    assert np.array_equal(*pictures) and pictures[0].shape == (18, 31, 3)
    colours = {tuple(colour) for colour in (255 - pictures[0]).reshape(-1, 3).tolist()}
    assert colours == {tuple(colour) for colour in PALETTE.colours.tolist()}


def test_the_command_says_what_is_wrong_with_a_photo(bundle, tmp_path):
    Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    arguments = ["stylize", tmp_path / "photo.png", "--model", bundle, "-o", tmp_path / "out.png"]
    result = CliRunner().invoke(brushlet.app, [*map(str, arguments)])
    assert result.exit_code == 1 and not (tmp_path / "out.png").exists()
    assert "photo.png: this is no label map in the palette: 100 % of it are in other colours" in result.output
    assert "The labels are sky #4aa3ff, field #9bd13c" in result.output


def test_a_manifest_with_bad_labels_is_refused(bundle):
    path = bundle / "manifest.json"
    good = json.loads(path.read_text())
    for labels, said in (
        ([{"name": "sky", "colour": "#4AA3FF"}], "'colour' must look like #4aa3ff"),
        (2 * [{"name": "sky", "colour": "#4aa3ff"}], "'labels' names '#4aa3ff' twice"),
        ("sky", "'labels' must be a list"),
    ):
        path.write_text(json.dumps({**good, "labels": labels}))
        with pytest.raises(BundleError, match=said):
            open_bundle(bundle)
