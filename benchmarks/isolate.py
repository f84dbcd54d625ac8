"""Run a job in a process of its own, and turn every way in which that can fail into one clear line.

A fresh process has no other model's memory, threads or warm caches in it, and when it dies it takes nothing along.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.job import Job
from benchmarks.worker import FOLDER_PREFIX
from runtime.errors import UserError

_PACKAGES = Path(__file__).resolve().parents[1]
_MOST_RESULT_BYTES = 256 * 2**20
#: Set before the libraries load, which read them once. A waiting thread sleeps: one that spins slows the other subject.
_THREAD_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_FOLDERS = ("BRUSHLET_WEIGHTS", "BRUSHLET_CACHE")
_NO_SPINNING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


class WorkerError(UserError):
    """The measuring process failed, was killed, or took too long."""


def run_isolated(job: Job, timeout: float) -> dict[str, Any]:
    """Run ``job`` in a fresh process and return what it measured (see ``benchmarks.worker``).

    Raises WorkerError when the process reports an error, crashes, is killed, leaves no result, or takes more than
    ``timeout`` seconds; it is gone then. When this process dies, the worker ends too: it watches its standard input.
    """
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        result, log = Path(folder) / "result.json", Path(folder) / "log.txt"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", str(result)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                bufsize=0,
                cwd=folder,  # `-m` puts it on the module path, where a user's folder could hide our modules
                env=_environment(job.threads),
            )
        try:
            _send(process, job)
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise WorkerError(
                f"the measurement was stopped after {timeout:g} s: choose a smaller --size, fewer --runs, or a longer "
                "--timeout"
            ) from None
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdin.close()
        return _read_result(result, process.returncode, log)


def _environment(threads: int) -> dict[str, str]:
    paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    counts = {name: str(threads) for name in _THREAD_COUNTS}
    # The worker runs in a folder of its own: ours named from here must still be found from there.
    folders = {name: os.path.abspath(os.environ[name]) for name in _FOLDERS if os.environ.get(name)}
    return {**os.environ, **folders, **counts, **_NO_SPINNING, "PYTHONPATH": os.pathsep.join(paths)}


def _send(process: subprocess.Popen[bytes], job: Job) -> None:
    """Write the job; the pipe stays open, since its end tells the worker that we are gone."""
    with contextlib.suppress(BrokenPipeError):  # it died at once; its exit status says more
        process.stdin.write(job.to_json().encode() + b"\n")


def _read_result(path: Path, status: int, log: Path) -> dict[str, Any]:
    if status < 0:
        hint = ": it may have run out of memory, try a smaller --size" if -status == signal.SIGKILL else ""
        raise WorkerError(f"the measuring process was killed by {_signal_name(-status)}{hint}")
    try:
        with open(path, "rb") as stream:
            answer = json.loads(stream.read(_MOST_RESULT_BYTES), parse_constant=_refuse_constant)
        if not isinstance(answer, dict):
            raise ValueError("a result is a JSON object")
    except (OSError, ValueError):
        raise WorkerError(f"the measuring process failed with status {status}: {_last_line(log)}") from None
    if "error" in answer:
        raise WorkerError(answer["error"])
    return answer


def _refuse_constant(name: str) -> None:
    """A figure that is not finite would end up in no record: better that its process failed."""
    raise ValueError(f"{name} is not a JSON number")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(log: Path) -> str:
    """What the process said last, usually the exception."""
    with open(log, "rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = stream.read().decode(errors="replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it said nothing")
