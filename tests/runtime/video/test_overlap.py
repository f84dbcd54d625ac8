"""`runtime.video.overlap`: order, bounds, errors and interrupts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from runtime.video.overlap import overlap


def test_results_come_in_order():
    written: list[int] = []
    overlap(range(100), lambda item: item * item, written.append, length=3)
    assert written == [item * item for item in range(100)]


def test_the_stages_overlap():
    """Each takes 10 ms for each of 20 items: 600 ms one after the other, little more than 200 at once."""

    def wait(item: int) -> int:
        time.sleep(0.01)
        return item

    begun = time.perf_counter()
    overlap(map(wait, range(20)), wait, wait)
    assert time.perf_counter() - begun < 0.45


def test_no_more_wait_than_allowed():
    read, written = [], []
    most = 0

    def source() -> Iterator[int]:
        for item in range(50):
            read.append(item)
            yield item

    def sink(item: int) -> None:
        nonlocal most
        time.sleep(0.001)
        most = max(most, len(read) - len(written))
        written.append(item)

    overlap(source(), lambda item: item, sink, length=4)
    # Four wait on each side, and each stage holds one.
    assert len(written) == 50 and most <= 2 * 4 + 3


@pytest.mark.parametrize("stage", ["source", "work", "sink"])
def test_an_error_anywhere_ends_all_and_is_raised(stage: str):
    def fail(where: str, item: int) -> int:
        if where == stage and item == 20:
            raise OSError("no space")
        return item

    before = threading.active_count()
    with pytest.raises(OSError, match="no space"):
        overlap(
            (fail("source", item) for item in range(1000)),
            lambda item: fail("work", item),
            lambda item: fail("sink", item),
        )
    assert threading.active_count() == before


def test_after_an_interrupt_what_is_ready_is_written():
    written: list[int] = []

    def work(item: int) -> int:
        if item == 6:
            raise KeyboardInterrupt
        return item

    def sink(item: int) -> None:
        time.sleep(0.005)
        written.append(item)

    with pytest.raises(KeyboardInterrupt):
        overlap(range(1000), work, sink)
    assert written == list(range(6))
