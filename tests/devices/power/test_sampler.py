"""`devices.power`: which sensors a machine has, and looking at them while something else runs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from devices import Host
from devices.power import Reading, Sample, Sampler, Sensors, find_sensors, summarize
from devices.power.reading import Polled, merge
from devices.power.sensors import NO_SENSOR
from tests.devices.power.recorded import TEGRASTATS


def sensors(*read, power: bool = True, interval: float = 0.01) -> Sensors:
    openers = tuple((lambda each=each: Polled("fake", each)) for each in read)
    return Sensors(openers, power, None, (), interval)


def test_samples_are_those_of_the_interval():
    begin = time.monotonic()
    with Sampler(sensors(lambda: Reading(watts={"VDD_IN": 5.0}, whole=("VDD_IN",)))) as sampler:
        time.sleep(0.2)
        middle = time.monotonic()
        time.sleep(0.2)
    end = time.monotonic()
    first, all_of_them = sampler.between(begin, middle), sampler.between(begin, end)
    assert 3 <= len(first) < len(all_of_them) <= 45
    assert [sample.at for sample in all_of_them] == sorted(sample.at for sample in all_of_them)
    assert sampler.between(end, end + 1) == ()
    assert (sampler.rails, sampler.reasons) == ({"VDD_IN"}, ())


def test_its_thread_ends_with_the_block():
    with pytest.raises(KeyboardInterrupt), Sampler(sensors(lambda: Reading())):
        raise KeyboardInterrupt
    assert "sensors" not in {thread.name for thread in threading.enumerate()}


def test_a_sensor_that_fails_costs_its_figures_only():
    def broken() -> Reading:
        raise OSError(5, "Input/output error")

    def refused():
        raise PermissionError(13, "Permission denied")

    found = sensors(broken, lambda: Reading(celsius={"tj": 50.0}))
    found = Sensors((refused, *found.openers), True, None, ("power: known before",), 0.01)
    with Sampler(found) as sampler:
        time.sleep(0.1)
    assert len(sampler._samples) > 3
    assert all(sample.reading.celsius == {"tj": 50.0} for sample in sampler._samples)
    known, opened, failed = sampler.reasons
    assert known == "power: known before"
    assert "Permission denied" in opened and "Input/output error" in failed


def test_sensors_that_say_nothing_of_power_are_told():
    with Sampler(sensors(lambda: Reading(celsius={"tj": 50.0}))) as sampler:
        time.sleep(0.05)
    assert sampler.rails == frozenset()
    assert "root only" in sampler.reasons[0]


def test_a_slow_sensor_is_read_seldom():
    looks = []
    slow = Polled("slow", lambda: looks.append(1) or Reading(), every_s=30.0)
    with Sampler(Sensors((lambda: slow,), False, None, (), 0.01)) as sampler:
        time.sleep(0.1)
    assert len(looks) == 1
    assert len(sampler._samples) > 3


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not pin threads")
def test_it_keeps_off_the_cpus_that_measure():
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("needs two CPUs")
    seen = []
    taken = {min(before)}
    with Sampler(sensors(lambda: seen.append(os.sched_getaffinity(0)) or Reading()), avoid=taken):
        time.sleep(0.05)
    assert seen[0] == before - taken
    assert os.sched_getaffinity(0) == before, "whoever started it stays where they were"
    seen.clear()
    with Sampler(sensors(lambda: seen.append(os.sched_getaffinity(0)) or Reading()), avoid=before):
        time.sleep(0.05)
    assert seen[0] == before, "there is no other"


def test_a_summary():
    samples = [
        Sample(
            float(number),
            Reading(
                watts={"VDD_IN": 4.0 + number, "VDD_SOC": 1.0},
                whole=("VDD_IN",),
                megahertz={"gpu": 1000.0 - 100 * number},
                celsius={"tj": 50.0 + number},
                throttled=("gpu-throttle-alert",) if number == 3 else (),
            ),
        )
        for number in range(5)
    ]
    seen = summarize(samples, 5.0)
    assert seen.total_w == pytest.approx(6.0)
    assert [(rail.name, rail.mean_w, rail.peak_w, rail.whole) for rail in seen.rails] == [
        ("VDD_IN", 6.0, 8.0, True),
        ("VDD_SOC", 1.0, 1.0, False),
    ]
    (clock,), (heat,) = seen.clocks, seen.temperatures
    assert (clock.least, clock.median, clock.most) == (600.0, 800.0, 1000.0)
    assert (heat.name, heat.most) == ("tj", 54.0)
    assert seen.throttled == ("gpu-throttle-alert",)


def test_nothing_seen_is_nothing_said():
    seen = summarize([Sample(0.0, Reading()), Sample(1.0, Reading())], 1.0)
    assert (seen.rails, seen.clocks, seen.temperatures, seen.throttled, seen.total_w) == ((), (), (), None, None)
    assert summarize([], 1.0).samples == 0


def test_of_two_sensors_by_one_name_the_first_counts():
    merged = merge(
        [
            Reading(watts={"a": 1.0}, whole=("a",), throttled=()),
            Reading(watts={"a": 2.0, "b": 3.0}, whole=("a", "b"), throttled=("hot",)),
        ]
    )
    assert merged.watts == {"a": 1.0, "b": 3.0}
    assert merged.whole == ("a", "b")
    assert merged.throttled == ("hot",)


@pytest.fixture
def fake_tegrastats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with a `tegrastats` that prints an Orin's line at the interval that it is asked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "tegrastats"
    script.write_text(
        '#!/bin/sh\n[ "$1" = --interval ] || exit 1\nwhile :; do\n'
        f'  echo "{TEGRASTATS["orin-nx"][0]}"\n  sleep 0.05\ndone\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_a_jetson_without_readable_files_runs_tegrastats(fake_tegrastats, tmp_path):
    jetson = Host(root=tmp_path / "root", run=lambda command: "NV Power Mode: 15W\n0")
    found = find_sensors(jetson, {0})
    assert (found.power, found.mode, found.reasons) == (True, "15W", ())
    begin = time.monotonic()
    with Sampler(found) as sampler:
        time.sleep(1.0)
    seen = summarize(sampler.between(begin, time.monotonic()), 1.0)
    assert seen.total_w == pytest.approx(5.299)
    assert {clock.name: clock.median for clock in seen.clocks} == {"gpu": 611, "memory": 2133, "cpu": 729}


def test_a_machine_that_tells_nothing_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_sensors(Host(root=tmp_path, run=lambda command: None))
    assert (found.openers, found.power, found.reasons) == ((), False, (NO_SENSOR,))
    with Sampler(found) as sampler:
        time.sleep(0.05)
    assert sampler.reasons == (NO_SENSOR,)
    assert found.to_json() == {"mode": None, "not_available": [NO_SENSOR]}
