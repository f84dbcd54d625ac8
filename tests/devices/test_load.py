"""`devices.load` on recorded /proc/stat files."""

from __future__ import annotations

import pytest

from devices import Load, measure_load, read_ticks


def stat(*cpus: tuple[int, ...]) -> str:
    """A /proc/stat whose summary line is wrong on purpose: only the CPUs' own lines count."""
    lines = ["cpu  9 9 9 9 9 9 9 9 0 0"] + [f"cpu{n} " + " ".join(map(str, c)) for n, c in enumerate(cpus)]
    return "\n".join([*lines, "intr 1 2 3", "ctxt 5"])


def watch(recorded, before: str, after: str, **options) -> Load:
    host = recorded("raspberry-pi-5", {"proc/stat": before, "proc/loadavg": "1.25 0.9 0.8 1/99 4242\n"}, **options)
    return measure_load(host, sleep=lambda seconds: recorded("raspberry-pi-5", {"proc/stat": after}, **options))


def test_quiet_machine(recorded):
    before = stat((10, 0, 10, 1000, 5, 0, 0, 0, 0, 0), (0, 0, 0, 1000, 0, 0, 0, 0, 0, 0))
    after = stat((11, 0, 10, 1049, 5, 0, 0, 0, 0, 0), (0, 0, 0, 1050, 0, 0, 0, 0, 0, 0))
    load = watch(recorded, before, after, allowed={0, 1})
    assert load.busy == pytest.approx(0.01)
    assert load.stolen == 0
    assert (load.cpus, load.load_average) == (2, 1.25)
    assert load.warnings() == [], "a load average that lags behind does not count where the present is known"


def test_busy_machine_warns(recorded):
    before = stat((0,) * 8, (0,) * 8)
    after = stat((0, 50, 0, 0, 0, 0, 0, 0), (10, 0, 10, 30, 0, 0, 0, 0))
    load = watch(recorded, before, after, allowed={0, 1})
    assert load.busy == pytest.approx(0.7)
    assert load.warnings() == ["other work keeps 1.4 of 2 CPUs busy"]


def test_only_usable_cpus_count(recorded):
    before = stat((0,) * 8, (0,) * 8)
    after = stat((0, 0, 0, 50, 0, 0, 0, 0), (50, 0, 0, 0, 0, 0, 0, 0))
    assert watch(recorded, before, after, allowed={0}).busy == 0


def test_steal_warns_and_is_not_other_work(recorded):
    before = stat((0,) * 8)
    after = stat((0, 0, 0, 80, 10, 0, 0, 10))
    load = watch(recorded, before, after, allowed={0})
    assert load.stolen == pytest.approx(0.1)
    assert load.busy == pytest.approx(0.0), "waiting for a disk is idle too"
    assert load.warnings() == ["the hypervisor gives 10% of this machine's time to others"]


def test_old_kernels_have_fewer_fields(recorded):
    assert read_ticks(recorded("raspberry-pi-5", {"proc/stat": "cpu0 1 2 3 4 5 6 7"})).total == 28


def test_no_proc_stat_falls_back_to_the_load_average(recorded):
    load = measure_load(recorded(None, {"proc/loadavg": "1.75 1 1"}), sleep=lambda seconds: None)
    assert load.busy is load.stolen is None
    assert load.warnings() == ["the load average is 1.8 on 2 CPUs"]


def test_nothing_known_warns_of_nothing(recorded):
    load = measure_load(recorded(None, {"proc/loadavg": "what"}), sleep=lambda seconds: None)
    assert load.load_average is None
    assert load.warnings() == []


def test_this_machine():
    load = measure_load(seconds=0.05)
    assert load.cpus >= 1
    assert load.busy is None or 0 <= load.busy <= 1
