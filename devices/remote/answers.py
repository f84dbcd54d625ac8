"""What a device answers: facts, ended commands, refusals; nothing of it is trusted before it is checked."""

from __future__ import annotations

import contextlib
import re
import signal
from dataclasses import dataclass
from typing import Any

from devices.errors import DeviceError

LINE_CHARACTERS = 400
_PYTHON = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")


@dataclass(frozen=True)
class Finished:
    """A command that ended on the device. ``status`` is its exit status, negative for the signal that killed it."""

    status: int
    timed_out: bool
    out: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, and well."""
        return self.status == 0 and not self.timed_out

    @property
    def reason(self) -> str:
        """Why a command of brushlet was not ``ok``, in its own words where it had some."""
        if self.timed_out:
            return "it was stopped since it took too long"
        if self.status == -signal.SIGKILL:
            return "it was killed: it may have run out of memory"
        errors = [line.removeprefix("error: ") for line in self.errors if line.startswith("error: ")]
        said = errors or [line.strip() for line in self.errors if line.strip()] or ["it said nothing"]
        return said[-1] if errors else f"{said[-1]} (status {self.status})"


@dataclass(frozen=True)
class Facts:
    """What the device says of itself. Sizes in bytes, times in seconds.

    ``folder`` is where the agent keeps files and ``scratch`` what of it this connection has to itself, removed at its
    end. ``module_path`` is its PYTHONPATH, ``skew`` is how far the device's clock is ahead of this machine's.
    """

    folder: str
    scratch: str
    root: str
    free_bytes: int | None
    skew: float
    python: str
    executable: str
    module_path: str
    system: str
    platform: str
    architecture: str
    kernel: str
    logical_cpus: int
    allowed_cpus: tuple[int, ...] | None


class RemoteError(DeviceError):
    """The device cannot do what was asked; ``kind`` as in `devices.remote.agent.Refused`, or "system"."""

    def __init__(self, message: str, kind: str = "refused") -> None:
        super().__init__(message)
        self.kind = kind


def read_facts(answer: Any, now: float) -> Facts | None:
    """The facts in the agent's answer, which was asked for at ``now``, in seconds since 1970; None if it is none."""
    with contextlib.suppress(TypeError, ValueError, KeyError, AttributeError, OverflowError):
        allowed, free = answer["allowed_cpus"], answer["free_bytes"]
        texts = {
            name: printable(str(answer[name]))
            for name in ("python", "executable", "system", "platform", "architecture", "kernel")
        }
        if not _PYTHON.match(texts["python"]):
            return None
        return Facts(
            folder=str(answer["folder"]),
            scratch=str(answer["scratch"]),
            root=str(answer["root"]),
            module_path=str(answer["module_path"]),
            free_bytes=None if free is None else int(free),
            skew=float(answer["time"]) - now,
            logical_cpus=int(answer["logical_cpus"]),
            allowed_cpus=None if allowed is None else tuple(int(number) for number in allowed),
            **texts,
        )
    return None


def printable(text: str, most: int = LINE_CHARACTERS) -> str:
    """Text of a device as a terminal may show it: so many characters at most, and none that controls anything."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:most])
