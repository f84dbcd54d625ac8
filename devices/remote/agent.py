"""What runs on the device while a connection is open: it keeps files, runs commands, and cleans up behind itself.

It is sent as text and run by the device's own Python, so it imports the standard library alone and nothing of ours. It
ends when its input does, when nobody was heard for a while, or on a signal, and then kills what it started and removes
what it made for this connection: a cut line leaves nothing running and nothing behind, whatever became of the caller.

Both sides send frames: a line ``<kind> <bytes>`` and so many bytes. The agent takes ``call`` (JSON), ``data`` (a piece
of a file) and ``ping``; it sends ``out`` and ``err`` (a line that a command printed), ``data``, ``alive``, and one
``done`` or ``failed`` (JSON) for each call.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import glob
import hashlib
import json
import os
import platform
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

#: What the first line of the agent says; whatever a login script printed stands before it.
GREETING = b"brushlet-agent 1\n"
PIECE_BYTES = 2**18
MOST_FRAME_BYTES = 2**23
MOST_LINE_BYTES = 4000
MOST_FACT_BYTES = 2**16
MOST_FACTS = 4096
BEAT_SECONDS = 5.0
#: How long the agent of the same caller, left over from a line that was cut, may take to go.
HANDOVER_SECONDS = 10.0
#: A caller that stops the system from telling when its lines get lost is given up after this.
PATIENCE_SECONDS = 45.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Refused(Exception):
    """A call that cannot be done; ``kind`` tells the caller's code which reason it is."""

    def __init__(self, message: str, kind: str = "refused") -> None:
        super().__init__(message)
        self.kind = kind


