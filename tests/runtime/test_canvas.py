"""`runtime.canvas`: what arrives in strips is what numpy pads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.canvas import Canvas, HeldRows, StreamedRows


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 70), st.integers(0, 9), st.integers(1, 40), st.data())
def test_strips_are_those_of_the_padded_picture(height, width, margin, more, rows, data):
    rgb, mode = noise(height, width), data.draw(st.sampled_from(["reflect", "edge"]))
    size = height + 2 * margin + more, width + 2 * margin + more
    whole = np.pad(rgb, [(margin, margin + more)] * 2 + [(0, 0)], mode=mode)
    cuts = sorted(data.draw(st.lists(st.integers(0, height), max_size=4)))
    streamed = StreamedRows(height, width, iter([part for part in np.split(rgb, cuts) if len(part)]))
    for source in (HeldRows(rgb), streamed):
        canvas = Canvas(source, size, margin, mode)
        start = 0
        while start < size[0]:
            stop = min(start + rows, size[0])
            assert (canvas.strip(start, stop) == whole[start:stop]).all()
            start += max(1, rows // 2)  # strips overlap, as tiles do


def test_rows_that_were_passed_are_not_kept():
    source = StreamedRows(100, 5, iter(np.split(noise(100, 5), 10)))
    source.take(np.arange(40))
    source.forget(35)
    assert sum(len(strip) for strip in source._kept) == 5
    with pytest.raises(ValueError, match="row 34 was forgotten"):
        source.take(np.arange(34, 36))


def test_a_picture_that_ends_early():
    with pytest.raises(ValueError, match="ends after 4 of 10 rows"):
        StreamedRows(10, 3, iter([noise(4, 3)])).take(np.arange(10))
