"""`benchmarks.quiet`, on a machine and a clock that the tests move."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.quiet import QUIET_LOOKS, wait_until_quiet
from devices import Load

QUIET = Load(cpus=2, busy=0.0, stolen=0.0, load_average=0.0)
BUSY = replace(QUIET, busy=0.8)


class Machine:
    """Looks take a second each; the last load stays."""

    def __init__(self, *loads: Load) -> None:
        self.loads, self.seconds, self.told = list(loads), 0.0, []

    def look(self) -> Load:
        self.seconds += 1
        return self.loads.pop(0) if len(self.loads) > 1 else self.loads[0]

    def wait(self, seconds: float) -> Load:
        return wait_until_quiet(seconds, self.told.append, self.look, lambda: self.seconds)


@pytest.mark.parametrize("load", [QUIET, BUSY])
def test_without_a_wait_it_looks_once(load):
    machine = Machine(load)
    assert machine.wait(0) is load
    assert (machine.seconds, machine.told) == (1, [])


def test_a_quiet_machine_is_looked_at_a_few_times():
    machine = Machine(QUIET)
    assert machine.wait(60) is QUIET
    assert (machine.seconds, machine.told) == (QUIET_LOOKS, [])


def test_it_waits_until_other_work_is_over_and_says_so_once():
    machine = Machine(*[BUSY] * 10, QUIET)
    assert machine.wait(60) is QUIET
    assert machine.seconds == 10 + QUIET_LOOKS
    assert machine.told == ["waiting up to 60 s for a quiet machine: other work keeps 1.6 of 2 CPUs busy"]


def test_a_pause_of_other_work_is_not_its_end():
    machine = Machine(BUSY, QUIET, QUIET, BUSY, QUIET)
    machine.wait(60)
    assert machine.seconds == 4 + QUIET_LOOKS


def test_it_does_not_wait_for_ever():
    machine = Machine(BUSY)
    assert machine.wait(20) is BUSY, "and the load it found is told"
    assert machine.seconds == 20
