"""A set of pictures of one size, from any source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol

import numpy as np
from PIL import Image

from runtime.errors import UserError

KEPT_BYTES = 1 << 30


class Source(Protocol):
    """Where pictures come from: a folder, shards, samples that ship, or swatches that are drawn."""

    name: str
    names: Sequence[str]
    skipped: list[tuple[str, str]]
    always_readable: bool

    def read(self, index: int) -> np.ndarray:
        """Picture `index` as uint8 (H, W, 3) RGB; raises UserError when it is unreadable."""

    def identity(self, index: int) -> str:
        """Text that changes when picture `index` does."""

    def is_held_back(self, index: int) -> bool:
        """Whether picture `index` is kept for evaluation."""


class PictureSet:
    """Pictures of one source, one part of its split, resized to `short_side`.

    Pictures are decoded once and kept, up to `kept_bytes`; the others are decoded again each time. Those that
    are read at the start and turn out to be unreadable are left out and listed in `skipped` with the reason.
    One that fails later (beyond the budget, or a file that vanished) is replaced by the next readable picture,
    so that a long run survives it, and is listed in `skipped` too.
    """

    def __init__(self, source: Source, part: str, short_side: int, kept_bytes: int = KEPT_BYTES) -> None:
        self.name = source.name
        self.short_side = short_side
        self.skipped: list[tuple[str, str]] = list(source.skipped)
        self._source = source
        self._resample = getattr(source, "resample", Image.Resampling.LANCZOS)  # label maps are not interpolated
        self._kept: dict[int, np.ndarray] = {}
        self._room = kept_bytes
        self._indices = _choose(source, part)
        if not source.always_readable:
            self._read_what_fits()
        self.fingerprint = self._fingerprint()

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, position: int) -> np.ndarray:
        """uint8 (H, W, 3) RGB whose short side is `short_side`. Do not write into it: it may be kept."""
        count = len(self._indices)
        if not -count <= position < count:
            raise IndexError(f"picture {position} of {count}")
        for step in range(count):
            index = self._indices[(position + step) % count]
            picture = self._kept.get(index)
            if picture is not None:
                return picture
            picture = self._read(index)
            if isinstance(picture, np.ndarray):
                self._keep(index, picture)
                return picture
            self._report(index, picture)
        raise UserError(f"no picture of {self.name} can be read any more")

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    @property
    def names(self) -> list[str]:
        """The pictures' names, in order."""
        return [self._source.names[i] for i in self._indices]

    def _read(self, index: int) -> np.ndarray | UserError:
        try:
            return resize_short_side(self._source.read(index), self.short_side, self._resample)
        except UserError as error:
            return error

    def _keep(self, index: int, picture: np.ndarray) -> bool:
        if picture.nbytes > self._room:
            return False
        picture.flags.writeable = False
        self._kept[index] = picture
        self._room -= picture.nbytes
        return True

    def _report(self, index: int, error: UserError) -> None:
        entry = (self._source.names[index], str(error))
        if entry not in self.skipped:
            self.skipped.append(entry)

    def _read_what_fits(self) -> None:
        """Decode in order until the budget is full; drop what cannot be read."""
        waiting = iter(list(self._indices))
        threads = min(8, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads) as pool:
            # Batches bound the memory in flight, and results in order keep runs repeatable.
            while self._room and (batch := list(islice(waiting, 4 * threads))):
                for index, picture in zip(batch, pool.map(self._read, batch), strict=True):
                    if not isinstance(picture, np.ndarray):
                        self._report(index, picture)
                        self._indices.remove(index)
                    elif self._room and not self._keep(index, picture):
                        self._room = 0
        if not self._indices and self.skipped:
            path, reason = self.skipped[0]
            raise UserError(f"none of the pictures of {self.name} can be read, for example {path}: {reason}")

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.short_side}\n".encode())
        for index in self._indices:
            digest.update(f"{self._source.names[index]}\t{self._source.identity(index)}\n".encode())
        return digest.hexdigest()[:16]


def _choose(source: Source, part: str) -> list[int]:
    """The indices of a part. Training is never left empty: a set that is all held back is all trained on."""
    everything = list(range(len(source.names)))
    if part == "all":
        return everything
    if part not in ("train", "held-back"):
        raise ValueError(f"part is 'train', 'held-back' or 'all', not {part!r}")
    train = [i for i in everything if not source.is_held_back(i)] or everything
    return train if part == "train" else _without(everything, train)


def _without(indices: Iterable[int], taken: Iterable[int]) -> list[int]:
    taken = set(taken)
    return [i for i in indices if i not in taken]


def resize_short_side(
    picture: np.ndarray, short_side: int, resample: Image.Resampling = Image.Resampling.LANCZOS
) -> np.ndarray:
    """A uint8 (H, W, 3) picture resized so that its short side is `short_side`; enlarged if smaller."""
    height, width = picture.shape[:2]
    scale = short_side / min(height, width)
    size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    if size == (width, height):
        return np.ascontiguousarray(picture)
    return np.array(Image.fromarray(picture).resize(size, resample))
