"""`benchmarks.isolate` with real measuring processes: what they return, and every way in which they can end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.isolate import WorkerError, _environment, run_isolated
from benchmarks.job import Job, Target
from benchmarks.measure import Effort

ROOT = Path(__file__).resolve().parents[2]
FOREVER = Effort(runs=10_000, seconds=10_000, warmup_least=0)


@pytest.fixture
def job(tiny: Path) -> Job:
    quick = Effort(runs=5, seconds=0.01, warmup_least=0)
    return Job("latency", (Target("bundle", str(tiny)),), (("end_to_end", "model"),), (quick,), 64, 1, (0,))


def test_latency_job(job):
    answer = run_isolated(job, 60)
    assert [(series["subject"], series["part"]) for series in answer["series"]] == [(0, "end_to_end"), (0, "model")]
    for series in answer["series"]:
        assert len(series["samples_ms"]) >= 5
        assert 0 < min(series["samples_ms"]) < 1000
        assert sum(series["samples_ms"]) >= 10
        assert len(series["warmup_ms"]) >= 10
    assert answer["stolen"] is None or 0 <= answer["stolen"] <= 1


def test_start_job_is_not_misled_by_a_large_parent(job):
    hog = np.ones(400 * 2**20, np.uint8)
    answer = run_isolated(replace(job, purpose="start"), 60)
    assert hog[-1] == 1
    assert 10e6 < answer["baseline_bytes"] < answer["peak_bytes"] < 300e6
    assert answer["first_ms"] > 0
    assert answer["load_ms"] > 0
    assert (answer["engine"], answer["providers"]) == ("onnxruntime", ["CPUExecutionProvider"])
    assert answer["engine_version"][0].isdigit()


def test_an_error_for_the_user_comes_through(job, tmp_path):
    gone = replace(job, targets=(Target("bundle", str(tmp_path / "gone")),))
    with pytest.raises(WorkerError, match=r"there is no bundle .*gone"):
        run_isolated(gone, 60)


def test_a_crash_shows_the_exception(job):
    with pytest.raises(WorkerError, match="failed with status 1: KeyError: 'nonsense'"):
        run_isolated(replace(job, parts=(("nonsense",),)), 60)


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGKILL, "killed by SIGKILL: it may have run out of memory"), (signal.SIGSEGV, "killed by SIGSEGV$")],
)
def test_a_killed_worker_is_reported(job, find_worker, number, said):
    assassin = threading.Thread(target=lambda: os.kill(find_worker(os.getpid()), number))
    assassin.start()
    with pytest.raises(WorkerError, match=said):
        run_isolated(replace(job, efforts=(FOREVER,)), 60)
    assassin.join()


def test_timeout_ends_the_worker(job, find_worker, is_alive):
    seen = []
    watcher = threading.Thread(target=lambda: seen.append(find_worker(os.getpid())))
    watcher.start()
    begin = time.monotonic()
    with pytest.raises(WorkerError, match="stopped after 2 s: choose a smaller --size"):
        run_isolated(replace(job, efforts=(FOREVER,)), 2)
    assert time.monotonic() - begin < 10
    watcher.join()
    assert not is_alive(seen[0])


def test_worker_ends_and_cleans_up_when_its_parent_is_killed(job, tmp_path, find_worker, is_alive):
    code = "import sys; from benchmarks.isolate import Job, run_isolated; run_isolated(Job.from_json(sys.argv[1]), 600)"
    endless = replace(job, efforts=(FOREVER,)).to_json()
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", code, endless], cwd=ROOT, env=environment)
    worker = find_worker(parent.pid)
    time.sleep(0.5)  # until it has read its job
    assert list(tmp_path.glob("brushlet-*"))
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not is_alive(worker):
            assert list(tmp_path.glob("brushlet-*")) == []
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the measuring process outlived the process that started it")


def test_modules_of_the_users_folder_do_not_get_in_the_way(job, tmp_path, monkeypatch):
    for name in ("numpy", "json", "runtime", "benchmarks"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    assert run_isolated(job, 60)["series"]


def test_worker_has_the_threads_asked_for_and_none_spins(job, tmp_path):
    """A stand-in for the interpreter shows what the worker is started with."""
    shown = tmp_path / "shown"
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nenv > {shown}\nexit 7\n")
    fake.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(fake))
        with pytest.raises(WorkerError, match="failed with status 7: it said nothing"):
            run_isolated(replace(job, threads=3), 60)
    variables = dict(line.split("=", 1) for line in shown.read_text().splitlines() if "=" in line)
    assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "3"
    assert variables["OMP_WAIT_POLICY"] == "PASSIVE"
    assert variables["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)


def test_a_result_that_is_cut_off_is_no_result(job, tmp_path):
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\necho "{\\"series\\": [" > "$3"\necho "disk full" >&2\n')
    fake.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(fake))
        with pytest.raises(WorkerError, match="failed with status 0: disk full"):
            run_isolated(job, 60)


@pytest.mark.parametrize("answer", ['{"photo": NaN}', '{"series": [Infinity]}', "[1, 2]", "17", "{", "\\377\\376"])
def test_what_is_no_record_of_anything_is_no_result(job, tmp_path, answer):
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nprintf '{answer}' > \"$3\"\nprintf 'garbage \\001 before the end\\n' >&2\n")
    fake.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(fake))
        with pytest.raises(WorkerError, match="failed with status 0: garbage .* before the end"):
            run_isolated(job, 60)


def test_a_worker_that_chatters_is_measured_nevertheless(job, tmp_path):
    """A stand-in for the interpreter prints a lot, and then does the work."""
    fake = tmp_path / "python"
    chatter = "yes '{' | head -c 3000000\necho 'warning: odd CPU' >&2\n"
    fake.write_text(f'#!/bin/sh\n{chatter}exec {sys.executable} "$@"\n')
    fake.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(fake))
        assert len(run_isolated(job, 60)["series"]) == 2


def test_nothing_is_left_behind(job, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_isolated(job, 60)
    with pytest.raises(WorkerError):
        run_isolated(replace(job, parts=(("nonsense",),)), 60)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_changed_after_it_was_opened_is_noticed(job, tiny, tmp_path):
    copy = shutil.copytree(tiny, tmp_path / "copy")
    (copy / "paint.onnx").write_bytes(b"x" * (copy / "paint.onnx").stat().st_size)
    with pytest.raises(WorkerError, match=r"paint\.onnx is not the file that was exported"):
        run_isolated(replace(job, targets=(Target("bundle", str(copy)),)), 60)


def test_job_round_trip(job):
    assert Job.from_json(job.to_json()) == job
    everywhere = replace(job, cpus=None, batch=4, efforts=(Effort(budget=60.0),))
    assert Job.from_json(everywhere.to_json()) == everywhere


def test_folders_named_from_here_are_found_from_the_worker(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRUSHLET_WEIGHTS", "weights")
    assert _environment(1)["BRUSHLET_WEIGHTS"] == str(tmp_path / "weights")
