"""A program of the user's own: its command line without a shell, and one run of it that ends in time."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from runtime.errors import UserError

#: Of what a program printed before it failed, this much is looked at for a reason.
_TAIL_BYTES = 4096
_PLACEHOLDER = re.compile(r"\{(content|style|out)\}")


def split_command(command: str) -> list[str]:
    """The words of a command, as a shell would read its quotes; nothing else in it has a meaning.

    Raises:
        UserError: a quote is not closed, {content} or {out} is missing, or there is no such program.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"--teacher-command {command}: {str(error)[0].lower()}{str(error)[1:]}") from error
    named = {found for word in words for found in _PLACEHOLDER.findall(word)}
    if not {"content", "out"} <= named:
        raise UserError("--teacher-command names {content} and {out}, as in 'mytool {content} {style} {out}'")
    if shutil.which(words[0]) is None:
        raise UserError(f"--teacher-command: there is no program '{words[0]}' that can be run")
    return words


def takes_style(command: str) -> bool:
    """Whether the command is given a style picture."""
    return "{style}" in command


def filled(words: list[str], places: Mapping[str, Path]) -> list[str]:
    """The words with {content}, {style} and {out} replaced; each stays one argument, whatever its path holds."""
    return [_PLACEHOLDER.sub(lambda found: str(places[found[1]]), word) for word in words]


def run_tool(arguments: list[str], timeout: float, log: Path) -> None:
    """Run a program to its end; what it prints goes to the file ``log``. Stopped early, its children end with it.

    Raises:
        UserError: it cannot be started, takes longer than ``timeout`` seconds, or ends with another status than 0.
    """
    tool = Path(arguments[0]).name
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            raise UserError(f"the teacher's command {tool} cannot be started: {error.strerror}") from error
        try:
            status = process.wait(timeout)
        except BaseException as error:  # too long, or an interrupt
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise UserError(
                f"the teacher's command {tool} took longer than {timeout:g} seconds for a picture: "
                "allow more with --teacher-option timeout=SECONDS"
            ) from None
    if status:
        how = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
        raise UserError(f"the teacher's command {tool} {how}{_last_line(log)}")


def _last_line(log: Path) -> str:
    with log.open("rb") as output:
        output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = output.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {''.join(c if c.isprintable() else ' ' for c in last[:200])}" if last else " and said nothing"
