"""`runtime.overlapped`: order, overlap, failures and a way out."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from runtime.errors import UserError
from runtime.overlapped import Overlapped


def collect(read, paint, items):
    settled: list[tuple[int, object]] = []

    def settle(item: int, written: Future) -> None:
        settled.append((item, written.exception() or written.result()))

    with Overlapped(read, items) as work:
        work.run(paint, settle)
    return settled


def test_items_come_out_in_their_order():
    assert collect(lambda n: n * 10, lambda n, read: lambda: read + n, range(20)) == [(n, n * 11) for n in range(20)]
    assert collect(lambda n: n, lambda n, read: lambda: n, []) == []


def test_failures_on_any_stage_are_those_of_their_item():
    def fail(stage: int, n: int) -> None:
        if n == stage:
            raise UserError(f"stage {n}")

    def paint(n, read):
        fail(1, n)
        return lambda: fail(2, n)

    settled = collect(lambda n: fail(0, n), paint, range(4))
    assert [str(result) for _, result in settled] == ["stage 0", "stage 1", "stage 2", "None"]


def test_the_next_is_read_while_one_is_painted():
    read = [threading.Event() for _ in range(3)]
    assert collect(lambda n: read[n].set(), lambda n, _: lambda: read[min(n + 1, 2)].wait(20), range(3)) == [
        (0, True),
        (1, True),
        (2, True),
    ]


def test_a_bug_or_an_interrupt_ends_it():
    started = []

    def paint(n, read):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(started.append, paint, range(100))
    assert len(started) < 10
