from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.tensorrt.profiles import DEFAULT_SIZES, SizeRange, parse_size, parse_sizes, profile_for
from runtime import framing
from runtime.errors import UserError

INPUTS = {"content": (1, 3, "H", "W"), "scale_0": (1, 16, "h_0", "w_0"), "shift_0": (1, 16, -1, -1)}

sides = st.integers(16, 300)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("512", (512, 512), (512, 512)),
        ("1280x720", (720, 1280), (720, 1280)),
        ("256..1080", (256, 256), (1080, 1080)),
        ("256x128..1920x1080", (128, 256), (1080, 1920)),
        ("256..1920X1080", (256, 256), (1080, 1920)),
        (" 512 ", (512, 512), (512, 512)),
    ],
)
def test_sizes_as_people_write_them(text: str, least: tuple[int, int], most: tuple[int, int]):
    assert parse_size(text) == SizeRange(least, most)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "write 512, 1280x720"),
        ("big", "write 512"),
        ("512x", "write 512"),
        ("x512", "write 512"),
        ("512..", "write 512"),
        ("16..32..64", "write 512"),
        ("-512", "write 512"),
        ("512.5", "write 512"),
        ("8", "sides are from 16 to 8192"),
        ("9999", "sides are from 16 to 8192"),
        ("1080..256", "from small to large"),
        ("256x512..512x256", "from small to large"),
        ("8192", "at most 17 million pixels"),
    ],
)
def test_sizes_that_make_no_sense(text: str, complaint: str):
    with pytest.raises(UserError, match=complaint):
        parse_size(text)


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_an_error_in_one_line(text: str):
    try:
        found = parse_size(text)
    except UserError as error:
        assert str(error).startswith("--size ") and len(str(error).splitlines()) == 1
    else:
        assert all(16 <= low <= high for low, high in zip(found.least, found.most, strict=True))


def test_several_sizes():
    assert parse_sizes(["512", "512", "640"]) == (parse_size("512"), parse_size("640"))
    assert parse_sizes([]) == tuple(parse_size(text) for text in DEFAULT_SIZES)
    with pytest.raises(UserError, match="may be given 8 times, not 9: take a range"):
        parse_sizes([str(size) for size in range(100, 109)])


@given(height=sides, width=sides, multiple=st.sampled_from([1, 2, 4, 8]), margin=st.booleans())
def test_what_the_runtime_feeds_fits_the_profile_of_its_size(height: int, width: int, multiple: int, margin: bool):
    """The framed picture, and the bare one that a benchmark of the graph alone feeds."""
    profile = profile_for(parse_size(f"{width}x{height}"), INPUTS, multiple)
    padded, _ = framing.pad(np.zeros((height, width, 3), np.uint8), multiple, 16 if margin else 0, "edge")
    assert profile["content"].holds((1, 3, *padded.shape[:2]))


@given(low=sides, high=sides, inside=st.floats(0, 1))
def test_every_size_of_a_range_fits(low: int, high: int, inside: float):
    low, high = sorted((low, high))
    profile = profile_for(parse_size(f"{low}..{high}"), INPUTS, 4)["content"]
    side = round(low + inside * (high - low))
    padded, _ = framing.pad(np.zeros((side, side, 3), np.uint8), 4, 16, "edge")
    assert profile.holds((1, 3, *padded.shape[:2]))
    assert profile.holds(profile.usual)
    assert all(size % 4 == 0 for shape in (profile.least, profile.usual, profile.most) for size in shape[2:])


def test_scales_and_shifts_are_single_numbers_per_channel():
    profile = profile_for(parse_size("256..1080"), INPUTS, 4)
    for name in ("scale_0", "shift_0"):
        assert profile[name].least == profile[name].most == (1, 16, 1, 1)
    assert str(profile["content"]) == "(1, 3, 256..1112, 256..1112)"
    assert profile["content"].usual == (1, 3, 560, 560)  # halfway between 256 and 1080, and its frame


def test_hardware_of_one_shape_gets_the_framed_picture():
    content = profile_for(parse_size("1280x720"), INPUTS, 4, static=True)["content"]
    assert content.least == content.usual == content.most == (1, 3, 752, 1312)
