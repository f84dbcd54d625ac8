"""`benchmarks.worker` and `benchmarks.memory` by themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import memory, worker
from benchmarks.job import Job, Target
from benchmarks.measure import Effort
from benchmarks.subjects import LoadedSubject

ROOT = Path(__file__).resolve().parents[2]


def test_without_a_job_it_says_how_it_is_started(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker", str(tmp_path / "result.json")], cwd=ROOT, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1
    assert "it is started by `brushlet bench`" in json.loads((tmp_path / "result.json").read_text())["error"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin processes")
def test_pins_itself_and_puts_up_with_cpus_it_may_not_use():
    cpu = min(os.sched_getaffinity(0))
    code = f"import os; from benchmarks.worker import _pin; _pin(({cpu},)); _pin((100000,)); _pin(None)"
    code += "; print(sorted(os.sched_getaffinity(0)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [cpu]


@pytest.mark.parametrize(("seconds", "runs"), [(10.0, 1 + worker.RUNS_FOR_MEMORY), (0.0, 1)])
def test_a_slow_subject_runs_once_for_its_memory(monkeypatch, seconds, runs):
    calls = []
    loaded = LoadedSubject("d", "e", "1", (), {"model": lambda: calls.append(1)})
    monkeypatch.setattr(worker, "SECONDS_FOR_MEMORY", seconds)
    monkeypatch.setattr("benchmarks.subjects.open_subject", lambda *asked: loaded)
    answer = worker.run_job(Job("start", (Target("bundle", "x"),), (("model",),), (Effort(),), 64, 1, None))
    assert len(calls) == runs
    assert answer["first_ms"] >= 0


@pytest.mark.parametrize(
    ("says", "found"),
    [("1024\\n2048", 3072 * 2**20), ("[N/A]", None), ("", None), ("exit 9", None)],
)
def test_memory_in_use_on_gpus(tmp_path, monkeypatch, says, found):
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\nexit 9\n" if says == "exit 9" else f"#!/bin/sh\nprintf '{says}'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory.gpu_bytes() == found


def test_without_nvidia_smi_nothing_is_known_of_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory.gpu_bytes() is None


@pytest.mark.parametrize(
    ("engine", "found"), [("tensorrt", 3 * 10**8), ("tensorrt-rtx", 3 * 10**8), ("openvino", None)]
)
def test_what_a_subject_takes_on_the_gpu_is_what_is_in_use_more(monkeypatch, engine, found):
    readings = iter([5 * 10**8, 8 * 10**8])
    monkeypatch.setattr(memory, "gpu_bytes", lambda: next(readings))
    loaded = LoadedSubject("d", "e", "1", (), {"model": lambda: None})
    monkeypatch.setattr("benchmarks.subjects.open_subject", lambda *asked: loaded)
    job = Job("start", (Target("bundle", "x", engine),), (("model",),), (Effort(),), 64, 1, None)
    assert worker.run_job(job)["gpu_bytes"] == found


def test_peak_of_memory_stays_when_the_memory_is_given_back():
    code = (
        "import numpy as np; from benchmarks import memory; before = memory.peak_bytes()\n"
        "block = np.ones(200_000_000, np.uint8); del block\n"
        "print(memory.peak_bytes() - before, memory.peak_bytes() - (memory.resident_bytes() or 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    grown, given_back = map(int, done.stdout.split())
    assert grown == pytest.approx(200e6, rel=0.1)
    assert given_back > 150e6


def test_memory_without_proc(monkeypatch):
    monkeypatch.setattr(memory, "_STATUS", Path("/nonexistent"))
    assert memory.resident_bytes() is None
    assert memory.peak_bytes() > 10e6
    monkeypatch.setitem(sys.modules, "resource", None)
    assert memory.peak_bytes() is None


def test_resident_memory_is_plausible():
    block = np.ones(50_000_000, np.uint8)
    assert memory.resident_bytes() > block.nbytes
