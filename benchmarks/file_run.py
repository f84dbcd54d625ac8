"""From picture file to picture file, as ``brushlet stylize photo.jpg --size N -o out.jpg`` does once it is loaded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runtime.framing import resize
from runtime.image_files import read_picture, write_picture
from runtime.style_code import StyleCode
from runtime.stylizer import Stylizer

#: What a run goes through: read and scaled down (JPEG decoders do a part of the scaling, so the two are one), the
#: photo's statistics measured, painted, encoded and written.
STAGES = ("read", "measure", "paint", "write")
#: A photo has this many times the side of what is painted, as phones have more pixels than one paints ...
OVERSIZE = 4
#: ... but not more than this, 12 megapixels, unless all of it is painted.
MOST_PHOTO_SIDE = 3464
PHOTO_QUALITY = 85


class FileRun:
    """A callable without arguments that stylizes a JPEG into another, and keeps what each stage of each run took.

    Args:
        code: None for a student with one style.
        picture: what the photo shows, uint8 (size, size, 3); that size is also what it is scaled down to.
        folder: where photo and painted picture lie.
    """

    def __init__(self, stylizer: Stylizer, code: StyleCode | None, picture: np.ndarray, folder: Path) -> None:
        self._stylizer, self._code, self._size = stylizer, code, picture.shape[0]
        self.photo, self.painted = folder / "photo.jpg", folder / "painted.jpg"
        write_photo(self.photo, picture)
        self.laps: list[tuple[int, ...]] = []  #: nanoseconds of each stage of STAGES, for each run

    def __call__(self) -> None:
        now = time.perf_counter_ns
        start = now()
        rgb = read_picture(self.photo, long_side=self._size).rgb
        read = now()
        affine = [] if self._code is None else self._stylizer.affine(rgb, self._code)
        measured = now()
        painted = self._stylizer.paint(rgb, affine)
        done = now()
        write_picture(self.painted, painted)
        self.laps.append((read - start, measured - read, done - measured, now() - done))


def write_photo(path: Path, picture: np.ndarray) -> None:
    """The picture as a photo of more pixels: enlarged, which leaves it as smooth as photos of that size are."""
    size = picture.shape[0]
    side = max(size, min(OVERSIZE * size, MOST_PHOTO_SIDE))
    write_picture(path, resize(picture, side, side), quality=PHOTO_QUALITY)


def stage_medians_ms(laps: Sequence[Sequence[int]]) -> dict[str, float]:
    """The median of each stage in milliseconds, by its name."""
    return dict(zip(STAGES, (np.median(np.array(laps), axis=0) / 1e6).tolist(), strict=True))
