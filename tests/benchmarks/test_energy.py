"""Sensors beside a benchmark: `benchmarks.energy`, `benchmarks.sensing`, `benchmarks.power_lines`, and the record."""

from __future__ import annotations

import io
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks import Record, RecordError, Request, bench, energy, sensing
from benchmarks.energy import Energy
from benchmarks.power_lines import energy_sentences, sensor_lines
from benchmarks.sensing import Sensing, measure_energy, sensor_doubts, tells_power, watch
from benchmarks.table import render
from devices.power import Rail, Reading, Sample, Sensors, Spread, Watch

ORIN = "VDD_IN 5299mW/5299mW VDD_CPU_GPU_CV 773mW/773mW VDD_SOC 1424mW/1424mW"


def seen(watts: float, seconds: float, samples: int = 25, **others) -> Watch:
    rails = (Rail("VDD_IN", watts, watts + 1, True), Rail("VDD_SOC", 1.4, 1.5, False))
    given = {"rails": rails, "clocks": (), "temperatures": (), "throttled": None, **others}
    return Watch(seconds, samples, **given)


def of(running: float = 12.0, idle: float = 5.0, seconds: float = 5.0, runs: int = 100) -> Energy:
    return Energy(0, "end_to_end", runs, seen(idle, 2.0), seen(running, seconds))


def test_energy_is_mean_power_times_the_time_of_a_run():
    assert of().total_j == pytest.approx(12.0 * 0.05)
    assert of().above_idle_j == pytest.approx(7.0 * 0.05)
    assert of().rails == ("VDD_IN",), "a rail behind another is not counted twice"


@given(st.floats(0.1, 500), st.floats(0, 500), st.floats(0.1, 100), st.integers(1, 10**6))
def test_energy_above_idle_is_the_total_less_idling(running, idle, seconds, runs):
    found = of(running, idle, seconds, runs)
    assert found.above_idle_j == pytest.approx(found.total_j - idle * seconds / runs, abs=1e-9)
    raw = json.loads(json.dumps(as_json(found)))
    assert Energy.read(*as_fields(raw), 1) == found


def as_json(found: Energy) -> dict:
    from dataclasses import asdict

    return {**asdict(found), "total_j": found.total_j, "above_idle_j": found.above_idle_j}


def as_fields(raw: dict):
    from runtime.json_fields import Fields

    return Fields(raw, "energies[0]", RecordError), raw


def with_sensors(record: Record, **environment) -> Record:
    found = seen(
        9.0,
        3.0,
        clocks=(Spread("gpu", 612.0, 1020.0, 1020.0), Spread("cpu", 1510.0, 1510.0, 1510.0)),
        temperatures=(Spread("cpu", 40.0, 44.0, 47.0), Spread("tj", 48.0, 55.0, 61.4)),
        throttled=("gpu-throttle-alert",),
    )
    first = replace(record.results[0], watch=found, energies=(of(),))
    power = {"mode": "15W", "not_available": []}
    return replace(
        record, results=(first, *record.results[1:]), environment={**record.environment, "power": power, **environment}
    )


def test_a_record_with_sensors_round_trips(record):
    own = with_sensors(record)
    data = json.loads(own.to_text())
    assert data["results"][0]["energies"][0]["total_j"] == pytest.approx(0.6)
    assert Record.from_json(data) == own


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: e.update(total_j=0.1), "'total_j' is not that of the power and the runs"),
        (lambda e: e["running"]["rails"][0].update(mean_w=1.0), "the record was changed"),
        (lambda e: e.update(subject=7), "'subject' must be a whole number"),
        (lambda e: e.pop("idle"), "'idle' is missing"),
        (lambda e: e["running"].update(throttled=[1]), "'throttled' must be a list of texts"),
        (lambda e: e["running"].update(samples=-1), "'samples' must be a whole number"),
    ],
)
def test_an_edited_energy_is_noticed(record, change, said):
    data = with_sensors(record).to_json()
    change(data["results"][0]["energies"][0])
    with pytest.raises(RecordError, match=said):
        Record.from_json(data)


def test_a_record_of_schema_2_is_still_read(record):
    data = record.to_json()
    data["schema"] = 2
    del data["environment"]["power"]
    for result in data["results"]:
        del result["watch"], result["energies"]
    old = Record.from_json(data)
    assert [(result.watch, result.energies) for result in old.results] == [(None, ())] * len(old.results)
    assert sensor_lines(old) == []


def test_what_people_read(record):
    own = with_sensors(record)
    (sentence,) = energy_sentences(own)
    assert sentence == (
        "tiny takes 0.6 J a picture at 32x32, end to end, 0.35 J of it above idle (mean of VDD_IN: 12 W running alone, "
        "5 W idle)"
    )
    mode, line, *_ = sensor_lines(own)
    assert mode == "power mode: 15W"
    assert line == (
        "at 32x32: gpu 1020 MHz (612 to 1020), cpu 1510 MHz, at most 61 °C (tj), throttled: gpu-throttle-alert, 9 W "
        "while all took turns"
    )
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render(own))
    assert "0.35 J of it above idle" in " ".join(console.export_text().split())


@pytest.mark.parametrize("power", [None, "yes", {"mode": 3, "not_available": [None, "power: no sensor"]}])
def test_a_strangers_environment_breaks_no_table(record, power):
    lines = sensor_lines(replace(record, environment={"power": power} if power else {}))
    assert all(isinstance(line, str) for line in lines)


