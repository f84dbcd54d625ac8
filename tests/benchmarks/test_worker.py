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
