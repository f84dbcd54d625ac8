"""`benchmarks.together`: several calls at the same time."""

from __future__ import annotations

import threading

import pytest

from benchmarks.together import together


def test_one_at_a_time_is_the_call_itself():
    assert together(test_one_at_a_time_is_the_call_itself, 1) is test_one_at_a_time_is_the_call_itself


def test_all_are_in_flight_at_once():
    barrier, done = threading.Barrier(4, timeout=20), []

    def call() -> None:
        barrier.wait()  # passes only once four calls are here
        done.append(threading.get_ident())

    four = together(call, 4)
    for rounds in (1, 2):
        four()
        assert len(done) == 4 * rounds, "it returns when all are done"
    assert len(set(done)) == 4


def test_what_one_of_them_raises_is_raised():
    turn = iter([None, ValueError("no such kernel")])

    def call() -> None:
        if error := next(turn):
            raise error

    with pytest.raises(ValueError, match="no such kernel"):
        together(call, 2)()
