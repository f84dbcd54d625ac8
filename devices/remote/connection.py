"""A connection to a device: its facts, its files and its commands, through the agent that is sent there."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from devices.errors import DeviceError
from devices.remote import agent
from devices.remote.address import parse_address
from devices.remote.answers import Facts, Finished, RemoteError, printable, read_facts
from devices.remote.channel import Channel, ConnectionLost
from devices.remote.first_line import first_line, why_no_python
from devices.remote.transport import Transport, transport_to

#: A person may have to type a password meanwhile.
GREETING_SECONDS = 150.0
#: For a device that is to stop a command.
GRACE_SECONDS = 60.0
#: So often a line that was cut is taken up again, after a pause that doubles.
ATTEMPTS, PAUSE_SECONDS = 3, 1.0
_SYSTEM_ERRORS = {
    errno.ENOSPC: "there is no space left on its disk",
    errno.EDQUOT: "the disk quota there is used up",
    errno.EROFS: "its disk is read-only",
}

Tell = Callable[[str], None]


class Connection:
    """An open connection. Close it, or use it in a ``with``: the device is tidy afterwards.

    Paths on the device are relative to the agent's folder, with forward slashes.

    Args:
        transport: the way there.
        exclusive: keep files there, and keep other runs out meanwhile; False only looks.
        tell: gets a line for the user now and then.
        patience: seconds without a sign of life after which either side counts the line as cut.

    Raises:
        DeviceError: there is no connection, the device has no fitting Python, or another run uses it.
    """

    def __init__(
        self,
        transport: Transport,
        exclusive: bool = True,
        tell: Tell = lambda line: None,
        patience: float = agent.PATIENCE_SECONDS,
    ) -> None:
        self.host, self.kind = str(transport.address), transport.address.kind
        self.tell = tell
        self._transport, self._exclusive, self._patience = transport, exclusive, patience
        self._session = secrets.token_hex(8)
        self._channel: Channel | None = None
        try:
            self.facts = self._open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; what runs there is killed, and what was made for this connection is removed."""
        if self._channel is not None:
            channel, self._channel = self._channel, None
            channel.close()

    def reconnect(self) -> None:
        """Open the line again after it was cut; files that were put there whole are still there.

        Raises:
            DeviceError: as when it was opened first.
        """
        self.close()
        self.facts = self._open()

    def persist(self, work: Callable[[], Any]) -> Any:
        """Do ``work``, and again from its beginning when the line was cut on the way: it must bear repetition.

        Raises:
            ConnectionLost: the line was cut each time.
        """
        pause = PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if attempt > 1:
                    self.reconnect()
                return work()
            except ConnectionLost as lost:
                if attempt == ATTEMPTS:
                    raise
                self.tell(f"{lost}: trying again")
                time.sleep(pause)
                pause *= 2

    # -- commands and files

    def run(
        self,
        command: Sequence[str],
        timeout: float,
        environment: dict[str, str] | None = None,
        tell_errors: Tell = lambda line: None,
        tell_out: Tell = lambda line: None,
        keep: int = 200,
    ) -> Finished:
        """Run a command there, without a shell, and wait for its end.

        Args:
            timeout: seconds, after which the device kills it and all that it started.
            environment: variables to set besides the device's own.
            tell_errors, tell_out: get each line that it prints, as it comes, without control characters.
            keep: so many last lines of each are in the result.

        Raises:
            ConnectionLost: the line was cut; the device kills the command.
            RemoteError: there is no such command.
        """
        lines: dict[str, list[str]] = {"out": [], "err": []}
        tells = {"out": tell_out, "err": tell_errors}

        def hear(kind: str, payload: bytes) -> None:
            line = printable(payload.decode("utf-8", "replace"), agent.MOST_LINE_BYTES)
            lines[kind] = [*lines[kind][-keep + 1 :], line]
            tells[kind](line)

        # The device sees to the timeout itself, if it can.
        answer = self._call(
            "run",
            hear,
            limit=timeout + GRACE_SECONDS,
            command=list(command),
            environment=environment or {},
            timeout=timeout,
        )
        status, timed_out = answer.get("status"), answer.get("timed_out")
        if type(status) is not int or type(timed_out) is not bool:
            raise self._odd()
        return Finished(status, timed_out, tuple(lines["out"]), tuple(lines["err"]))

    def output(
        self, command: Sequence[str], timeout: float = 20.0, environment: dict[str, str] | None = None
    ) -> str | None:
        """What a command there prints; None where there is none, or where it fails or hangs."""
        try:
            done = self.run(command, timeout, environment)
        except RemoteError:
            return None
        return "\n".join(done.out).strip() if done.ok else None

    def read_facts(self, patterns: Sequence[str], existing: Sequence[str]) -> dict[str, str]:
        """Files of the device's system that match: their text, and of those in ``existing`` that they are there."""
        answer = self._call("read_facts", patterns=list(patterns), existing=list(existing), root=self.facts.root)
        if not all(isinstance(text, str) for text in answer.values()):
            raise self._odd()
        return answer

    def which(self, name: str) -> str | None:
        """Where a command is there."""
        found = self._call("which", command=name).get("path")
        return printable(found) if isinstance(found, str) else None

    def digests(self, folder: str) -> dict[str, str]:
        """SHA-256 of the files below a folder there, by path."""
        return self._call("digests", folder=folder)

    def keep(self, folder: str, files: Sequence[str]) -> None:
        """Remove all below a folder there but these files."""
        self._call("keep", folder=folder, files=list(files))

    def put(self, path: str, source: Path | bytes) -> None:
        """Copy a file there: whole, or not at all.

        Raises:
            RemoteError: there is no room, or it may not be written.
        """
        data = source if isinstance(source, bytes) else source.read_bytes()
        pieces = [data[start : start + agent.PIECE_BYTES] for start in range(0, len(data), agent.PIECE_BYTES)]
        self._call("put", pieces=pieces, path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())

    def get(self, path: str, most: int) -> bytes:
        """A file of there, of at most so many bytes.

        Raises:
            RemoteError: there is none, or it is larger.
        """
        data = bytearray()

        def take(kind: str, payload: bytes) -> None:
            data.extend(payload)
            if kind != "data" or len(data) > most:
                raise self._odd()

        answer = self._call("get", take, path=path, most=most)
        if answer.get("sha256") != hashlib.sha256(data).hexdigest():
            raise RemoteError(f"{path} of {self.host} did not arrive as it was sent: run it again")
        return bytes(data)

    def move(self, source: str, target: str) -> None:
        """Move a file or a folder there, in place of what is at ``target``."""
        self._call("move", source=source, target=target)

    def remove(self, path: str) -> None:
        """Remove a file or folder there, if it is there."""
        self._call("remove", path=path)

    def discard(self, path: str) -> None:
        """Remove it if that is possible: for what is half made when something else went wrong."""
        with contextlib.suppress(DeviceError):
            self.remove(path)

    def path(self, path: str) -> str:
        """The absolute path there of a path in the agent's folder, for a command line."""
        return f"{self.facts.folder}/{path}"

    # -- the line

    def _open(self) -> Facts:
        try:
            self._channel = Channel(self._transport.command(first_line()), self.host, self._patience)
        except FileNotFoundError:
            tool = self._transport.tool
            raise DeviceError(f"there is no '{tool}' here to reach {self.host}: {self._transport.install}") from None
        text = Path(agent.__file__).read_bytes()
        if not self._channel.greet(b"%d\n" % len(text) + text, GREETING_SECONDS):
            raise self._no_agent()
        folder, began = self._transport.folder, time.time()
        answer = self._call("open", session=self._session, folder=folder, lock=self._exclusive, patience=self._patience)
        facts = read_facts(answer, (began + time.time()) / 2)
        if facts is None:
            raise self._odd()
        return facts

    def _no_agent(self) -> DeviceError:
        """Why the agent did not speak: a Python that does not fit, or no connection."""
        status, said = self._channel.status(), self._channel.said()
        why = why_no_python(status, said)
        if why is not None:
            return DeviceError(f"{self.host} {why}")
        return DeviceError(f"no connection to {self.host}: {printable(self._transport.explain(said))}")

    def _call(
        self,
        name: str,
        hear: Callable[[str, bytes], None] | None = None,
        pieces: Sequence[bytes] = (),
        limit: float = math.inf,
        **arguments: Any,
    ) -> Any:
        """Call the agent, and give what it sends meanwhile to ``hear``; it has to be done within ``limit`` seconds."""
        if self._channel is None:
            raise ConnectionLost(f"the connection to {self.host} is closed")
        deadline = time.monotonic() + limit
        self._channel.send("call", json.dumps({"name": name, "arguments": arguments}).encode())
        for piece in pieces:
            self._channel.send("data", piece)
        while True:
            kind, payload = self._channel.receive(deadline)
            if kind in ("done", "failed"):
                return self._result(kind, payload)
            if hear is None or kind not in ("out", "err", "data"):
                raise self._odd()
            hear(kind, payload)

    def _result(self, kind: str, payload: bytes) -> Any:
        try:
            result = json.loads(payload)
        except (ValueError, RecursionError):
            raise self._odd() from None
        if result is None or isinstance(result, int):  # nothing to tell
            result = {}
        if not isinstance(result, dict):
            raise self._odd()
        if kind == "done":
            return result
        said, reason = str(result.get("error")), str(result.get("kind"))
        if reason == "busy":
            raise RemoteError(f"another run of brushlet uses {self.host} ({printable(said)}): wait for its end", reason)
        if reason == "system":
            said = _SYSTEM_ERRORS.get(result.get("errno"), "") or said
        raise RemoteError(f"{self.host}: {printable(said)}", reason)

    def _odd(self) -> DeviceError:
        return DeviceError(f"{self.host} answers what brushlet's agent never would: do not trust this device")


def connect(
    host: str, exclusive: bool = True, tell: Tell = lambda line: None, patience: float = agent.PATIENCE_SECONDS
) -> Connection:
    """Open a connection to what ``--host`` names; see `devices.remote.address.parse_address` and `Connection`."""
    return Connection(transport_to(parse_address(host)), exclusive, tell, patience)
