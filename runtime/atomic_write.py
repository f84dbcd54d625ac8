"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from runtime.errors import UserError

_REASONS = {
    errno.ENOSPC: "there is no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "it would be larger than files may be here",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the disk is read-only",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOENT: "the folder does not exist",
    errno.ENOTDIR: "the folder does not exist",
}


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` through a temporary file beside it, so that `path` is never half-written.

    Raises:
        UserError: the folder is missing, the path is not a plain file, the disk is full, permission is denied.
            Nothing is left behind and an older file at `path` is untouched.
    """
    with file_in_the_making(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def file_in_the_making(path: str | Path) -> Iterator[Path]:
    """An empty temporary file beside `path`, for what is written piece by piece; it becomes `path` at the end.

    Raises:
        UserError: as `write_atomically`; an OSError of the body counts as one of the file. Whatever the body raises,
            nothing is left behind and an older file at `path` is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        # A device or a pipe would be replaced by a plain file.
        if path.exists() and not path.is_file():
            raise UserError(f"cannot write {path}: it is a {'folder' if path.is_dir() else 'device'}, not a file")
        open(temporary, "xb").close()  # not mkstemp: the file keeps the permissions the umask gives
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise UserError(f"cannot write {path}: {reason}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
