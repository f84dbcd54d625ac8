"""WebDataset shards: pictures inside tar files, read in any order through an index of their members."""

from __future__ import annotations

import glob
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from distill.data.decode import decode_bytes
from distill.data.split import is_held_back
from runtime.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
LARGEST_MEMBER = 256 << 20
MOST_SHARDS = 100_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


class Member(NamedTuple):
    """A picture inside a shard: where its bytes lie."""

    shard: Path
    name: str
    offset: int
    size: int


class Shards:
    """The pictures of the shards that a pattern names, in the order of the shards and of their members."""

    always_readable = False

    def __init__(self, pattern: str) -> None:
        self.name = pattern
        self.skipped: list[tuple[str, str]] = []
        self._members = [member for shard in find_shards(pattern) for member in self._index(shard)]
        if not self._members:
            found = f"; {self.skipped[0][0]}: {self.skipped[0][1]}" if self.skipped else ""
            raise UserError(f"the shards {pattern} hold no pictures (looked for {', '.join(SUFFIXES)}{found})")
        self.names = [f"{member.shard.stem}/{member.name}" for member in self._members]

    def read(self, index: int) -> np.ndarray:
        member = self._members[index]
        try:
            with member.shard.open("rb") as file:
                file.seek(member.offset)
                content = file.read(member.size)
        except OSError as error:
            raise UserError(f"{member.shard} cannot be read ({error.strerror})") from error
        if len(content) < member.size:
            raise UserError(f"{member.shard} ends inside it")
        return decode_bytes(content)

    def identity(self, index: int) -> str:
        member = self._members[index]
        return f"{member.offset} {member.size}"

    def is_held_back(self, index: int) -> bool:
        return is_held_back(self.names[index])

    def _index(self, shard: Path) -> Iterator[Member]:
        """The picture members of a shard. A damaged shard gives those before the damage, and is reported."""
        try:
            with tarfile.open(shard, "r:") as tar:
                for info in tar:
                    if not info.isreg() or PurePosixPath(info.name).suffix.lower() not in SUFFIXES:
                        continue
                    if info.size > LARGEST_MEMBER or info.issparse():
                        self.skipped.append((f"{shard.stem}/{info.name}", "too large or sparse"))
                        continue
                    yield Member(shard, info.name, info.offset_data, info.size)
        except (tarfile.TarError, OSError, EOFError) as error:
            self.skipped.append((str(shard), f"is not a whole, uncompressed tar file ({error})"))


def is_shard_pattern(source: str) -> bool:
    """Whether a source given by the user means shards and not a folder."""
    return source.lower().endswith(".tar")


def find_shards(pattern: str) -> list[Path]:
    """The files that a pattern with `{000..099}`, `{a,b}` and glob characters names. Raises UserError for none."""
    paths: list[Path] = []
    for expanded in expand_braces(pattern):
        matches = sorted(glob.glob(expanded)) if glob.has_magic(expanded) else [expanded]
        paths += [Path(match) for match in matches]
        if len(paths) > MOST_SHARDS:
            raise UserError(f"{pattern} names more than {MOST_SHARDS} shards")
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise UserError(f"shard {missing[0]} does not exist ({len(missing)} of {len(paths)} of {pattern} are missing)")
    if not paths:
        raise UserError(f"no shard matches {pattern}")
    return list(dict.fromkeys(paths))


def expand_braces(pattern: str) -> Iterator[str]:
    """Every name in a pattern like `photos-{000..099}.tar` or `{train,extra}.tar`, in order; braces do not nest."""
    match = _BRACES.search(pattern)
    if match is None:
        yield pattern
        return
    head, tail = pattern[: match.start()], pattern[match.end() :]
    for choice in _choices(match.group(1)):
        yield from (head + choice + rest for rest in expand_braces(tail))


def _choices(braces: str) -> Iterator[str]:
    numbers = _RANGE.fullmatch(braces)
    if numbers is None:
        yield from braces.split(",")
        return
    first, last = numbers.groups()
    width = len(first) if first.startswith("0") else 0
    yield from (f"{number:0{width}d}" for number in range(int(first), int(last) + 1))
