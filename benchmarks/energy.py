"""Energy a picture: what a machine draws while one subject alone runs again and again, and while it does nothing.

Latencies are measured in turns, where no sensor can tell whose power it sees. So energy has a phase of its own for each
subject, in a process of its own: loaded and idle, then running.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.job import PARTS, Job
from benchmarks.measure import FEWEST_RUNS, Task, warm_up
from devices.power import Rail, Spread, Watch
from runtime.json_fields import Fields

#: Seconds without work, before idle power is looked at and while it is, and the least that running takes: 25 looks.
PACE = {"settling_s": 1.0, "idle_s": 2.0, "running_s": 5.0}
#: Fewer looks than this say nothing of a mean.
FEWEST_SAMPLES = 5
_MOST_NAMES = 256


@dataclass(frozen=True)
class Energy:
    """One subject's part at work alone, ``runs`` times in ``running.seconds``, and the same process idle before that.

    Energy is mean power times the time of a run. It is of the rails that both watches mark as whole.
    """

    subject: int
    part: str
    runs: int
    idle: Watch
    running: Watch

    @property
    def total_j(self) -> float:
        """Joules a picture, of all that the machine drew meanwhile."""
        return (self.running.total_w or 0.0) * self._seconds_a_run

    @property
    def above_idle_j(self) -> float:
        """Joules a picture beyond what the machine draws when it does nothing."""
        return ((self.running.total_w or 0.0) - (self.idle.total_w or 0.0)) * self._seconds_a_run

    @property
    def rails(self) -> tuple[str, ...]:
        """The rails that the energy is of."""
        return tuple(rail.name for rail in self.running.rails if rail.whole)

    @property
    def _seconds_a_run(self) -> float:
        return self.running.seconds / self.runs

    @classmethod
    def read(cls, fields: Fields, raw: dict[str, Any], subjects: int) -> Energy:
        energy = cls(
            subject=fields.integer("subject", 0, subjects - 1),
            part=fields.choice("part", tuple(PARTS)),
            runs=fields.integer("runs", 1, 10**9),
            idle=read_watch(fields.inner("idle"), raw.get("idle")),
            running=read_watch(fields.inner("running"), raw.get("running")),
        )
        for name, own in (("total_j", energy.total_j), ("above_idle_j", energy.above_idle_j)):
            if not math.isclose(fields.number(name, -1e9, 1e9), own, rel_tol=1e-6, abs_tol=1e-9):
                raise fields.fail(name, "is not that of the power and the runs: the record was changed")
        return energy


def read_watch(fields: Fields, raw: dict[str, Any]) -> Watch:
    """A Watch from JSON, checked."""
    return Watch(
        seconds=fields.number("seconds", 0, 1e7),
        samples=fields.integer("samples", 0, 10**9),
        rails=tuple(_read_rail(item) for item in fields.each("rails", _MOST_NAMES)),
        clocks=tuple(_read_spread(item) for item in fields.each("clocks", _MOST_NAMES)),
        temperatures=tuple(_read_spread(item) for item in fields.each("temperatures", _MOST_NAMES)),
        throttled=None if raw.get("throttled", ()) is None else _texts(fields, "throttled"),
    )


def _read_rail(fields: Fields) -> Rail:
    mean, peak = fields.number("mean_w", -1e6, 1e6), fields.number("peak_w", -1e6, 1e6)
    return Rail(fields.text("name"), mean, peak, fields.boolean("whole"))


def _read_spread(fields: Fields) -> Spread:
    return Spread(fields.text("name"), *(fields.number(name, -1e6, 1e6) for name in ("least", "median", "most")))


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    values = fields.sequence(name, _MOST_NAMES)
    if not all(isinstance(value, str) for value in values):
        raise fields.fail(name, "must be a list of texts")
    return tuple(values)


def energy_job(job: Job) -> dict[str, Any]:
    """One subject idle, then running, in this process: when that was (``time.monotonic``), and how many runs it was.

    ``job.extra`` is a pace, as PACE.
    """
    from benchmarks.subjects import open_subject

    part = job.parts[0][0]
    call = open_subject(job.targets[0], [part], job.size, job.threads).calls[part]
    call()  # what an engine prepares at the first run is not idling
    time.sleep(job.extra["settling_s"])
    idle = time.monotonic()
    time.sleep(job.extra["idle_s"])
    idle_end = time.monotonic()
    warm_up(Task(part, call, job.efforts[0]))
    begin, runs = time.monotonic(), 0
    while runs < FEWEST_RUNS or time.monotonic() - begin < job.extra["running_s"]:
        call()
        runs += 1
    return {"idle": [idle, idle_end], "running": [begin, time.monotonic()], "runs": runs}
