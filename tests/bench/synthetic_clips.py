"""Clips whose motion is known exactly: stills that are panned and zoomed by parts of a pixel, lit, and photographed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

# The still's coordinates (in pixels of a frame) of a frame's (x, y) are zoom * (x, y) + (left, top).
View = tuple[float, float, float]

HEIGHT, WIDTH = 240, 360


@dataclass(frozen=True)
class Clip:
    """Frames, uint8 (H, W, 3), what each shows of the still, and which pixels nothing else covers, bool (H, W)."""

    frames: list[np.ndarray]
    views: list[View]
    uncovered: np.ndarray


def pan(pixels: float) -> Callable[[int], View]:
    """A camera that turns by that many pixels per frame."""
    return lambda t: (1.0, 4 + pixels * t, 4 + 0.4 * pixels * t)


def zoom(per_frame: float) -> Callable[[int], View]:
    """A camera that zooms in by that part per frame, around the middle."""

    def view(t: int) -> View:
        scale = (1 - per_frame) ** t
        return scale, 4 + WIDTH / 2 * (1 - scale), 4 + HEIGHT / 2 * (1 - scale)

    return view


def make_clip(
    still: np.ndarray,
    frames: int,
    view: Callable[[int], View],
    noise: float = 0.0,
    exposure: Callable[[int], float] = lambda t: 1.0,
    visitor: bool = False,
    seed: int = 0,
) -> Clip:
    """Photograph a still.

    Args:
        still: uint8 (H, W, 3), at least 1.3 times HEIGHT x WIDTH.
        noise: standard deviation of the sensor's noise, in levels.
        exposure: the brightness of a frame, 1 as the still.
        visitor: someone in black walks in from the right and covers a third of the picture.
    """
    rng = np.random.default_rng(seed)
    views = [view(t) for t in range(frames)]
    shots, uncovered = [], np.ones((HEIGHT, WIDTH), bool)
    for t, shown in enumerate(views):
        shot = warp(still, shown).astype(np.float32) * exposure(t)
        if visitor:
            edge = WIDTH - round(WIDTH / 3 * min(1.0, max(0.0, 2 * t / frames - 0.25)))
            shot[HEIGHT // 8 :, edge:] = 12
            uncovered[:, max(0, edge - 24) :] = False  # nor what a painter takes from there
        shot += rng.normal(0, noise, shot.shape) if noise else 0
        shots.append(np.clip(shot + 0.5, 0, 255).astype(np.uint8))
    return Clip(shots, views, uncovered)


def warp(picture: np.ndarray, view: View) -> np.ndarray:
    """What a view shows of a picture, uint8 (HEIGHT, WIDTH, 3), bicubic."""
    scale, left, top = view
    # Pillow counts from a pixel's corner, and so does this.
    coefficients = (scale, 0, left, 0, scale, top)
    method = Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).transform((WIDTH, HEIGHT), Image.Transform.AFFINE, coefficients, method))


def between(now: View, later: View) -> View:
    """The view that shows a later frame as an earlier one saw it."""
    return now[0] / later[0], (now[1] - later[1]) / later[0], (now[2] - later[2]) / later[0]


def warping_error(frames: Sequence[np.ndarray], clip: Clip, border: int = 16) -> float:
    """Root mean square difference, in levels, of each frame and the next one warped onto it by the known motion.

    The measure of Lai et al., "Learning Blind Video Temporal Consistency" (2018), with exact motion in place of optical
    flow; `border` pixels are left out, and what comes into view.
    """
    squares = []
    inside = clip.uncovered.copy()
    inside[:border], inside[-border:], inside[:, :border], inside[:, -border:] = False, False, False, False
    for t in range(len(frames) - 1):
        later = warp(frames[t + 1], between(clip.views[t], clip.views[t + 1]))
        squares.append(np.square(frames[t].astype(np.float32) - later)[inside].mean())
    return float(np.sqrt(np.mean(squares)))


def unrest(frames: Sequence[np.ndarray], clip: Clip) -> float:
    """The standard deviation over time of a pixel of a clip without motion, in levels: root mean square over pixels."""
    return float(np.sqrt(np.stack(frames).astype(np.float32).var(axis=0)[clip.uncovered].mean()))
