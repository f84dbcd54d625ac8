"""Sources of label maps, which keep their colours whatever size they are brought to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from distill.data.folder import Folder
from distill.data.landscapes import LANDSCAPE, SCENES, draw_map, draw_photo
from distill.data.split import is_held_back
from runtime.errors import UserError
from runtime.image_files import read_picture
from runtime.label_maps import Palette, read_label_map

#: Goes up when the drawing changes: caches that hold older ones then know.
REVISION = 1


class LabelFolder(Folder):
    """Label maps below a directory, drawn in a palette whatever they were stored as."""

    resample = Image.Resampling.NEAREST

    def __init__(self, directory: Path, short_side: int, palette: Palette) -> None:
        super().__init__(directory, short_side)
        self._palette = palette

    def read(self, index: int) -> np.ndarray:
        return read_label_map(self._directory / self.names[index], self._palette).rgb


class InstanceFolder(Folder):
    """Maps whose colours tell things apart and mean nothing else."""

    resample = Image.Resampling.NEAREST

    def read(self, index: int) -> np.ndarray:
        return read_picture(self._directory / self.names[index]).rgb


class Drawn:
    """Landscapes, as label maps or as the photos of them."""

    always_readable = True

    def __init__(self, name: str, draw: Callable[[int], np.ndarray], resample: Image.Resampling) -> None:
        self.name, self.resample, self._draw = name, resample, draw
        self.names = [f"landscape-{number:03}" for number in range(SCENES)]
        self.skipped: list[tuple[str, str]] = []

    def read(self, index: int) -> np.ndarray:
        return self._draw(index)

    def identity(self, index: int) -> str:
        return f"revision {REVISION}"

    def is_held_back(self, index: int) -> bool:
        return is_held_back(self.names[index])


def drawn_maps() -> Drawn:
    """Label maps of landscapes."""
    return Drawn("drawn landscapes", lambda scene: LANDSCAPE.draw(draw_map(scene)), Image.Resampling.NEAREST)


def drawn_photos() -> Drawn:
    """The photos that belong to `drawn_maps`."""
    return Drawn("drawn photos of landscapes", draw_photo, Image.Resampling.LANCZOS)


def open_maps(directory: Path | None, short_side: int, palette: Palette) -> LabelFolder | Drawn:
    """The label maps of a directory; without one, drawn landscapes, if the palette is theirs.

    Raises:
        UserError: there are none.
    """
    if directory is not None:
        return LabelFolder(directory, short_side, palette)
    if palette != LANDSCAPE:
        raise UserError(f"the content is label maps: give a folder of some (more than 5) with labels {palette}")
    return drawn_maps()
