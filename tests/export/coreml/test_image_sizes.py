"""The picture sizes of a package."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.coreml.image_sizes import DEFAULT_SIZES, STYLE_SIZES, parse_sizes, thumbnail_sizes
from export.graphs import THUMBNAIL
from runtime.errors import UserError
from runtime.framing import style_crop, thumbnail


def test_sizes_are_read_as_width_and_height_in_the_users_order():
    assert parse_sizes(["512x512,1280x720", "640"], 4) == ((512, 512), (1280, 720), (640, 640))
    assert parse_sizes(["640x480", "640x480"], 4) == ((640, 480),)
    assert parse_sizes([], 4) == DEFAULT_SIZES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("510x512", "multiples of 4 pixels, such as 512x512"),
        ("256..1080", "each size by itself"),
        ("512x", "each size by itself"),
        ("-4x8", "each size by itself"),
        ("0x512", "sides are from 4 to 8192"),
        ("8196x512", "sides are from 4 to 8192"),
    ],
)
def test_what_is_no_size_is_refused_in_one_line(text, message):
    with pytest.raises(UserError, match=message) as error:
        parse_sizes([text], 4)
    assert "\n" not in str(error.value)


def test_more_sizes_than_core_ml_takes_are_refused():
    with pytest.raises(UserError, match="129 sizes"):
        parse_sizes([str(4 * n) for n in range(1, 130)], 4)


@given(st.tuples(st.integers(1, 300), st.integers(1, 300)), st.sampled_from([1, 4, 8]))
def test_thumbnails_have_the_sizes_that_the_runtime_gives_them(size, multiple):
    width, height = (side * multiple for side in size)
    made = thumbnail(np.zeros((height, width, 3), np.uint8), THUMBNAIL, multiple)
    assert thumbnail_sizes([(width, height)], multiple) == (made.shape[1::-1],)


def test_style_sizes_are_those_of_cropped_style_pictures():
    shapes = [(300, 300), (300, 400), (400, 300), (360, 640), (640, 360)]
    assert tuple(style_crop(np.zeros((*shape, 3), np.uint8)).shape[1::-1] for shape in shapes) == STYLE_SIZES
