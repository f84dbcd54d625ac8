"""Style swatches that the project draws itself: free to use, the same everywhere, and there without any download."""

from __future__ import annotations

import zlib

import numpy as np
from PIL import Image

from distill.data.canvas import PALETTES, palette
from distill.data.painting import PAINTERS

SIZE = 320
#: Drawn larger and reduced, which gives smooth edges.
DRAWN_SIZE = 480
TRAIN_PER_PAINTER = 4
#: Held-back swatches: other seeds, and hues that no training swatch has.
HELD_BACK_PAINTERS = 8
HELD_BACK_TURN = 0.4
#: Goes up when the drawing changes: caches that hold older swatches then know.
REVISION = 2


class Swatches:
    """Painted-looking squares of 320 px: 52 for training and 8 for evaluation."""

    name = "drawn style swatches"
    always_readable = True

    def __init__(self) -> None:
        train = [(painter, variant) for variant in range(TRAIN_PER_PAINTER) for painter in range(len(PAINTERS))]
        held_back = [(painter, TRAIN_PER_PAINTER) for painter in range(HELD_BACK_PAINTERS)]
        self._plans = train + held_back
        self.names = [f"{PAINTERS[painter].__name__}-{variant}" for painter, variant in self._plans]
        self.skipped: list[tuple[str, str]] = []

    def read(self, index: int) -> np.ndarray:
        return draw_swatch(*self._plans[index])

    def identity(self, index: int) -> str:
        return f"revision {REVISION}"

    def is_held_back(self, index: int) -> bool:
        return self._plans[index][1] >= TRAIN_PER_PAINTER


def draw_swatch(painter: int, variant: int) -> np.ndarray:
    """Swatch `variant` of painter number `painter`, uint8 (320, 320, 3)."""
    paint = PAINTERS[painter]
    rng = np.random.default_rng([zlib.crc32(paint.__name__.encode()), variant])
    names = list(PALETTES)
    # Steps that share no factor with the number of palettes: no painter keeps to one, no palette to one painter.
    name = names[(painter * 3 + variant * 7) % len(names)]
    colours = palette(name, HELD_BACK_TURN if variant >= TRAIN_PER_PAINTER else 0.0)
    picture = paint(rng, colours, DRAWN_SIZE)
    large = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    return np.array(large.resize((SIZE, SIZE), Image.Resampling.LANCZOS))
