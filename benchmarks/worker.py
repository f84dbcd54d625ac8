"""The measuring process: ``python -m benchmarks.worker RESULT``, with one line of JSON (a Job) on standard input.

RESULT becomes a JSON object with what was measured, or with ``error``, one line for the user. Started by
``benchmarks.isolate``, which also sets the thread counts in its environment.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import memory
from benchmarks.job import Job
from benchmarks.measure import Series, Task, measure
from benchmarks.together import together
from devices import Host, load_between, read_ticks
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

if TYPE_CHECKING:
    from benchmarks.file_run import FileRun

#: How the folder is called that a worker is started in.
FOLDER_PREFIX = "brushlet-bench-"
#: After the first run come at most this many before the peak of memory is read (allocators settle within a few),
#: and no further one once they took this many seconds.
RUNS_FOR_MEMORY = 3
SECONDS_FOR_MEMORY = 10.0


def run_job(job: Job) -> dict[str, Any]:
    """Measure, in this process. Raises UserError for what the user can put right."""
    _pin(job.cpus)
    return _PURPOSES[job.purpose](job)


def _measure_start(job: Job) -> dict[str, Any]:
    """Loading, first run and memory of one target in a process that has run nothing yet."""
    # The import of numpy and Pillow belongs to the baseline, that of the engine to the target.
    from benchmarks.subjects import open_subject

    on_gpu = job.targets[0].engine.startswith("tensorrt")
    gpu_before = memory.gpu_bytes() if on_gpu else None
    baseline, begin = memory.resident_bytes(), time.perf_counter_ns()
    part = job.parts[0][0]
    subject = open_subject(job.targets[0], [part], job.size, job.threads)
    call = together(subject.calls[part], job.batch)
    loaded = time.perf_counter_ns()
    call()
    first = time.perf_counter_ns()
    for _ in range(RUNS_FOR_MEMORY):
        if time.perf_counter_ns() - loaded < SECONDS_FOR_MEMORY * 1e9:
            call()
    return {
        "load_ms": (loaded - begin) / 1e6,
        "first_ms": (first - loaded) / 1e6,
        "baseline_bytes": baseline,
        "peak_bytes": memory.peak_bytes(),
        "gpu_bytes": _grown(gpu_before),
        "description": subject.description,
        "engine": subject.engine,
        "engine_version": subject.engine_version,
        "providers": list(subject.providers),
    }


def _grown(gpu_before: int | None) -> int | None:
    """By how much the memory in use on the GPUs grew, asked while the subject is still loaded."""
    now = None if gpu_before is None else memory.gpu_bytes()
    return None if now is None else max(0, now - gpu_before)


def _measure_latency(job: Job) -> dict[str, Any]:
    """All parts of all targets, interleaved."""
    from benchmarks.subjects import open_subject

    tasks, with_stages = [], {}
    for number, (target, parts, effort) in enumerate(zip(job.targets, job.parts, job.efforts, strict=True)):
        calls = open_subject(target, parts, job.size, job.threads).calls
        tasks += [Task(f"{number} {part}", together(calls[part], job.batch), effort) for part in parts]
        with_stages |= {f"{number} {part}": calls[part] for part in parts if part == "files"}
    # What is alive now stays alive; without this, a collection would walk through all of a large library.
    gc.collect()
    gc.freeze()
    host = Host()
    before, begin, own_before = read_ticks(host), time.monotonic(), time.process_time()
    series = measure(tasks)
    end, load = time.monotonic(), load_between(host, before, read_ticks(host))
    own = (time.process_time() - own_before) / (end - begin) / load.cpus
    return {
        "series": [_series_to_json(each, job.batch, with_stages.get(each.name)) for each in series],
        "stolen": load.stolen,
        "others": None if load.busy is None else min(1.0, max(0.0, load.busy - own)),
        "running": [begin, end],
    }


def _measure_energy(job: Job) -> dict[str, Any]:
    from benchmarks.energy import energy_job

    return energy_job(job)


def _prepare(job: Job) -> dict[str, Any]:
    from benchmarks.peers.prepare import prepare_job

    return prepare_job(job)


def _count_macs(job: Job) -> dict[str, Any]:
    from benchmarks.count_macs import count_job

    return count_job(job)


def _judge(job: Job) -> dict[str, Any]:
    from benchmarks.judged import judge_job

    return judge_job(job)


#: Each loads only what it needs: what a process has loaded counts as its memory.
_PURPOSES = {
    "start": _measure_start,
    "latency": _measure_latency,
    "energy": _measure_energy,
    "prepare": _prepare,
    "macs": _count_macs,
    "judge": _judge,
}


def _series_to_json(series: Series, batch: int, run: FileRun | None) -> dict[str, Any]:
    from benchmarks.file_run import stage_medians_ms

    subject, part = series.name.split(" ")
    return {
        "subject": int(subject),
        "part": part,
        "warmup_ms": [ns / 1e6 for ns in series.warmup_ns],
        "steady": series.steady,
        "shortened": series.shortened,
        "samples_ms": [ns / 1e6 for ns in series.samples_ns],
        "batch": batch,
        "stages_ms": stage_medians_ms(run.laps[-batch * len(series.samples_ns) :]) if run else {},
    }


def _pin(cpus: tuple[int, ...] | None) -> None:
    """Stay on these CPUs; where that is not allowed, the scheduler decides."""
    if cpus is not None and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, cpus)


def _read_line(descriptor: int) -> str:
    """One line, unbuffered, so that the thread that waits for the end of the input can use the descriptor itself."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, 65536)
        if not piece:
            raise UserError("the measuring process got no job: it is started by `brushlet bench`")
        line += piece
    return line.decode()


def _end_with_parent(descriptor: int, folder: Path) -> None:
    """Leave at once when the process that started this one is gone, since nobody would read the result.

    The parent cannot remove the folder it made for this process then, so it is removed here.
    """
    while os.read(descriptor, 65536):
        pass
    if folder.name.startswith(FOLDER_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def main(result: Path, descriptor: int = 0) -> int:
    """Read a job from ``descriptor``, run it, write ``result``; returns the exit status."""
    try:
        job = Job.from_json(_read_line(descriptor))
        threading.Thread(target=_end_with_parent, args=(descriptor, result.absolute().parent), daemon=True).start()
        answer = run_job(job)
    except UserError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "there is not enough memory for this: choose a smaller --size"}
    write_atomically(result, json.dumps(answer).encode())
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
