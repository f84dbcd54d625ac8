"""Paint frames one after the other, each steady with those before: for videos, cameras and whatever gives frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from runtime import framing
from runtime.affine import Affine, affine_of, split_sites
from runtime.errors import UserError
from runtime.style_code import StyleCode
from runtime.video.scene_cuts import SceneCuts
from runtime.video.steadiness import Steadiness
from runtime.video.steady_exposure import SteadyExposure
from runtime.video.steady_pixels import SteadyPixels
from runtime.video.steady_statistics import SteadyStatistics

if TYPE_CHECKING:
    from runtime.stylizer import Stylizer

StyleOverTime = StyleCode | Callable[[float], StyleCode] | None

_BLEND_SIDE = 160  # about the long side of the frames by which stillness is judged, in pixels
_CUT_SIDE = 64  # and of those by which cuts are


class FrameStylizer:
    """Paints frames in order; call it with one, or give `paint_all` many. `Stylizer.frames` makes one.

    Several threads may call it: frames are painted one at a time, in the order in which they come. As a context
    manager it forgets its frames at the end; the stylizer stays open.

    Args:
        stylizer: paints.
        style: a style code, a function from seconds to one, or None for a student with a fixed style.
        strength: 0 to 1.
        steadiness: how much frames lean on those before.

    Attributes:
        cuts: how many scenes have begun after the first.
        painting_seconds: time spent in here so far, without reading and writing.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        style: StyleOverTime,
        strength: float = 1.0,
        steadiness: Steadiness | None = None,
    ) -> None:
        if not 0 <= strength <= 1:
            raise UserError(f"strength must be from 0 to 1, not {strength:g}")
        if stylizer.palette is not None:
            raise UserError(f"{stylizer.bundle.manifest.name} paints label maps: give it pictures, not videos")
        self._stylizer, self._style, self._strength = stylizer, style, strength
        steadiness = steadiness or Steadiness()
        self._exposure = SteadyExposure(steadiness.statistics)
        self._statistics = SteadyStatistics(steadiness)
        self._pixels = SteadyPixels(steadiness.blend) if steadiness.blend else None
        self._channels = [site.channels for site in stylizer.student.sites]
        self._lock = threading.Lock()
        self._started: float | None = None
        self.painting_seconds = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget the frames so far: the next one begins a new video."""
        self._scenes = SceneCuts()
        self._seconds = -np.inf
        self.cuts = -1
        self._forget_scene()

    def _forget_scene(self) -> None:
        self._exposure.reset()
        self._statistics.reset()
        if self._pixels is not None:
            self._pixels.reset()

    def __call__(self, frame: np.ndarray, seconds: float | None = None) -> np.ndarray:
        """The painted frame, uint8 (H, W, 3).

        Args:
            frame: uint8 (H, W, 3), RGB.
            seconds: when it is shown, on any clock; without it, now.

        Raises:
            TypeError: not such an array.
            UserError: a frame that the stylizer refuses, because it is too large, say.
        """
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise TypeError("a frame is a uint8 array (H, W, 3)")
        with self._lock:
            begun = time.perf_counter()
            try:
                return self._paint(frame, self._clock() if seconds is None else seconds)
            finally:
                self.painting_seconds += time.perf_counter() - begun

    def paint_all(self, frames: Iterable[np.ndarray], rate: float) -> Iterator[np.ndarray]:
        """The painted frames, one by one as they are asked for; `rate` is frames per second."""
        for index, frame in enumerate(frames):
            yield self(frame, index / rate)

    def __enter__(self) -> FrameStylizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()

    def _clock(self) -> float:
        if self._started is None:
            self._started = time.monotonic()
        return time.monotonic() - self._started

    def _paint(self, frame: np.ndarray, seconds: float) -> np.ndarray:
        paint = self._stylizer.begin(frame)
        small = _scaled_down(frame, _BLEND_SIDE)
        smaller = _scaled_down(small, _CUT_SIDE)
        if self._scenes.is_cut(smaller) or seconds < self._seconds:
            self._forget_scene()
            self.cuts += 1
        self._seconds = seconds
        painted = paint(self._affine(frame, smaller, seconds))
        return painted if self._pixels is None else self._pixels.blend(painted, small, seconds)

    def _affine(self, frame: np.ndarray, smaller: np.ndarray, seconds: float) -> list[Affine]:
        if self._style is None:
            return []
        code = self._style(seconds) if callable(self._style) else self._style
        gain = self._exposure.gain(smaller, seconds)
        stats = self._statistics.at(seconds, lambda lit: self._measure(frame, lit), gain)
        return split_sites(*affine_of(code.values, stats, self._strength), self._channels)

    def _measure(self, frame: np.ndarray, gain: np.ndarray | None) -> np.ndarray:
        student = self._stylizer.student
        thumbnail = framing.thumbnail(frame, student.thumbnail, student.size_multiple)
        if gain is not None:
            thumbnail = np.minimum(thumbnail * gain + 0.5, 255).astype(np.uint8)
        return self._stylizer.measure(thumbnail)


def _scaled_down(frame: np.ndarray, side: int) -> np.ndarray:
    """The frame with its long side about `side` pixels, each the mean of a block."""
    factor = max(1, round(max(frame.shape[:2]) / side))
    return np.asarray(Image.fromarray(frame).reduce(factor))