def test_doubts_are_about_heat_and_moving_clocks(record):
    held, moved = sensor_doubts(with_sensors(record).results[0].watch)
    assert held == "clocks were held down meanwhile (gpu-throttle-alert)"
    assert moved == "the gpu clock moved between 612 and 1020 MHz meanwhile: fix it, and measure again"
    assert sensor_doubts(None) == sensor_doubts(seen(9.0, 3.0, clocks=(Spread("gpu", 990, 1000, 1020),))) == []


class Fake:
    """A sampler whose samples are given."""

    def __init__(self, *samples: Sample) -> None:
        self.samples = samples

    @property
    def rails(self) -> set[str]:
        return {name for sample in self.samples for name in sample.reading.whole}

    def between(self, begin: float, end: float) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if begin <= sample.at <= end)


def samples(begin: int, end: int, **watts: float) -> list[Sample]:
    return [Sample(float(at), Reading(watts=watts, whole=tuple(watts))) for at in range(begin, end)]


ANSWER = {"idle": [0.0, 9.5], "running": [10.0, 20.0], "runs": 50}


def test_each_half_counts_its_own_samples():
    sampler = Fake(*samples(0, 10, VDD_IN=4.0), *samples(10, 21, VDD_IN=9.0))
    found = measure_energy(sampler, 0, "model", "onnxruntime", lambda: ANSWER)
    assert (found.idle.total_w, found.running.total_w, found.runs) == (4.0, 9.0, 50)
    assert found.above_idle_j == pytest.approx(1.0)


@pytest.mark.parametrize(
    "sampler",
    [
        Fake(*samples(0, 2, VDD_IN=4.0), *samples(10, 21, VDD_IN=9.0)),
        Fake(*samples(0, 10, VDD_IN=4.0), *samples(10, 21, VDD_IN=9.0, VDD_SOC=2.0)),
    ],
)
def test_too_few_looks_and_other_rails_give_no_energy(sampler):
    assert measure_energy(sampler, 0, "model", "onnxruntime", lambda: ANSWER) is None


def test_without_a_power_sensor_nothing_is_run_for_it():
    def run():
        raise AssertionError("ten seconds for nothing")

    assert measure_energy(None, 0, "model", "onnxruntime", run) is None
    assert measure_energy(Fake(Sample(0.0, Reading(celsius={"tj": 40.0}))), 0, "model", "onnxruntime", run) is None
    assert measure_energy(Fake(*samples(0, 9, gpu0=70.0)), 0, "model", "onnxruntime", run) is None
    assert tells_power(Fake(*samples(0, 9, gpu0=70.0)), "tensorrt-rtx")
    assert watch(None, (0.0, 1.0)) is None


def test_sensors_are_not_looked_for_unless_they_are_wanted(monkeypatch):
    monkeypatch.setattr(sensing, "find_sensors", lambda: pytest.fail("not wanted"))
    unwanted = Sensing(wanted=False)
    with unwanted.beside((0,)) as sampler:
        assert sampler is None
    assert unwanted.to_json() == {"mode": None, "not_available": ["power: not asked for (--no-power)"]}


def test_a_reason_is_told_once(monkeypatch):
    def broken():
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sensing, "find_sensors", lambda: Sensors((broken,), True, "MAXN", ("power: a reason",), 0.01))
    wanted = Sensing(wanted=True)
    for _ in range(3):
        with wanted.beside(()):
            pass
    told = wanted.to_json()
    assert told["mode"] == "MAXN"
    assert len(told["not_available"]) == 2


@pytest.fixture
def fake_jetson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands on the path as on a Jetson; each tegrastats notes its process id."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "tegrastats": f'echo $$ >> "{folder}/ids"\nwhile :; do echo "{ORIN} tj@48.875C"; sleep 0.05; done\n',
        "nvpmodel": 'echo "NV Power Mode: 15W"; echo 0\n',
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(energy, "PACE", {"settling_s": 0.1, "idle_s": 1.5, "running_s": 1.5})
    return folder


@pytest.mark.skipif(os.name != "posix", reason="the fake is a shell script")
def test_a_benchmark_on_a_machine_with_tegrastats(fake_jetson, tiny):
    record = bench(Request(str(tiny), sizes=(32,), threads=(1,), runs=5, seconds=0.5))
    (result,) = record.results
    (found,) = result.energies
    names = {rail.name for rail in found.running.rails}
    if "VDD_IN" not in names:
        pytest.skip(f"this machine has sensors of its own: {names}")
    assert record.environment["power"]["mode"] == "15W"
    assert found.part == "end_to_end"
    assert found.runs >= 5
    watts = dict((rail.name, rail.mean_w) for rail in found.running.rails)
    assert watts["VDD_IN"] == pytest.approx(5.299)
    if found.rails == ("VDD_IN",):
        assert found.total_j == pytest.approx(5.299 * found.running.seconds / found.runs)
        assert found.above_idle_j == pytest.approx(0.0, abs=1e-6)
    assert Record.from_json(record.to_json()) == record
    for number in map(int, (fake_jetson / "ids").read_text().split()):
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)
    alive = subprocess.run(["ps", "-A", "-o", "args"], capture_output=True, text=True, check=False).stdout
    assert str(fake_jetson / "tegrastats") not in alive
