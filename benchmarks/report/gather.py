"""The records of a report: read from files and folders, bounded, with a reason for each that is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.record import Record, RecordError, read_record
from benchmarks.report.plain_text import plain
from runtime.errors import UserError

#: What is read of a folder; a record of many sizes and rivals takes about 200 kB.
MOST_RECORDS = 200
MOST_FILE_BYTES = 32 * 2**20
MOST_BYTES = 128 * 2**20
_HOW = "brushlet bench adain-w025 -o records/mine.json makes one"


@dataclass(frozen=True)
class Source:
    """A record and the name of its file, for people."""

    file: str
    record: Record


@dataclass(frozen=True)
class Gathered:
    """The records, the oldest first, and a line for each file that is not among them."""

    sources: tuple[Source, ...]
    skipped: tuple[str, ...] = ()


def gather(paths: Sequence[Path]) -> Gathered:
    """Read record files, and the ``*.json`` files of folders and the folders in them.

    Raises UserError where a path is missing, or no record can be read.
    """
    sources, skipped, taken = [], [], 0
    for path in _files(paths):
        try:
            size = path.stat().st_size
            if len(sources) == MOST_RECORDS or taken + size > MOST_BYTES:
                raise RecordError(f"{path} is beyond the {MOST_RECORDS} records or {MOST_BYTES >> 20} MiB of a report")
            if size > MOST_FILE_BYTES:
                raise RecordError(f"{path} is larger than {MOST_FILE_BYTES >> 20} MiB, which no record needs to be")
            sources.append(Source(plain(path.name, 80), read_record(path)))
            taken += size
        except RecordError as error:
            skipped.append(plain(str(error)))
        except OSError as error:
            skipped.append(plain(f"cannot read {path}: {error.strerror or error}"))
    if not sources:
        where = ", ".join(map(str, paths))
        found = f"{skipped[0]}{_more(skipped)}" if skipped else f"{where} holds no record (*.json)"
        raise UserError(f"there is nothing to report: {found}; {_HOW}")
    return Gathered(tuple(sorted(sources, key=lambda source: (source.record.created, source.file))), tuple(skipped))


def _more(skipped: Sequence[str]) -> str:
    return f" (and {len(skipped) - 1} more like it)" if len(skipped) > 1 else ""


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from _json_files(path)
        elif path.exists():
            yield path
        else:
            raise UserError(f"there is no file or folder {path}: {_HOW}")


def _json_files(folder: Path) -> Iterator[Path]:
    """By name; hidden files and folders and links to folders are left alone."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if name.endswith(".json") and name[0] != ".")
