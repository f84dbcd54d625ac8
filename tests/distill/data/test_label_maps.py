"""Label maps as training pictures: they stay in their palette, whatever size they are brought to."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from distill.data import open_pictures
from distill.data.__main__ import typer, write_samples
from distill.data.landscapes import LANDSCAPE, draw_map, draw_photo, paint_photo
from runtime.errors import UserError
from runtime.label_maps import Palette
from tests.distill import tiny

PALETTE = Palette.of_number(6)


@pytest.fixture
def maps(tmp_path):
    """Eight label maps of 50 x 70 pixels as numbers."""
    folder = tmp_path / "maps"
    folder.mkdir()
    for i in range(8):
        numbers = np.random.default_rng(i).integers(0, 6, (10, 14), dtype=np.uint8).repeat(5, 0).repeat(5, 1)
        Image.fromarray(numbers).save(folder / f"map{i}.png")
    return folder


@pytest.mark.parametrize("short", [33, 50, 81])
def test_maps_of_a_folder_are_drawn_in_the_palette_at_any_size(maps, short):
    pictures = open_pictures(maps, "content", short, palette=PALETTE)
    assert len(pictures) == 8
    for picture in pictures:
        assert picture.shape[0] == short
        assert np.array_equal(PALETTE.draw(PALETTE.numbers(picture, strict=False)), picture)


def test_what_is_no_label_map_is_skipped_and_said(maps):
    tiny.draw_folder(maps / "photos", "photo", 1)
    pictures = open_pictures(maps, "content", 40, palette=PALETTE)
    assert len(pictures) == 8
    ((name, reason),) = pictures.skipped
    assert name == "photos/photo0.png" and "no label map in the palette" in reason


def test_without_a_folder_landscapes_are_drawn(maps):
    train, held = (open_pictures(None, "content", 100, part, LANDSCAPE) for part in ("train", "held-back"))
    assert len(train) > 2 * len(held) > 90 and not set(train.names) & set(held.names)
    assert np.array_equal(LANDSCAPE.draw(LANDSCAPE.numbers(held[0], strict=False)), held[0])
    with pytest.raises(UserError, match=r"the content is label maps: give a folder of some .* label 0 #000000"):
        open_pictures(None, "content", 100, palette=PALETTE)
    with pytest.raises(UserError, match="label maps are read from a folder"):
        open_pictures(next(maps.iterdir()), "content", 100, palette=PALETTE)


def test_photos_of_landscapes_follow_their_maps_and_the_hour():
    numbers = draw_map(3)
    noon, night = (paint_photo(numbers, hour, np.random.default_rng(0)).astype(float) for hour in (0.0, 2.0))
    assert noon.mean() > 2 * night.mean(), "it is dark at night"
    for label in np.unique(numbers):
        inside = noon[numbers == label]
        assert inside.std(0).mean() < noon.std((0, 1)).mean(), "a label's pixels are more alike than all"
    assert np.array_equal(draw_photo(3), draw_photo(3))


def test_landscapes_are_written_as_pairs(tmp_path):
    app = typer.Typer()
    app.command()(write_samples)
    result = CliRunner().invoke(app, [str(tmp_path), "--landscapes", "2"])
    assert result.exit_code == 0, result.output
    for folder in ("labels", "photos"):
        assert [path.name for path in sorted((tmp_path / folder).iterdir())] == [
            "landscape-000.png",
            "landscape-001.png",
        ]
    drawn = open_pictures(tmp_path / "labels", "content", 256, palette=LANDSCAPE)
    assert np.array_equal(drawn[1], LANDSCAPE.draw(draw_map(1))) and (tmp_path / "labels.json").is_file()
