"""The measuring loop: warm up until steady, then run several callables in turn and keep every sample.

The loop knows nothing of models. A *task* is a callable and what is wanted of it; the clock can be replaced.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Clock = Callable[[], int]

#: A task that is too slow for its budget is still run this often, so that its median means something.
FEWEST_RUNS = 5
#: Bounds memory and the record's size, for callables that take next to no time.
MOST_RUNS = 20_000


@dataclass(frozen=True)
class Effort:
    """How long to measure a task.

    At least ``runs`` runs *and* ``seconds`` seconds of running, unless that would take more than ``budget`` seconds:
    then as many runs as fit into the budget, and FEWEST_RUNS at least. A warm-up ends when the median of the last
    ``window`` runs differs from that of the ``window`` runs before by less than ``tolerance`` and took
    ``warmup_least`` seconds, or when it took ``warmup_most`` seconds.
    """

    runs: int = 50
    seconds: float = 5.0
    budget: float | None = None
    window: int = 5
    tolerance: float = 0.05
    warmup_least: float = 0.25
    warmup_most: float = 10.0


@dataclass(frozen=True)
class Task:
    """A callable to measure and the effort that is spent on it."""

    name: str
    call: Callable[[], object]
    effort: Effort = field(default_factory=Effort)


@dataclass(frozen=True)
class Series:
    """What one task took, in nanoseconds, in the order of time.

    ``warmup_ns`` are the runs that do not count, the very first one in front. ``steady`` is False when the warm-up ran
    out of time. ``shortened`` is True when the budget allowed fewer runs or seconds than asked for.
    """

    name: str
    warmup_ns: tuple[int, ...]
    steady: bool
    samples_ns: tuple[int, ...]
    shortened: bool


def measure(tasks: Sequence[Task], clock: Clock = time.perf_counter_ns) -> list[Series]:
    """Warm up each task, then run all of them interleaved, so that a drift of the machine meets all alike.

    Every round runs each task in turn (A B A B ...). Tasks of unequal speed get unequal numbers of runs, spread evenly
    over the rounds (A A A B A A A B ...). Raises ValueError for no task or a repeated name, and whatever a task raises.
    """
    if not tasks or len({task.name for task in tasks}) != len(tasks):
        raise ValueError("measure needs at least one task, each with a name of its own")
    warmups = [warm_up(task, clock) for task in tasks]
    typical = [statistics.median(times[-task.effort.window :]) for task, (times, _) in zip(tasks, warmups, strict=True)]
    plans = [_plan(task.effort, ns) for task, ns in zip(tasks, typical, strict=True)]
    samples: list[list[int]] = [[] for _ in tasks]
    rounds = max(task.effort.runs for task in tasks)
    turn = 0
    while turn < rounds or not all(_enough(*each) for each in zip(tasks, plans, samples, strict=True)):
        for task, plan, taken in zip(tasks, plans, samples, strict=True):
            for _ in range(plan.runs_in(turn, rounds)):
                taken.append(_time(task.call, clock))
        turn += 1
    return [
        Series(task.name, tuple(times), steady, tuple(taken), plan.shortened)
        for task, (times, steady), taken, plan in zip(tasks, warmups, samples, plans, strict=True)
    ]


def warm_up(task: Task, clock: Clock = time.perf_counter_ns) -> tuple[list[int], bool]:
    """Run a task until its time is steady; returns the times in nanoseconds and whether it became steady."""
    effort, times, spent = task.effort, [], 0
    while True:
        times.append(_time(task.call, clock))
        spent += times[-1]
        if spent >= effort.warmup_least * 1e9 and is_steady(times, effort.window, effort.tolerance):
            return times, True
        # A second run at least: the first one often prepares things that no other run does.
        if (spent >= effort.warmup_most * 1e9 and len(times) >= 2) or len(times) >= MOST_RUNS:
            return times, False


def is_steady(times: Sequence[float], window: int, tolerance: float) -> bool:
    """Whether the median of the last ``window`` times is within ``tolerance`` of that of the ``window`` before."""
    if len(times) < 2 * window:
        return False
    before, now = statistics.median(times[-2 * window : -window]), statistics.median(times[-window:])
    return abs(now - before) <= tolerance * before


@dataclass(frozen=True)
class _Plan:
    runs: int
    shortened: bool

    def runs_in(self, turn: int, rounds: int) -> int:
        """How often to run in round ``turn``, so that ``runs`` spread evenly over ``rounds`` rounds, and on after."""
        return (turn + 1) * self.runs // rounds - turn * self.runs // rounds


def _plan(effort: Effort, typical_ns: float) -> _Plan:
    wanted = min(MOST_RUNS, max(effort.runs, math.ceil(effort.seconds * 1e9 / max(typical_ns, 1))))
    if effort.budget is None or wanted * typical_ns <= effort.budget * 1e9:
        return _Plan(wanted, shortened=False)
    affordable = max(FEWEST_RUNS, int(effort.budget * 1e9 / typical_ns))
    return _Plan(min(wanted, affordable), shortened=affordable < wanted)


def _enough(task: Task, plan: _Plan, taken: list[int]) -> bool:
    if plan.shortened or len(taken) >= MOST_RUNS:
        return len(taken) >= plan.runs
    return len(taken) >= task.effort.runs and sum(taken) >= task.effort.seconds * 1e9


def _time(call: Callable[[], object], clock: Clock) -> int:
    start = clock()
    call()
    return clock() - start
