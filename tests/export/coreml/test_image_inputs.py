"""Pictures as Core ML hands them to a program, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from export.coreml.image_inputs import to_picture, to_planes
from export.coreml.mil_types import MilError

PICTURES = array_shapes(min_dims=2, max_dims=2, max_side=5).flatmap(lambda s: arrays(np.uint8, (*s, 3)))


@pytest.mark.parametrize("colour", ["RGB", "BGR"])
@given(picture=PICTURES)
def test_a_picture_comes_back_as_it_went_in(colour, picture):
    planes = to_planes(picture, colour)
    assert planes.dtype == np.float32 and planes.shape == (1, 3, *picture.shape[:2])
    assert np.array_equal(to_picture(planes, colour), picture)


def test_the_first_plane_is_the_first_colour_of_the_layout():
    picture = np.array([[[10, 20, 30]]], np.uint8)
    assert to_planes(picture, "RGB").reshape(-1).tolist() == [10, 20, 30]
    assert to_planes(picture, "BGR").reshape(-1).tolist() == [30, 20, 10]


def test_levels_are_clipped_and_rounded_to_even():
    planes = np.array([-3, 0.5, 1.5, 254.6, 300, 127.4], np.float16).reshape(1, 3, 1, 2)
    assert to_picture(planes, "RGB").reshape(-1).tolist() == [0, 2, 255, 0, 255, 127]


@pytest.mark.parametrize("picture", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3))])
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(MilError, match="a picture is uint8"):
        to_planes(picture, "RGB")


def test_what_comes_out_as_no_picture_is_refused():
    with pytest.raises(MilError, match="not as"):
        to_picture(np.zeros((1, 4, 2, 2)), "RGB")
    with pytest.raises(MilError, match="not finite"):
        to_picture(np.full((1, 3, 1, 1), np.nan), "RGB")