class Agent:
    """One connection. Every public method that `CALLS` lists is a call; its arguments and result are JSON."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._inbox: queue.Queue[tuple[str, bytes]] = queue.Queue(8)
        self._heard = time.monotonic()
        self._patience = PATIENCE_SECONDS
        self._sending, self._leaving = threading.Lock(), threading.Lock()
        self._changing = threading.Lock()  # held by a call while it may change files or start a process
        self._child: subprocess.Popen[bytes] | None = None
        self._folder, self._session = Path(), ""
        self._scratch: Path | None = None
        self._lock: Any = None

    def serve(self) -> NoReturn:
        """Answer calls until the input ends."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda number, frame: self._leave())
        for work in (self._read, self._watch):
            threading.Thread(target=work, daemon=True).start()
        try:
            while True:
                kind, payload = self._inbox.get()
                if kind == "call":  # else a piece of a file that was refused
                    with self._changing:
                        self._answer(json.loads(payload))
        except Exception as error:
            print(f"brushlet's agent: {error!r}", file=sys.stderr, flush=True)  # the caller shows the last line
        finally:  # nothing, not even a bug, leaves a child or a file behind
            self._leave()

    def _answer(self, call: dict[str, Any]) -> None:
        try:
            if call["name"] not in CALLS:
                raise Refused(f"there is no call {call['name']}")
            result = getattr(self, call["name"])(**call["arguments"])
        except Refused as error:
            self._send_json("failed", {"error": str(error), "kind": error.kind})
        except OSError as error:
            self._send_json("failed", {"error": str(error), "kind": "system", "errno": error.errno})
        else:
            self._send_json("done", result)

    # -- calls

    def open(self, session: str, folder: str | None, lock: bool, patience: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Say what this machine is. With ``lock``, make the folder, keep others out of it and clear what they left."""
        self._patience, self._session = patience, session
        threading.Thread(target=self._beat, daemon=True).start()
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        self._folder = Path(folder) if folder else Path(cache) / "brushlet" / "remote"
        if lock:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take_lock()
            shutil.rmtree(self._folder / "running", ignore_errors=True)
            self._scratch = self._folder / "running" / session
            (self._scratch / "tmp").mkdir(parents=True, mode=0o700)
        return {
            "folder": str(self._folder),
            "scratch": f"running/{session}",
            "free_bytes": shutil.disk_usage(self._folder).free if lock else None,
            "root": os.environ.get("BRUSHLET_ROOT") or "/",
            "time": time.time(),
            "python": platform.python_version(),
            "executable": sys.executable,
            "module_path": os.environ.get("PYTHONPATH", ""),
            "system": platform.system(),
            "platform": sys.platform,
            "architecture": platform.machine(),
            "kernel": platform.release(),
            "logical_cpus": os.cpu_count() or 1,
            "allowed_cpus": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        }

    def read_facts(self, patterns: list[str], existing: list[str], root: str) -> dict[str, str]:
        """Text of the system's files that match; of those in ``existing`` only that they are there."""
        found: dict[str, str] = {}
        for pattern in [*patterns, *existing]:
            for path in sorted(glob.glob(pattern, root_dir=root)):
                if len(found) < MOST_FACTS:
                    with contextlib.suppress(OSError):
                        found[path] = "" if pattern in existing else _beginning(os.path.join(root, path))
        return found

    def which(self, command: str) -> dict[str, str | None]:
        """Where a command is."""
        return {"path": shutil.which(command)}

    def digests(self, folder: str) -> dict[str, str]:
        """SHA-256 of every plain file below a folder, by its path in it."""
        top = self._inside(folder)
        return {name: _sha256(top / name) for name in _files(top) if not (top / name).is_symlink()}

    def keep(self, folder: str, files: list[str]) -> int:
        """Remove all that is below a folder but these files; returns how many went."""
        top, kept, removed = self._inside(folder), set(files), 0
        for name in _files(top):
            if name not in kept or (top / name).is_symlink():
                (top / name).unlink()
                removed += 1
        for place, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(place)
        return removed

    def put(self, path: str, size: int, sha256: str) -> None:
        """Take the file whose pieces follow: whole and with that hash, or not at all."""
        target, part = self._inside(path), self._inside(f"running/{self._session}/arriving")
        digest = hashlib.sha256()
        try:
            with open(part, "wb") as stream:
                while size > 0:
                    with self._waiting():
                        kind, piece = self._inbox.get()
                    if kind != "data":
                        raise Refused(f"{path} came without its end")
                    size -= len(piece)
                    digest.update(piece)
                    stream.write(piece)
            if digest.hexdigest() != sha256:
                raise Refused(f"{path} changed while it was copied: run it again")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, target)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()

    def get(self, path: str, most: int) -> dict[str, Any]:
        """Send a file of at most so many bytes."""
        source = self._inside(path)
        size = source.stat().st_size
        if not source.is_file() or size > most:
            raise Refused(f"{path} has {size} bytes, more than {most}")
        digest = hashlib.sha256()
        with open(source, "rb") as stream:
            while piece := stream.read(PIECE_BYTES):
                digest.update(piece)
                self._send("data", piece)
        return {"sha256": digest.hexdigest()}

    def move(self, source: str, target: str) -> None:
        """Put a file or folder in the place of another."""
        old, new = self._inside(source), self._inside(target)
        self.remove(target)
        new.parent.mkdir(parents=True, exist_ok=True)
        os.replace(old, new)

    def remove(self, path: str) -> None:
        """Remove a file or a folder; none is as good."""
        target = self._inside(path)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def run(self, command: list[str], environment: dict[str, str], timeout: float) -> dict[str, Any]:
        """Run a command, without a shell, in this connection's own folder; its lines are sent as they come."""
        temporary = {"TMPDIR": str(self._scratch / "tmp")} if self._scratch else {}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        try:
            child = subprocess.Popen(
                command,
                **pipes,
                cwd=self._scratch or "/",
                env={**os.environ, **temporary, **environment},
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise Refused(f"{command[0]} cannot be run: {error.strerror}") from None
        self._child = child
        streams = (("out", child.stdout), ("err", child.stderr))
        pumps = [threading.Thread(target=self._pump, args=pair, daemon=True) for pair in streams]
        for pump in pumps:
            pump.start()
        timed_out = False
        with self._waiting():
            try:
                child.wait(timeout)
            except subprocess.TimeoutExpired:
                timed_out = True
            self._kill()  # what it started and left behind, too
            status = child.wait()
            for pump in pumps:
                pump.join(5)
        self._child = None
        return {"status": status, "timed_out": timed_out}

    # -- the line

    def _read(self) -> None:
        """Frames from the caller, until there are no more."""
        try:
            while header := self._source.readline(64):
                kind, size = header.decode("ascii").split()
                if int(size) > MOST_FRAME_BYTES:
                    break
                payload = self._source.read(int(size))
                self._heard = time.monotonic()
                if kind != "ping":
                    self._inbox.put((kind, payload))
        except (OSError, ValueError):
            pass  # not our caller, or no longer: the end, as below
        self._leave()

    def _watch(self) -> None:
        """A line may be cut so that the system does not notice for hours."""
        while time.monotonic() - self._heard < self._patience:
            time.sleep(min(1.0, self._patience / 4))
        self._leave()

    def _beat(self) -> None:
        while True:
            time.sleep(min(BEAT_SECONDS, self._patience / 4))
            self._send("alive", b"")

    def _send(self, kind: str, payload: bytes) -> None:
        try:
            with self._sending:
                self._sink.write(b"%s %d\n" % (kind.encode(), len(payload)) + payload)
                self._sink.flush()
        except OSError:
            self._leave()

    def _send_json(self, kind: str, value: Any) -> None:
        self._send(kind, json.dumps(value).encode())

    def _pump(self, kind: str, stream: BinaryIO) -> None:
        while line := stream.readline(MOST_LINE_BYTES):
            self._send(kind, line.rstrip(b"\r\n"))

    # -- the folder

    def _inside(self, path: str) -> Path:
        parts = Path(path).parts
        if self._scratch is None:
            raise Refused("this connection only looks")
        if not parts or Path(path).is_absolute() or ".." in parts or "\0" in path:
            raise Refused(f"{path!r} is no path in the folder")
        return self._folder / path

    def _take_lock(self) -> None:
        self._lock = open(self._folder / "lock", "a+b")  # noqa: SIM115 (held as long as this process lives)
        deadline = time.monotonic() + HANDOVER_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                self._ask_holder(time.monotonic() > deadline)
            time.sleep(0.05)
        self._lock.truncate(0)
        self._lock.write(json.dumps({"session": self._session, "process": os.getpid(), "since": time.time()}).encode())
        self._lock.flush()

    def _ask_holder(self, late: bool) -> None:
        """Send the same caller's older agent away; for another one's, say so."""
        self._lock.seek(0)
        try:
            holder = json.loads(self._lock.read(1000))
            process, since = int(holder["process"]), time.time() - holder["since"]
        except (ValueError, KeyError, TypeError):
            holder, process, since = {}, 0, 0.0
        if late or (process and holder.get("session") != self._session):
            raise Refused(f"process {process}, for {max(0, since):.0f} s", "busy")
        if process:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGTERM)

    # -- the end

    def _kill(self) -> None:
        child = self._child
        if child is not None:
            with contextlib.suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        """In a call, while it changes nothing: the end may come now."""
        self._changing.release()
        try:
            yield
        finally:
            self._changing.acquire()

    def _leave(self) -> NoReturn:
        """Kill, tidy up, and end; the lock goes with the process."""
        if self._leaving.acquire(blocking=False):
            if threading.current_thread() is not threading.main_thread():
                self._changing.acquire(timeout=2)  # no call makes a file again that is removed below
            self._kill()
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)
            os._exit(0)
        while True:  # another thread is at it
            time.sleep(1)


CALLS = ("open", "read_facts", "which", "digests", "keep", "put", "get", "move", "remove", "run")


def _files(top: Path) -> Iterable[str]:
    """Paths below ``top`` of all that is no folder, links to folders included; with forward slashes."""
    found = []
    for place, folders, names in os.walk(top):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found += [Path(place, name).relative_to(top).as_posix() for name in (*names, *links)]
    return sorted(found)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _beginning(path: str) -> str:
    with open(path, "rb") as stream:
        return stream.read(MOST_FACT_BYTES).decode("utf-8", "replace")


def _die_with_parent() -> None:
    """In a child: end when the agent is killed, which then cannot do it itself. Linux alone knows that."""
    if _LIBC is not None:
        _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def main() -> NoReturn:
    """Talk over standard input and output; what else is printed goes to standard error."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sink.write(GREETING)
    sink.flush()
    Agent(sys.stdin.buffer, sink).serve()


if __name__ == "__main__":
    main()
