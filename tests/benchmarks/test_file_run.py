"""`benchmarks.file_run`: the same picture as the product makes of a file."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmarks.file_run import MOST_PHOTO_SIDE, STAGES, FileRun, stage_medians_ms, write_photo
from benchmarks.subjects import example_picture
from runtime import Stylizer
from runtime.image_files import read_picture, write_picture


def test_it_paints_what_brushlet_stylize_paints(tiny, tmp_path):
    content = example_picture(48)
    with Stylizer.load(tiny) as stylizer:
        code = stylizer.style(example_picture(64, seed=1))
        run = FileRun(stylizer, code, content, tmp_path)
        run()
        wanted = stylizer.stylize(read_picture(run.photo, long_side=48), code)
    write_picture(tmp_path / "wanted.jpg", wanted.rgb)
    assert run.painted.read_bytes() == (tmp_path / "wanted.jpg").read_bytes()
    assert read_picture(run.painted).rgb.shape == (48, 48, 3)


def test_every_run_leaves_its_stages(tiny, tmp_path):
    with Stylizer.load(tiny) as stylizer:
        run = FileRun(stylizer, stylizer.style(example_picture(64)), example_picture(32), tmp_path)
        for _ in range(3):
            run()
    assert np.array(run.laps).shape == (3, len(STAGES))
    assert np.array(run.laps).min() > 0


def test_stages_are_medians_in_milliseconds():
    assert stage_medians_ms([(10**6, 2, 3, 4), (5 * 10**6, 2, 3, 4), (2 * 10**6, 2, 3, 4 * 10**7)]) == {
        "read": 2.0,
        "measure": pytest.approx(2e-6),
        "paint": pytest.approx(3e-6),
        "write": pytest.approx(4e-6),
    }


@pytest.mark.parametrize(("size", "side"), [(32, 128), (900, MOST_PHOTO_SIDE), (3500, 3500)])
def test_a_photo_has_more_pixels_than_are_painted(tmp_path, size, side):
    write_photo(tmp_path / "photo.jpg", np.full((size, size, 3), 90, np.uint8))
    with Image.open(tmp_path / "photo.jpg") as photo:
        assert (photo.size, photo.format) == ((side, side), "JPEG")
