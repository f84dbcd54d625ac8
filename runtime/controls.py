"""What a person turns besides the style, and the look of a picture that follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runtime.affine import Affine, affine_of, split_sites
from runtime.bundle import Site
from runtime.errors import UserError
from runtime.framing import resize
from runtime.painter import Look, Window, neutral
from runtime.regions import Regions
from runtime.style_code import StyleCode

PRESERVE_COLOR = ("luminance", "histogram")
STROKES = (0.25, 8.0)


@dataclass(frozen=True)
class Controls:
    """How a style is applied.

    Attributes:
        strength: 0 (the student's reconstruction of the photo) to 1 (the full style).
        exact: what is not stylized is the photo itself: strength 0 gives it back bit by bit, and between, what the
            student's reconstruction loses is put back in proportion. Below strength 1, and where regions leave a part
            of the photo alone, the picture is painted twice for that.
        stroke: size of the brush strokes, 0.25 to 8 times the student's own.
        preserve_color: "luminance" keeps the photo's colours and takes the painted brightness; "histogram" moves the
            painted colours so that their mean and covariance are the photo's; "" leaves them.

    Raises:
        UserError: a value outside its range.
    """

    strength: float = 1.0
    exact: bool = False
    stroke: float = 1.0
    preserve_color: str = ""

    def __post_init__(self) -> None:
        require_strength(self.strength)
        if not STROKES[0] <= self.stroke <= STROKES[1]:
            raise UserError(f"stroke must be from {STROKES[0]:g} to {STROKES[1]:g}, not {self.stroke:g}")
        if self.preserve_color not in ("", *PRESERVE_COLOR):
            raise UserError(f"preserve_color must be {' or '.join(PRESERVE_COLOR)}, not {self.preserve_color!r}")


def require_strength(strength: float) -> None:
    """Pass for 0 to 1.

    Raises:
        UserError: anything else.
    """
    if not 0 <= strength <= 1:
        raise UserError(f"strength must be from 0 to 1, not {strength:g}")


def affine_per_site(code: StyleCode, stats: np.ndarray, strength: float, sites: Sequence[Site]) -> list[Affine]:
    """Scale and shift per site, float32 (1, C, 1, 1) each, for a content with `stats` (2, M)."""
    scale, shift = affine_of(code.values, stats, strength)
    return split_sites(scale, shift, [site.channels for site in sites])


def make_look(
    style: StyleCode | Regions | None,
    stats: np.ndarray | None,
    sites: Sequence[Site],
    size: tuple[int, int],
    controls: Controls,
) -> Look:
    """The look of a picture of height and width `size`, whose statistics are `stats` (2, M).

    `style` and `stats` are None for a student whose style is fixed.

    Raises:
        UserError: regions of another shape than the picture's.
    """
    strength = controls.strength
    if style is None or stats is None:
        return Look(lambda window: ())
    if isinstance(style, StyleCode):
        affine = affine_per_site(style, stats, strength, sites)
        share = 1 - strength
        return Look(lambda window: affine, (lambda window: share) if controls.exact and share else None)
    placed = style.on(size)
    affines = [
        neutral(sites) if code is None else affine_per_site(code, stats, strength, sites) for code in placed.codes
    ]

    def maps(window: Window) -> list[Affine]:
        weights = {stride: placed.weights(window, stride) for stride in {site.stride for site in sites}}
        return [
            (_blend(weights[site.stride], [affine[i][0] for affine in affines]),
             _blend(weights[site.stride], [affine[i][1] for affine in affines]))
            for i, site in enumerate(sites)
        ]  # fmt: skip

    def share_left(window: Window) -> np.ndarray:
        alone = sum(w for w, code in zip(placed.weights(window, 1), placed.codes, strict=True) if code is None)
        return 1 - strength * (1 - np.asarray(alone, np.float32)[..., None])

    return Look(maps, share_left if controls.exact else None)


def scaled_for_stroke(size: tuple[int, int], stroke: float) -> tuple[int, int]:
    """Height and width at which a picture is painted so that the strokes come out that much larger."""
    height, width = (max(1, math.floor(side / stroke + 0.5)) for side in size)
    return height, width


def with_detail(content: np.ndarray, scaled: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """What was painted at another size, at the content's: enlarged, with the detail that scaling took from the content.

    Args:
        content: uint8 (H, W, 3).
        scaled, painted: uint8 (h, w, 3), the content at the size at which it was painted, and what was painted.
    """
    size = content.shape[:2]
    if painted.shape[0] >= size[0]:  # painted larger: nothing was taken
        return resize(painted, *size)
    detail = content.astype(np.int16) - resize(scaled, *size)
    detail += resize(painted, *size)
    return np.clip(detail, 0, 255).astype(np.uint8)


def _blend(weights: np.ndarray, values: Sequence[np.ndarray]) -> np.ndarray:
    """Weights (K, h, w) and K arrays (1, C, 1, 1) -> float32 (1, C, h, w)."""
    table = np.concatenate([value[:, :, 0, 0] for value in values]).astype(np.float32)
    return np.ascontiguousarray(np.tensordot(table.T, weights, 1)[None], np.float32)
