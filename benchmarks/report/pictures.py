"""The pictures of the page, inside it as JPEG data: sliders from photo to painting, and thumbnails."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from benchmarks.record import Record
from benchmarks.report.plain_text import plain
from benchmarks.report.samples import Combination, Samples
from runtime.framing import resize
from runtime.image_files import Picture

THUMBNAIL = 160
_THUMBNAIL_QUALITY = 78
#: Bundles that get sliders; the pictures of all others are shown as thumbnails.
MOST_BUNDLES = 3


def sliders(samples: Samples, side: int, quality: int) -> list[dict[str, Any]]:
    """For the page: every photo before and after, by the first combination of each bundle."""
    shown: dict[str, Combination] = {}
    for combination in samples.painted:
        if combination.kind == "bundle":
            shown.setdefault(combination.name, combination)
    photos = [jpeg(photo, side, quality) for photo in samples.photos] if shown else []
    return [
        {
            "title": samples.titles[number],
            "by": plain(f"{each.name} {each.precision} in {each.engine}", 160),
            "before": photos[number],
            "after": jpeg(samples.painted[each][number], side, quality),
        }
        for number in range(len(samples.photos))
        for each in list(shown.values())[:MOST_BUNDLES]
    ]


class Thumbnails:
    """The first photo as everybody painted it: one picture each, that the page may use in several places."""

    def __init__(self, samples: Samples) -> None:
        painted = enumerate(samples.painted.items())
        self._classes = {combination: f"thumbnail-{number}" for number, (combination, _) in painted}
        self.pictures = {
            self._classes[combination]: jpeg(_square(pictures[0]), THUMBNAIL, _THUMBNAIL_QUALITY)
            for combination, pictures in samples.painted.items()
        }
        self.photo = jpeg(_square(samples.photos[0]), THUMBNAIL, _THUMBNAIL_QUALITY) if samples.photos else None

    def __call__(self, record: Record, subject: int) -> str | None:
        """The class that shows the picture of that subject; None where it painted none."""
        return self._classes.get(Combination.of(record.subjects[subject]))


def jpeg(rgb: np.ndarray, side: int, quality: int) -> str:
    """A uint8 picture (H, W, 3) as a ``data:`` address, scaled down to ``side`` pixels at most."""
    from PIL import Image

    encoded = io.BytesIO()
    small = Picture(rgb).scaled_down(side).rgb
    Image.fromarray(np.ascontiguousarray(small)).save(encoded, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()


def _square(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(np.ascontiguousarray(rgb[top : top + side, left : left + side]), THUMBNAIL, THUMBNAIL)
