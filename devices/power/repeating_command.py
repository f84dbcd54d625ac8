"""A command that prints report after report, as tegrastats does; it never outlives us."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence

from devices.power.reading import Reading, merge

#: A report is a line, or a property list of some ten kB; what grows beyond this is neither.
LONGEST_REPORT = 2**20
#: Between two looks come a few reports, one for each GPU; of more the oldest are dropped.
MOST_REPORTS = 64
#: How long a command may take to end when it is told to, in seconds; then it is killed.
PATIENCE_S = 2.0


class RepeatingCommand:
    """A sensor that is a running command; ``parse`` makes a Reading of each of its reports.

    Its output is a pipe that only this process reads. Should this process be killed, the command's next report finds
    nobody there and ends it.
    """

    every_s = 0.0

    def __init__(
        self, name: str, command: Sequence[str], parse: Callable[[str], Reading], separator: bytes = b"\n"
    ) -> None:
        """Start the command. Raises OSError where that is not possible."""
        self.name = name
        self._parse = parse
        self._separator = separator
        self._reports: deque[bytes] = deque(maxlen=MOST_REPORTS)
        self._closing = False
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._reader = threading.Thread(target=self._collect, name=f"reading {name}", daemon=True)
        self._reader.start()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def read(self) -> Reading:
        """The reports since the last look, the newest values first; an empty reading where there is none."""
        reports = []
        while self._reports:
            reports.append(self._reports.pop().decode("utf-8", "replace"))
        return merge(map(self._parse, reports))

    def close(self) -> None:
        """End the command and wait for its end."""
        self._closing = True
        # One that runs as root, through sudo, may not be told to end. It ends when it finds its output closed.
        with contextlib.suppress(OSError):
            self._process.terminate()
        self._reader.join(PATIENCE_S)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                self._process.kill()
                self._process.wait(PATIENCE_S)

    def _collect(self) -> None:
        pending = b""
        with self._process.stdout as output:
            while not self._closing:
                piece = output.read(65536)
                if not piece:
                    break
                *complete, pending = (pending + piece).split(self._separator)
                self._reports.extend(complete)
                if len(pending) > LONGEST_REPORT:
                    pending = b""
