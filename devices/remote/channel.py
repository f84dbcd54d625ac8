"""Frames to and from the agent on a device, over the pipes of one local process such as ssh."""

from __future__ import annotations

import contextlib
import math
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence

from devices.errors import DeviceError
from devices.remote import agent

#: Answers of the agent are small; a device that sends more is broken or hostile.
MOST_FRAME_BYTES = 2**23
#: What a login script may print before the agent speaks.
MOST_CHATTER_BYTES = 2**16
PING_SECONDS = 5.0
#: For the process to end by itself once its input is closed: the agent removes its files meanwhile.
FAREWELL_SECONDS = 8.0
_MOST_SAID_BYTES = 2**14


class ConnectionLost(DeviceError):
    """The line to the device is cut, or was silent for too long."""


class Channel:
    """One process whose other end is the agent.

    Args:
        command: what to run here.
        host: how to call the device in messages.
        patience: seconds without a sign of life after which the line counts as cut.

    Raises:
        FileNotFoundError: there is no such command here.
    """

    def __init__(self, command: Sequence[str], host: str, patience: float) -> None:
        self._host, self._patience = host, patience
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        try:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, bufsize=0
            )
        except BaseException:
            self._stderr.close()
            raise
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        self._buffer = bytearray()
        self._sound = False  # there is an agent that hears us
        self._heard = self._pinged = time.monotonic()

    def greet(self, introduction: bytes, patience: float) -> bool:
        """Send the agent's text, and wait for its first words; False if the process ends without them."""
        usual, self._patience = self._patience, patience
        try:
            self._write(introduction)
            while (start := self._buffer.find(agent.GREETING)) < 0:
                if len(self._buffer) > MOST_CHATTER_BYTES:
                    raise DeviceError(f"{self._host} prints without end where brushlet's agent should speak")
                self._wait(False)
        except ConnectionLost:
            if self._process.poll() is None:
                raise
            return False
        finally:
            self._patience = usual
        del self._buffer[: start + len(agent.GREETING)]
        self._sound = True
        return True

    def send(self, kind: str, payload: bytes = b"") -> None:
        """Send a frame. Raises ConnectionLost."""
        self._write(b"%s %d\n" % (kind.encode(), len(payload)) + payload)

    def receive(self, deadline: float = math.inf) -> tuple[str, bytes]:
        """The next frame that is more than a sign of life.

        Args:
            deadline: of ``time.monotonic``, after which signs of life are not enough.

        Raises:
            ConnectionLost: there is none any more.
            DeviceError: what comes is no frame, or only signs of life came until the deadline.
        """
        while True:
            kind, payload = self._frame()
            if kind != "alive":
                return kind, payload
            if time.monotonic() > deadline:
                self._sound = False
                raise DeviceError(f"{self._host} does not end what should have been over by now: look at it there")

    def _frame(self) -> tuple[str, bytes]:
        while (end := self._buffer.find(b"\n", 0, 64)) < 0:
            if len(self._buffer) >= 64:
                raise self._nonsense()
            self._wait(False)
        words = bytes(self._buffer[:end]).split()
        if len(words) != 2 or not words[0].isalpha() or not words[1].isdigit() or int(words[1]) > MOST_FRAME_BYTES:
            raise self._nonsense()
        size = int(words[1])
        while len(self._buffer) < end + 1 + size:
            self._wait(False)
        payload = bytes(self._buffer[end + 1 : end + 1 + size])
        del self._buffer[: end + 1 + size]
        return words[0].decode(), payload

    def _nonsense(self) -> DeviceError:
        self._sound = False
        return DeviceError(f"{self._host} sends what brushlet's agent never would: the line is damaged, or not to it")

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._wait(True):
                try:
                    view = view[os.write(self._in, view[: 2**16]) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise self._lost() from None
                self._pinged = time.monotonic()

    def _wait(self, to_write: bool) -> bool:
        """Read what is there, ping if it is time, and say whether there is room to write."""
        if not to_write and time.monotonic() - self._pinged > min(PING_SECONDS, self._patience / 4):
            self._ping()
        timeout = min(1.0, self._patience / 4)
        readable, writable, _ = select.select([self._out], [self._in] if to_write else [], [], timeout)
        if readable:
            piece = os.read(self._out, 2**18)
            if not piece:
                raise self._lost()
            self._buffer += piece
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > self._patience:
            self._sound = False
            raise ConnectionLost(f"{self._host} was silent for {self._patience:.0f} s: the connection counts as cut")
        return bool(writable)

    def _ping(self) -> None:
        self._pinged = time.monotonic()
        try:
            os.write(self._in, b"ping 0\n")  # short enough for a pipe to take it whole or not at all
        except BlockingIOError:
            pass  # there is other work on the way, which is a sign of life too
        except OSError:
            raise self._lost() from None

    def _lost(self) -> ConnectionLost:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)  # it may have something to say about it
        last = next((line.strip() for line in reversed(self.said().splitlines()) if line.strip()), "")
        reason = f" ({''.join(letter for letter in last if letter.isprintable())[:200]})" if last else ""
        return ConnectionLost(f"the connection to {self._host} was cut{reason}")

    def said(self) -> str:
        """The end of what the process printed to standard error."""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _MOST_SAID_BYTES))
        return self._stderr.read().decode("utf-8", "replace")

    def status(self) -> int:
        """The exit status of a process that closed its output."""
        try:
            return self._process.wait(FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            return -1

    def close(self) -> None:
        """Close the line, and give the agent the time to tidy up."""
        self._process.stdin.close()
        try:
            self._process.wait(FAREWELL_SECONDS if self._sound else 0.1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._process.stdout.close()
            self._stderr.close()
