"""Folders of pictures, recursive."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from distill.data.decode import decode_file
from distill.data.split import is_held_back
from runtime.errors import UserError
from runtime.image_files import list_pictures

SUFFIXES_IN_WORDS = ".jpg, .jpeg, .png, .webp, .tif, .tiff, .bmp and rarer ones"
#: Large photos are read at up to this many times the wanted short side: twice too large for common shapes, so that the
#: final resize is sharp.
LARGEST_READ = 4
SAMPLED_BYTES = 64 * 1024


def file_identity(path: Path) -> str:
    """Size and checksum of both ends: the same for a copy of the file, and cheap for large ones."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            checksum = zlib.crc32(file.read(SAMPLED_BYTES))
            file.seek(max(0, size - SAMPLED_BYTES))
            return f"{size} {zlib.crc32(file.read(SAMPLED_BYTES), checksum)}"
    except OSError as error:
        return f"unreadable: {error.errno}"


def read_for_short_side(path: Path, short_side: int) -> np.ndarray:
    """A picture, uint8 (H, W, 3), that is going to be resized: a large one is read not much larger than that."""
    long_side = LARGEST_READ * short_side
    picture = decode_file(path, long_side)
    if min(picture.shape[:2]) < short_side and max(picture.shape[:2]) == long_side:
        return decode_file(path)  # a longer panorama than that
    return picture


class Folder:
    """Every picture below a directory, in the order of their paths; hidden files are left out."""

    always_readable = False

    def __init__(self, directory: Path, short_side: int) -> None:
        """`short_side` is what pictures will be resized to: large ones are read not much larger."""
        self.name = str(directory)
        self.skipped: list[tuple[str, str]] = []
        self._directory = directory
        self._short_side = short_side
        self.names = [path.relative_to(directory).as_posix() for path in list_pictures(directory)]
        if not self.names:
            raise UserError(f"{directory} holds no pictures (looked in it and below for {SUFFIXES_IN_WORDS})")

    def read(self, index: int) -> np.ndarray:
        return read_for_short_side(self._directory / self.names[index], self._short_side)

    def identity(self, index: int) -> str:
        return file_identity(self._directory / self.names[index])

    def is_held_back(self, index: int) -> bool:
        return is_held_back(self.names[index])
