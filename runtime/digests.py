"""SHA-256 of a bundle's files, and of packages: graphs that are directories, such as ``.mlpackage``."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from runtime.errors import BundleError

#: Far more than any package has; keeps a hostile one from costing time.
MAX_PACKAGE_FILES = 200


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file as 64 lower-case hex digits; reads in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 and size in bytes of a file, or of a directory with all its files.

    A directory's digest is that of its listing: a line ``<sha256>  <path>`` per file, sorted by path.

    Raises:
        BundleError: a directory holds a link, something that is no file, or more files than any package has.
        OSError: something cannot be read.
    """
    if not path.is_dir():
        return sha256_of(path), path.stat().st_size
    files = package_files(path)
    lines = [f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest(), sum(file.stat().st_size for file in files)


def package_files(directory: Path) -> list[Path]:
    """The files in a package's directory, sorted by path.

    Raises:
        BundleError: it holds a link, something that is no file, or more than `MAX_PACKAGE_FILES`.
    """
    files, count = [], 0
    for place, folders, names in os.walk(directory):
        count += len(folders) + len(names)
        if count > MAX_PACKAGE_FILES:
            raise BundleError(f"{directory} holds more than {MAX_PACKAGE_FILES} files, which no package does")
        for name in (*folders, *names):
            path = Path(place) / name
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise BundleError(f"{path} is a link or no plain file, which a package may not hold")
        files += [Path(place) / name for name in names]
    return sorted(files, key=lambda file: file.relative_to(directory).as_posix())
