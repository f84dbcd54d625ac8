"""One process at a time writes a file; another is told."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from runtime.errors import UserError


class Claim:
    """The right to write `path`, from here until `release`.

    It is a lock on a small file in the system's folder for temporary ones, which the system gives back when a process
    ends, however it ends. Where there are no such locks (Windows) nobody is told.

    Raises:
        UserError: another process, or another thread, is writing that file.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = None
        try:
            import fcntl
        except ImportError:
            return
        name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:24]
        self._lock = Path(tempfile.gettempdir()) / f"brushlet-{os.getuid()}-{name}.lock"
        while self._descriptor is None:
            try:
                descriptor = os.open(self._lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except OSError:
                return  # no folder for temporary files: no reason not to paint
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_current(descriptor):
                    self._descriptor = descriptor
            except BlockingIOError:
                raise UserError(f"another process is writing {path} at this moment: choose another name") from None
            finally:
                if self._descriptor is None:
                    os.close(descriptor)

    def release(self) -> None:
        """Let others write the file; once more does nothing."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._lock.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def _is_current(self, descriptor: int) -> bool:
        """Whether the lock's file is still there: its last owner removes it."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._lock))
        except OSError:
            return False

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
