"""`--resume`: an interrupted matrix keeps what it measured, and goes on with the rest."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace

import pytest

from benchmarks import Record, Request, bench, bench_bundle, read_record
from benchmarks.isolate import WorkerError
from benchmarks.job import Job
from runtime import UserError
from tests.benchmarks.test_bench_bundle import QUIET, canned
from tests.benchmarks.test_cli import QUICK, errors, run, start

CELLS = [(32, 1, 1), (48, 1, 1), (32, 1, 2), (48, 1, 2)]


@pytest.fixture
def matrix(tiny, monkeypatch) -> Request:
    """Four cells on a quiet machine whose measuring processes answer at once."""
    monkeypatch.setattr(bench_bundle, "measure_load", lambda: QUIET)
    monkeypatch.setattr(bench_bundle, "run_isolated", canned)
    return Request(str(tiny), sizes=(32, 48), threads=(1,), batches=(1, 2))


@pytest.fixture
def interrupted(matrix, monkeypatch) -> Record:
    """What is kept of the matrix when the third cell fails."""
    measured, kept = [], []

    def failing(job: Job, timeout: float) -> dict:
        measured.append((job.size, job.threads, job.batch))
        if len(set(measured)) > 2:
            raise WorkerError("the measuring process was killed by SIGKILL")
        return canned(job, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(bench_bundle, "run_isolated", failing)
        with pytest.raises(WorkerError):
            bench(matrix, keep=kept.append)
    return Record.from_json(json.loads(kept[-1].to_text()))


def cells(record: Record) -> list[tuple[int, int, int]]:
    return [(result.width, result.threads, result.batch) for result in record.results]


def measured_again(request: Request, earlier: Record, monkeypatch) -> tuple[list[tuple[int, int, int]], Record]:
    jobs = []
    monkeypatch.setattr(bench_bundle, "run_isolated", lambda job, timeout: jobs.append(job) or canned(job, timeout))
    record = bench(request, earlier=earlier)
    return [(job.size, job.threads, job.batch) for job in jobs if job.purpose == "latency"], record


def test_what_is_done_is_kept(interrupted):
    assert cells(interrupted) == CELLS[:2]
    assert interrupted.unfinished == ("32x32, 1 thread, 2 pictures at once", "48x48, 1 thread, 2 pictures at once")


def test_the_rest_is_measured_and_nothing_twice(matrix, interrupted, monkeypatch):
    measured, record = measured_again(matrix, interrupted, monkeypatch)
    assert measured == CELLS[2:]
    assert cells(record) == CELLS
    assert record.results[:2] == interrupted.results
    assert (record.unfinished, record.subjects) == ((), interrupted.subjects)


def test_a_whole_record_needs_no_measuring_and_a_larger_matrix_the_difference(matrix, monkeypatch):
    whole = bench(matrix)
    measured, record = measured_again(matrix, whole, monkeypatch)
    assert (measured, record.results) == ([], whole.results)
    measured, record = measured_again(replace(matrix, sizes=(32, 40, 48)), whole, monkeypatch)
    assert measured == [(40, 1, 1), (40, 1, 2)]
    assert cells(record) == [(32, 1, 1), (40, 1, 1), (48, 1, 1), (32, 1, 2), (40, 1, 2), (48, 1, 2)]


def test_a_cell_that_is_not_asked_for_again_is_kept_too(matrix, interrupted, monkeypatch):
    measured, record = measured_again(
        replace(matrix, sizes=(64,), batches=(1,), threads=(2,)), interrupted, monkeypatch
    )
    assert measured == [(64, 2, 1)]
    assert cells(record) == [(64, 2, 1), (32, 1, 1), (48, 1, 1)]
    assert record.settings.threads == (2, 1)


def test_warnings_of_both_runs_are_kept_once(matrix, interrupted, monkeypatch):
    busy = replace(interrupted, warnings=("it was busy then",))
    assert measured_again(matrix, busy, monkeypatch)[1].warnings == ("it was busy then",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: replace(r, settings=replace(r.settings, runs=7)), "--runs and --seconds changed"),
        (lambda r: replace(r, subjects=(replace(r.subjects[0], engine="openvino"),)), "what is measured changed"),
        (lambda r: replace(r, subjects=(replace(r.subjects[0], manifest_sha256="0" * 64),)), "what is measured"),
        (lambda r: replace(r, subjects=r.subjects * 2), "what is measured changed"),
        (lambda r: replace(r, environment={**r.environment, "machine": {"name": "another"}}), "the machine changed"),
        (lambda r: replace(r, environment={**r.environment, "packages": {}}), "the versions of packages changed"),
    ],
)
def test_figures_that_do_not_belong_together_are_not_put_together(matrix, interrupted, monkeypatch, change, said):
    monkeypatch.setattr(bench_bundle, "run_isolated", lambda *args: pytest.fail("it was measured nevertheless"))
    with pytest.raises(UserError, match=f"--resume: {said}"):
        bench(matrix, earlier=change(interrupted))


def test_interrupt_and_resume_from_the_command_line(tiny, tmp_path):
    command = (
        tiny,
        "--size",
        "32",
        "--size",
        "64",
        "--runs",
        "3",
        "--seconds",
        "0.01",
        "--threads",
        "1",
        "-o",
        "r.json",
    )
    process = start(tmp_path, *command)
    while not (tmp_path / "r.json").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "kept: 1 measured, 1 to do: the same command with --resume r.json goes on" in err
    kept = read_record(tmp_path / "r.json")
    assert (cells(kept), kept.unfinished) == ([(32, 1, 1)], ("64x64, 1 thread",))
    status, out, err = run(tmp_path, *command[:-2], "--resume", "r.json")
    assert status == 0, err
    assert "measuring tiny at 32x32" not in err
    whole = read_record(tmp_path / "r.json")
    assert cells(whole) == [(32, 1, 1), (64, 1, 1)]
    assert whole.results[0] == kept.results[0]
    assert "32x32" in out


def test_a_record_that_is_not_there(tiny, tmp_path):
    status, _, err = run(tmp_path, tiny, *QUICK, "--resume", "gone.json")
    assert (status, errors(err)) == (1, ["error: gone.json is missing or is not a plain file"])
