"""`runtime.framing`: sizes, padding and the way back, to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import framing

sides = st.integers(1, 70)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(sides, sides)
def test_tensors_bring_every_level_back(height: int, width: int):
    rgb = noise(height, width)
    tensor = framing.to_tensor(rgb)
    assert tensor.shape == (1, 3, height, width) and tensor.dtype == np.float32
    assert tensor.min() >= 0 and tensor.max() <= 1
    assert (framing.to_picture(tensor) == rgb).all()


def test_a_picture_is_clipped_and_rounded():
    tensor = np.array([-3, -0.01, 0.5, 1.01, 300, 100.4 / 255, 100.6 / 255], np.float32)
    picture = framing.to_picture(np.broadcast_to(tensor, (1, 3, 1, 7)))
    assert picture[0, :, 0].tolist() == [0, 0, 128, 255, 255, 100, 101]


@pytest.mark.parametrize("shape", [(300, 701), (1, 70_000), (70_000, 1), (257, 256)])
def test_large_pictures_are_converted_in_bands_without_a_seam(shape: tuple[int, int]):
    tensor = np.random.default_rng(0).uniform(-0.2, 1.2, (1, 3, *shape)).astype(np.float32)
    wanted = (np.clip(tensor[0] * np.float32(255) + np.float32(0.5), 0, 255)).astype(np.uint8).transpose(1, 2, 0)
    assert np.array_equal(framing.to_picture(tensor), wanted)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (0, 1, 150, 7), (0, 2, 299, 699)])
def test_numbers_that_are_not_finite_make_no_picture(number: float, place: tuple[int, ...]):
    tensor = np.zeros((1, 3, 300, 700), np.float32)
    tensor[place] = number
    with pytest.raises(ValueError, match="not finite"):
        framing.to_picture(tensor)


@given(sides, sides, st.sampled_from([1, 2, 4, 8, 12]), st.integers(0, 20), st.sampled_from(["edge", "reflect"]))
def test_padding_is_exact_and_comes_back(height: int, width: int, multiple: int, margin: int, mode: str):
    rgb = noise(height, width)
    padded, inside = framing.pad(rgb, multiple, margin, mode)
    assert (padded[inside] == rgb).all()
    assert padded.shape[0] % multiple == padded.shape[1] % multiple == 0
    top, left = inside[0].start, inside[1].start
    assert margin <= top < margin + multiple and top % multiple == 0 and left == top
    assert padded.shape[0] - inside[0].stop >= margin and padded.shape[1] - inside[1].stop >= margin
    assert padded.shape[0] < height + 2 * margin + 3 * multiple


@given(sides, sides, st.sampled_from([1, 2, 4, 8, 12]), st.integers(0, 20), st.sampled_from(["edge", "reflect"]))
def test_a_framed_tensor_is_that_of_the_padded_picture(height: int, width: int, multiple: int, margin: int, mode: str):
    rgb = noise(height, width)
    padded, inside = framing.pad(rgb, multiple, margin, mode)
    tensor, same = framing.framed_tensor(rgb, multiple, margin, mode)
    assert np.array_equal(tensor, framing.to_tensor(padded)) and same == inside
    assert tensor.flags.c_contiguous and tensor.dtype == np.float32


def test_edge_padding_repeats_the_border():
    rgb = noise(3, 5)
    padded, _ = framing.pad(rgb, 4, 0, "edge")
    assert padded.shape == (4, 8, 3)
    assert (padded[3, :5] == rgb[2]).all() and (padded[:3, 5:] == rgb[:, 4:]).all()


def test_reflect_padding_mirrors_without_repeating_the_border():
    rgb = noise(8, 8)
    padded, _ = framing.pad(rgb, 4, 4, "reflect")
    assert (padded[3, 4:12] == rgb[1]).all() and (padded[12, 4:12] == rgb[6]).all()


def test_nothing_to_pad_costs_no_copy():
    rgb = noise(8, 4)
    assert framing.pad(rgb, 4, 0, "edge")[0] is rgb


@given(st.integers(1, 600), st.integers(1, 600), st.sampled_from([16, 64, 256]), st.sampled_from([4, 8]))
def test_thumbnails_keep_their_bounds(height: int, width: int, long_side: int, multiple: int):
    small = framing.thumbnail(np.zeros((height, width, 3), np.uint8), long_side, multiple)
    ratio = min(1, long_side / max(height, width))
    for side, original in zip(small.shape, (height, width), strict=False):
        assert side % multiple == 0 and side >= multiple
        assert abs(side - original * ratio) <= multiple / 2 or side == multiple
    assert max(small.shape) <= max(long_side, multiple)


def test_a_thumbnail_is_the_mean_of_areas():
    rgb = noise(512, 1024)
    small = framing.thumbnail(rgb, 256, 4)
    expected = rgb.reshape(128, 4, 256, 4, 3).mean(axis=(1, 3))
    assert small.shape == (128, 256, 3)
    assert np.abs(small - expected).max() <= 1  # Pillow rounds after each of its two passes


def test_a_thumbnail_of_whole_areas_is_rounded_once():
    rgb = noise(512, 768)
    small = framing.thumbnail(rgb, 256, 4)
    assert small.shape == (172, 256, 3), "512 / 3 is no whole number, so areas differ"
    rgb = noise(512, 512)
    expected = rgb.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    assert np.abs(framing.thumbnail(rgb, 256, 4) - expected).max() <= 0.5


@given(
    st.integers(1, 10), st.integers(1, 10), st.integers(1, 20), st.sampled_from([16, 40]), st.sampled_from([1, 4, 8])
)
def test_a_thumbnails_tensor_is_that_of_its_picture(height: int, width: int, times: int, long_side: int, multiple: int):
    """Also where it is made of sums: a picture that is a whole number of times as large."""
    rgb = noise(height * times, width * times)
    for picture in (rgb, rgb[:, ::-1], np.dstack([rgb, rgb])[:, :, :3]):
        wanted = framing.to_tensor(framing.thumbnail(np.ascontiguousarray(picture), long_side, multiple))
        tensor = framing.thumbnail_tensor(picture, long_side, multiple)
        assert np.array_equal(tensor, wanted) and tensor.dtype == np.float32 and tensor.flags.c_contiguous


@pytest.mark.parametrize("level", [0, 1, 254, 255])
@pytest.mark.parametrize("times", [1, 2, 4, 8, 16, 32])
def test_areas_of_every_size_are_averaged_as_in_the_picture(times: int, level: int):
    rgb = np.full((times * 8, times * 16, 3), level, np.uint8)
    assert (framing.thumbnail_tensor(rgb, 16, 4) == np.float32(level) * np.float32(1 / 255)).all()
    rgb[::2, 1::3] = noise(times * 4, -(-(times * 16 - 1) // 3))
    wanted = framing.to_tensor(framing.thumbnail(rgb, 16, 4))
    assert np.array_equal(framing.thumbnail_tensor(rgb, 16, 4), wanted)


def test_a_small_picture_is_its_own_thumbnail():
    rgb = noise(64, 32)
    assert framing.thumbnail(rgb, 256, 4) is rgb


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (300, 7), (256, 256), (1000, 300), (255, 511)])
def test_style_crops_have_the_size_the_graph_wants(size: tuple[int, int]):
    crop = framing.style_crop(noise(*size))
    assert min(crop.shape[:2]) == 256
    assert crop.shape[0] % 8 == crop.shape[1] % 8 == 0
    assert max(crop.shape[:2]) <= 4 * 256


def test_a_style_crop_is_the_middle():
    rgb = noise(256, 270)
    assert (framing.style_crop(rgb) == rgb[:, 3:267]).all()


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
def test_fit_bounds_the_long_side_and_never_enlarges(height: int, width: int, long_side: int):
    rgb = np.zeros((height, width, 3), np.uint8)
    fitted = framing.fitted_size(height, width, long_side)
    assert framing.resize(rgb, *fitted).shape == (*fitted, 3)
    if max(height, width) <= long_side:
        assert fitted == (height, width) and framing.resize(rgb, *fitted) is rgb
    else:
        assert max(fitted) == long_side
        assert abs(min(fitted) - max(1, min(height, width) * long_side / max(height, width))) <= 0.5


def test_alpha_is_resized_as_well():
    assert framing.resize(np.zeros((40, 20), np.uint8), 10, 5).shape == (10, 5)
