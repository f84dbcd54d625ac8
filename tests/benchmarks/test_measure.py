"""`benchmarks.measure`, on a clock that the tests move."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.measure import FEWEST_RUNS, Effort, Task, is_steady, measure, warm_up


class FakeClock:
    """A clock in nanoseconds that only moves when a fake task runs."""

    def __init__(self) -> None:
        self.now = 0
        self.order: list[str] = []

    def __call__(self) -> int:
        return self.now

    def task(self, name: str, milliseconds: Iterable[float] | float, **effort: float) -> Task:
        times = itertools.repeat(milliseconds) if isinstance(milliseconds, (int, float)) else iter(milliseconds)

        def call() -> None:
            self.now += int(next(times) * 1e6)
            self.order.append(name)

        return Task(name, call, Effort(**{"warmup_least": 0.0, **effort}))


def samples_ms(series) -> list[float]:
    return [ns / 1e6 for ns in series.samples_ns]


def test_at_least_so_many_runs():
    clock = FakeClock()
    (series,) = measure([clock.task("slow", 1000, runs=50, seconds=5)], clock)
    assert len(series.samples_ns) == 50, "50 runs of a second, though 5 seconds are long over"
    assert not series.shortened


def test_and_at_least_so_many_seconds():
    clock = FakeClock()
    (series,) = measure([clock.task("fast", 2, runs=50, seconds=5)], clock)
    assert len(series.samples_ns) == 2500
    assert sum(series.samples_ns) == 5e9


def test_seconds_are_reached_even_when_the_task_speeds_up_after_the_warm_up():
    clock = FakeClock()
    times = itertools.chain([10] * 10, itertools.repeat(1))
    (series,) = measure([clock.task("a", times, runs=5, seconds=1)], clock)
    assert sum(series.samples_ns) >= 1e9
    assert set(samples_ms(series)) == {1.0}


def test_first_run_is_kept_apart():
    clock = FakeClock()
    (series,) = measure([clock.task("a", itertools.chain([500], itertools.repeat(10)), runs=5, seconds=0)], clock)
    assert series.warmup_ns[0] == 500e6
    assert set(samples_ms(series)) == {10.0}


def test_warm_up_goes_on_until_steady():
    clock = FakeClock()
    falling = [100 * 0.9**n for n in range(30)]
    times, steady = warm_up(clock.task("a", itertools.chain(falling, itertools.repeat(4))), clock)
    assert steady
    assert len(times) > 30, "each window was 40 % faster than the one before"
    assert times[-1] == 4e6


def test_warm_up_of_a_steady_task_is_short():
    clock = FakeClock()
    times, steady = warm_up(clock.task("a", 10), clock)
    assert (len(times), steady) == (10, True)


def test_warm_up_takes_its_least_time():
    clock = FakeClock()
    times, steady = warm_up(clock.task("a", 10, warmup_least=1.0), clock)
    assert (len(times), steady) == (100, True)


def test_warm_up_is_bounded_for_a_task_that_is_never_steady():
    clock = FakeClock()
    task = clock.task("a", (2.0**n for n in itertools.count()), warmup_most=3.0)
    times, steady = warm_up(task, clock)
    assert not steady
    assert len(times) == 12, "1 + 2 + 4 + ... ms pass 3 s with the 12th run"


def test_warm_up_of_a_very_slow_task_is_two_runs():
    clock = FakeClock()
    times, steady = warm_up(clock.task("a", 20_000), clock)
    assert (len(times), steady) == (2, False)


def test_tasks_of_equal_speed_alternate():
    clock = FakeClock()
    tasks = [clock.task("a", 100, runs=6, seconds=0), clock.task("b", 100, runs=6, seconds=0)]
    measure(tasks, clock)
    assert "".join(clock.order[-12:]) == "abababababab"


def test_a_faster_task_runs_more_often_spread_evenly():
    clock = FakeClock()
    tasks = [clock.task("a", 10, runs=10, seconds=0.3), clock.task("b", 100, runs=10, seconds=0)]
    measure(tasks, clock)
    assert "".join(clock.order[-40:]) == "aaab" * 10


def test_a_task_over_its_budget_runs_less_often_spread_evenly():
    clock = FakeClock()
    tasks = [
        clock.task("a", 10, runs=50, seconds=0),
        clock.task("b", 1000, runs=50, seconds=5, budget=10),
    ]
    fast, slow = measure(tasks, clock)
    assert (fast.shortened, slow.shortened) == (False, True)
    assert len(slow.samples_ns) == 10
    assert "".join(clock.order[-60:]) == "aaaaab" * 10


def test_a_task_far_over_its_budget_still_runs_a_few_times():
    clock = FakeClock()
    tasks = [clock.task("a", 10, runs=50, seconds=0), clock.task("b", 60_000, budget=1)]
    slow = measure(tasks, clock)[1]
    assert len(slow.samples_ns) == FEWEST_RUNS
    assert slow.shortened


def test_a_drift_of_the_machine_meets_both_alike():
    clock = FakeClock()

    def slowing(factor: float) -> Callable[[], None]:
        def call() -> None:
            clock.now += int(factor * (1e6 + clock.now * 0.001))

        return call

    effort = Effort(runs=200, seconds=0, warmup_least=0, warmup_most=0.01)
    one, two = measure([Task("one", slowing(1), effort), Task("two", slowing(2), effort)], clock)
    assert one.samples_ns[-1] > 1.5 * one.samples_ns[0], "the machine did slow down"
    ratios = [b / a for a, b in zip(one.samples_ns, two.samples_ns, strict=True)]
    assert ratios == pytest.approx([2.0] * 200, rel=0.01)


def test_an_error_of_a_task_is_not_swallowed():
    def broken() -> None:
        raise RuntimeError("no such kernel")

    with pytest.raises(RuntimeError, match="no such kernel"):
        measure([Task("broken", broken)])


def test_names_must_differ():
    clock = FakeClock()
    with pytest.raises(ValueError, match="a name of its own"):
        measure([clock.task("a", 1), clock.task("a", 1)], clock)
    with pytest.raises(ValueError, match="at least one task"):
        measure([], clock)


def test_a_task_that_takes_no_time_ends():
    clock = FakeClock()
    (series,) = measure([clock.task("nothing", 0, runs=3, seconds=0)], clock)
    assert len(series.samples_ns) == 3


@settings(max_examples=60, deadline=None)
@given(
    speeds=st.lists(st.floats(1, 500), min_size=1, max_size=4),
    runs=st.integers(1, 30),
    seconds=st.floats(0, 3),
)
def test_every_task_gets_its_runs_and_seconds(speeds, runs, seconds):
    clock = FakeClock()
    tasks = [clock.task(str(n), speed, runs=runs, seconds=seconds) for n, speed in enumerate(speeds)]
    for series in measure(tasks, clock):
        assert len(series.samples_ns) >= runs
        assert sum(series.samples_ns) >= seconds * 1e9
        assert not series.shortened


@pytest.mark.parametrize(
    ("times", "steady"),
    [([10] * 5, False), ([10] * 6, True), ([10] * 3 + [10.4] * 3, True), ([10] * 3 + [10.6] * 3, False)],
)
def test_is_steady(times, steady):
    assert is_steady(times, window=3, tolerance=0.05) is steady


def test_one_outlier_does_not_make_it_unsteady():
    assert is_steady([10, 10, 10, 10, 90, 10], window=3, tolerance=0.05)


def test_real_clock():
    (series,) = measure([Task("sum", lambda: sum(range(1000)), Effort(runs=5, seconds=0.01, warmup_least=0.001))])
    assert all(ns > 0 for ns in series.samples_ns)
    assert sum(series.samples_ns) >= 0.01e9
