"""A worker process, watched: whatever happens to it, the test goes on and knows what happened."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: No job takes a second; a loaded machine may take many.
PATIENCE = 120
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Watched:
    """One worker at a time, started when it is needed and again after it died; usable as a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._heard = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)

    def do(self, job: str, path: Path) -> dict[str, Any]:
        """The worker's answer; ``outcome`` is "died" or "hung" where there is none, and ``text`` says of what."""
        process = self._running()
        try:
            print(json.dumps({"job": job, "path": str(path)}), file=process.stdin, flush=True)
            if not select.select([process.stdout], [], [], PATIENCE)[0]:
                self.close()
                return {"outcome": "hung", "text": f"no answer within {PATIENCE} s", "outside": []}
            if line := process.stdout.readline():
                return json.loads(line)
        except BrokenPipeError:
            pass
        return {"outcome": "died", "text": f"{_cause(process.wait())}; it said: {self._last_words()}", "outside": []}

    def close(self) -> None:
        """End the worker."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        self._heard.close()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            environment = {**os.environ, "PYTHONPATH": str(ROOT), **dict.fromkeys(_THREADS, "1")}
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("worker.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._heard,
                text=True,
                env=environment,
            )
        return self._process

    def _last_words(self) -> str:
        size = self._heard.seek(0, os.SEEK_END)
        self._heard.seek(max(0, size - 500))
        return self._heard.read().decode(errors="replace")


def _cause(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
