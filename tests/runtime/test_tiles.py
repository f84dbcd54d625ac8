"""`runtime.tiles`: every pixel once, halos wide enough, sizes that engines take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bundle import Site, StudentInfo
from runtime.errors import UserError
from runtime.free_memory import free_bytes
from runtime.tiles import MAX_PAINT_PIXELS, SizeRange, Span, bytes_per_pixel, plan_tiles, spans


def student(halo: int = 48, multiple: int = 4) -> StudentInfo:
    return StudentInfo("tiny", 1.0, multiple, halo, 256, {}, (Site("half", 16, 2, True), Site("quarter", 32, 4, True)))


def check_spans(found: list[Span], length: int, halo: int, multiple: int) -> None:
    """Kept parts follow each other without a gap, and are a halo away from every end that is not the canvas's."""
    assert [span.keep_from for span in found] == [0, *(span.keep_to for span in found[:-1])]
    assert found[-1].keep_to == found[-1].stop == length
    for span in found:
        assert span.start % multiple == 0 and span.stop - span.start == found[0].stop - found[0].start
        assert span.start == 0 or span.keep_from - span.start >= halo
        assert span.stop == length or span.stop - span.keep_to >= halo
        assert span.keep_from < span.keep_to


@given(st.integers(1, 500), st.integers(1, 60), st.integers(0, 12), st.sampled_from([1, 4, 8]))
def test_spans_cover_the_length(length: int, beside_halo: int, halo: int, multiple: int):
    length, size, halo = length * multiple, (beside_halo + 2 * halo) * multiple, halo * multiple
    found = spans(length, size, halo, multiple)
    check_spans(found, length, halo, multiple)
    assert found[0].stop <= max(size, min(size, length))


def test_spans_are_evened_out():
    assert spans(1000, 512, 48, 4) == [Span(0, 400, 0, 352), Span(304, 704, 352, 656), Span(600, 1000, 656, 1000)]


def test_tiles_that_are_all_halo():
    with pytest.raises(ValueError, match="all halo"):
        spans(200, 96, 48, 4)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(0, 2**34), st.integers(0, 200))
def test_any_canvas_is_covered_by_tiles_that_fit_into_memory(height: int, width: int, free: int, halo: int):
    info = student(halo)
    plan = plan_tiles(height, width, info, free)
    wide, tall = -(-height // 4) * 4, -(-width // 4) * 4
    assert plan.canvas == (wide, tall)
    for axis, length in zip((plan.rows, plan.columns), (wide, tall), strict=True):
        check_spans(axis, length, -(-halo // 4) * 4, 4)
    pixels = plan.tile[0] * plan.tile[1]
    least = (4 * halo + 100) ** 2 * 2  # below, tiles would be mostly halo
    assert pixels <= MAX_PAINT_PIXELS
    assert pixels * bytes_per_pixel(info) <= max(48 * 2**20 * 1.1, free / 4, least * bytes_per_pixel(info))


def test_less_memory_makes_smaller_tiles():
    plenty, little = (plan_tiles(9000, 9000, student(), free) for free in (2**35, 2**28))
    assert plenty.tile[0] * plenty.tile[1] > 1.5 * little.tile[0] * little.tile[1]


def test_what_fits_is_painted_in_one_piece():
    assert plan_tiles(1080, 1920, student(), 2**34).tile == (1080, 1920)
    assert plan_tiles(1080, 1920, student(), 2**28).tile != (1080, 1920)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 3))
def test_engines_get_the_sizes_they_were_built_for(height: int, width: int, count: int):
    sizes = [SizeRange((512, 512), (512, 512)), SizeRange((720, 1280), (720, 1280)), SizeRange((100, 200), (600, 900))]
    plan = plan_tiles(height, width, student(), 2**34, sizes[:count])
    tall, wide = plan.tile
    assert any(s.least[0] <= tall <= s.most[0] and s.least[1] <= wide <= s.most[1] for s in sizes[:count])
    for axis, length in zip((plan.rows, plan.columns), (height, width), strict=True):
        check_spans(axis, axis[-1].stop, 48, 4)
        assert axis[-1].stop >= length


def test_a_size_that_fits_is_preferred_to_tiles():
    sizes = [SizeRange((256, 256), (256, 256)), SizeRange((512, 512), (512, 512))]
    assert plan_tiles(500, 500, student(), None, sizes).tile == (512, 512)
    assert plan_tiles(500, 500, student(), None, sizes).canvas == (512, 512)


def test_an_engine_that_is_too_small_says_what_helps():
    with pytest.raises(
        UserError, match="reaches 48 pixels .* leaves nothing of tiles of 96x96 pixels: use larger ones"
    ):
        plan_tiles(500, 500, student(), None, [SizeRange((96, 96), (96, 96))])


def test_a_manifest_with_a_huge_halo_takes_no_memory():
    with pytest.raises(UserError, match="reaches 4096 pixels"):
        plan_tiles(20_000, 20_000, student(4096), 2**34)


def test_free_memory_is_told_on_linux():
    assert 2**20 < (free_bytes() or 0) < 2**50
