"""The photographs inside scikit-image's wheel: content without any download.

All are free to use: astronaut, hubble_deep_field and moon (NASA, public domain), rocket (SpaceX, CC0), camera, chelsea,
coffee, brick, grass and gravel (CC0), motorcycle (Middlebury stereo data set 2014), coins and clock_motion
(scikit-image's own).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from distill.data.decode import decode_file
from runtime.errors import UserError

TRAIN = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "clock_motion.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "rocket.jpg",
)
HELD_BACK = ("chelsea.png", "coffee.png")


class Samples:
    """scikit-image's sample photographs; `HELD_BACK` are for evaluation."""

    name = "scikit-image's sample photographs"
    always_readable = True

    def __init__(self) -> None:
        directory = _directory()
        self._paths = [directory / name for name in (*TRAIN, *HELD_BACK)]
        self._paths = [path for path in self._paths if path.is_file()]
        self.names = [path.name for path in self._paths]
        self.skipped: list[tuple[str, str]] = []
        if not set(HELD_BACK) < set(self.names):
            raise UserError(f"scikit-image's sample photographs are not in {directory}: give --content DIR")

    def read(self, index: int) -> np.ndarray:
        return decode_file(self._paths[index])

    def identity(self, index: int) -> str:
        return str(self._paths[index].stat().st_size)

    def is_held_back(self, index: int) -> bool:
        return self.names[index] in HELD_BACK


def _directory() -> Path:
    # The package is found without importing it: only its files are wanted.
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise UserError(
            "the sample photographs come with scikit-image: pip install 'brushlet[distill]', or give --content DIR"
        )
    return Path(found.origin).parent / "data"
