"""The records and predictions of a report: read from files and folders, bounded, with a reason for what is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.budget import Check
from benchmarks.prediction.prediction import Prediction
from benchmarks.record import Record, RecordError
from benchmarks.report.plain_text import plain
from runtime.errors import UserError
from runtime.json_fields import read_json

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
class Foretold:
    """A prediction and the name of its file."""

    file: str
    prediction: Prediction

    @property
    def basis(self) -> list[str]:
        """What it rests on, and what was assumed: a line each."""
        made = self.prediction
        return [f"{made.bundle}: {made.basis}; fitted {made.fitted[:10]}", *(f"assumed: {note}" for note in made.notes)]


@dataclass(frozen=True)
class Gathered:
    """The records, the oldest first, the predictions, and a line for each file that is neither.

    ``left_out`` is the number of records and predictions that `newest` left out.
    """

    sources: tuple[Source, ...]
    skipped: tuple[str, ...] = ()
    foretold: tuple[Foretold, ...] = ()
    left_out: int = 0

    def newest(self, most: int) -> Gathered:
        """At most so many records, and predictions, those that were made last."""
        sources, foretold = self.sources[-most:], self.foretold[-most:]
        kept = len(sources) + len(foretold)
        return Gathered(sources, self.skipped, foretold, len(self.sources) + len(self.foretold) - kept)

    @property
    def checks(self) -> list[tuple[str, Check]]:
        """Every limit that was given, with the name of its file."""
        measured = [(each.file, check) for each in self.sources for check in each.record.checks]
        return measured + [(each.file, check) for each in self.foretold for check in each.prediction.checks]


def gather(paths: Sequence[Path]) -> Gathered:
    """Read files, and the ``*.json`` files of folders and the folders in them.

    Raises UserError where a path is missing, or nothing can be read.
    """
    sources, foretold, skipped, taken = [], [], [], 0
    for path in _files(paths):
        try:
            size = path.stat().st_size
            taken += size if size <= MOST_FILE_BYTES else 0  # a larger one is not read
            if len(sources) + len(foretold) == MOST_RECORDS or taken > MOST_BYTES:
                raise RecordError(f"{path} is beyond the {MOST_RECORDS} files or {MOST_BYTES >> 20} MiB of a report")
            data, file = read_json(path, MOST_FILE_BYTES, RecordError), plain(path.name, 80)
            if isinstance(data, dict) and data.get("kind") == "predicted":
                foretold.append(Foretold(file, Prediction.from_json(data, str(path))))
            else:
                sources.append(Source(file, Record.from_json(data, str(path))))
        except UserError as error:
            skipped.append(plain(str(error)))
        except OSError as error:
            skipped.append(plain(f"cannot read {path}: {error.strerror or error}"))
    if not sources and not foretold:
        where = ", ".join(map(str, paths))
        found = f"{skipped[0]}{_more(skipped)}" if skipped else f"{where} holds no record (*.json)"
        raise UserError(f"there is nothing to report: {found}; {_HOW}")
    sources.sort(key=lambda source: (source.record.created, source.file))
    foretold.sort(key=lambda each: (each.prediction.created, each.file))
    return Gathered(tuple(sources), tuple(skipped), tuple(foretold))


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

    def fail(error: OSError) -> None:
        raise UserError(f"cannot read the folder {error.filename or folder}: {error.strerror or error}") from error

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if name.endswith(".json") and name[0] != ".")
