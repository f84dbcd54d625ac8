"""Image analogies (Hertzmann, Jacobs, Oliver, Curless & Salesin, SIGGRAPH 2001): A is to A' as B is to B'.

B' is painted from the coarsest level of a Gaussian pyramid to the finest, in raster order. A pixel q is taken from the
place p of A' where the neighbourhoods are nearest: 5 x 5 pixels of A and 3 x 3 of the coarser A and A', and of A'
those of 5 x 5 that are painted already, under Gaussian weights, each neighbourhood counting the same (section 3.1).
The place that continues a painted neighbour's is taken instead where its squared distance is at most
``1 + 2**(l - L) kappa`` times that (section 3.2, best coherence match).

For a painting A', A is what is left when its strokes are smoothed away but its edges are not (the paper takes
Photoshop's Smart Blur; this is a bilateral filter, Tomasi & Manduchi 1998). Neighbourhoods are then luminances, those
of A and A' mapped to the mean and the deviation of B's, and the colours are B's (sections 3.3 and 3.4). When A is
given, it says what becomes of colours, and neighbourhoods are RGB.

Ours: for the nearest neighbour the paper searches all places approximately (ANN); this searches at most ``most`` of
them, chosen at random, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from distill.teachers.by_example import ByExampleTeacher
from distill.teachers.example_matching import (
    Canvas,
    Example,
    causal_offsets,
    gaussian,
    luminance,
    remapped,
    wavefronts,
    window_offsets,
    windows,
)
from runtime.errors import UserError
from runtime.framing import to_tensor
from runtime.image_files import read_picture

#: Radii of the neighbourhoods of a level and of the coarser one, in pixels.
FINE, COARSE = 2, 1
#: Pixels that the coarsest level has on its short side, and that a source has on its long one.
SMALLEST_LEVEL, LARGEST_SOURCE = 16, 4096
CENTRE = torch.tensor([[0, 0]])


@dataclass(frozen=True)
class Matching:
    """``kappa``: what coherence is worth; ``levels``: most levels of the pyramid; ``most``: places searched.

    ``stroke`` (pixels) and ``edge`` (of the range of luminance): what the bilateral filter smooths, and what it keeps.
    """

    kappa: float = 5.0
    levels: int = 4
    most: int = 8192
    stroke: float = 2.5
    edge: float = 0.15


@dataclass(frozen=True)
class Level:
    """One level of the pyramids of A, A' and B, each (H, W, C)."""

    source: Tensor
    filtered: Tensor
    target: Tensor


def analogy(levels: list[Level], how: Matching, generator: torch.Generator) -> Tensor:
    """B' (H, W, C) of the finest of ``levels``, which come from coarse to fine."""
    painted = None
    for number, level in enumerate(levels):
        below = None if painted is None else (levels[number - 1], painted)
        kappa = how.kappa * 2.0 ** (number + 1 - len(levels))
        painted = paint_level(level, below, kappa, how.most, generator)
    return painted


def paint_level(
    level: Level, below: tuple[Level, Tensor] | None, kappa: float, most: int, generator: torch.Generator
) -> Tensor:
    """B' (H, W, C) of one level; ``below`` is the coarser level with its B', None for the coarsest."""
    known_of_source, known = neighbourhoods(level.source), neighbourhoods(level.target)
    if below is not None:
        coarse, painted = below
        known_of_source = torch.cat(
            [known_of_source, *(coarser(p, level.source) for p in (coarse.source, coarse.filtered))], 2
        )
        known = torch.cat([known, *(coarser(p, level.target) for p in (coarse.target, painted))], 2)
    offsets = causal_offsets(FINE)
    example = Example(level.filtered, known_of_source, offsets, most, generator)
    canvas = Canvas(example, gaussian(offsets, FINE / 2), *level.target.shape[:2])
    for rows, columns in wavefronts(*level.target.shape[:2], FINE):
        around = canvas.around(rows, columns)
        query, going_on = canvas.query(around, known[rows, columns]), example.continued(around)
        nearest, place = example.search(query).min(1)
        coherent, number = example.distances(query, going_on).min(1)
        continued = going_on.gather(1, number[:, None])[:, 0]
        canvas.put(rows, columns, torch.where(coherent <= nearest * (1 + kappa), continued, example.searched[place]))
    return canvas.picture()


def neighbourhoods(picture: Tensor, radius: int = FINE) -> Tensor:
    """(H, W, C) -> (H, W, K): windows under a Gaussian, whose squares sum up to 1 where the picture is white."""
    offsets = torch.cat([window_offsets(radius), CENTRE])
    weights = gaussian(offsets, radius / 2)
    weights = (weights / weights.sum() / picture.shape[2]).sqrt()
    return (windows(picture, offsets) * weights[:, None]).reshape(*picture.shape[:2], -1)


def coarser(picture: Tensor, like: Tensor) -> Tensor:
    """The windows of the coarser level below every pixel of ``like``."""
    rows, columns = (torch.arange(side) // 2 for side in like.shape[:2])
    return neighbourhoods(picture, COARSE)[rows[:, None], columns]


def pyramid(picture: Tensor, levels: int) -> list[Tensor]:
    """(H, W, C) and what is left of it at half the size, again and again, from coarse to fine."""
    pictures = [picture]
    kernel = torch.tensor([1, 4, 6, 4, 1.0])
    kernel = (kernel[:, None] * kernel / 256)[None, None]
    while len(pictures) < levels:
        x = F.pad(pictures[-1].permute(2, 0, 1)[:, None], (2,) * 4, mode="replicate")
        pictures.append(F.conv2d(x, kernel, stride=2)[:, 0].permute(1, 2, 0))
    return pictures[::-1]


def smoothed(picture: Tensor, how: Matching) -> Tensor:
    """``picture`` (H, W, C) under a bilateral filter: near pixels of like colour flow together."""
    offsets = torch.cat([window_offsets(round(2 * how.stroke)), CENTRE])
    near = windows(picture, offsets)
    apart = (near - picture.reshape(-1, 1, picture.shape[2])).square().mean(2)
    weights = gaussian(offsets, how.stroke) * torch.exp(-apart / (2 * how.edge**2))
    return ((weights[..., None] * near).sum(1) / weights.sum(1, keepdim=True)).reshape(picture.shape)


def depth(how: Matching, *sizes: torch.Size) -> int:
    """How many levels leave the coarsest of all pictures at least :data:`SMALLEST_LEVEL` pixels on each side."""
    short, levels = min(min(size[:2]) for size in sizes), 1
    while levels < how.levels and short // 2**levels >= SMALLEST_LEVEL:
        levels += 1
    return levels


class AnalogiesTeacher(ByExampleTeacher):
    """B' for a photo B, of a painting A' or of a picture and its filtered version."""

    name = "analogies"

    def __init__(self, how: Matching | None = None, source: Tensor | None = None, source_name: str = ""):
        """``source``: A (h, w, 3), of the proportions of the style pictures, which are A'; None for paintings."""
        how = how or Matching()
        pair = f", with {source_name} as the picture before" if source is not None else ""
        super().__init__(f"Hertzmann et al. 2001, kappa {how.kappa:g}{pair}, without weights", how)
        self.register_buffer("source", source)

    def transfer(self, content: Tensor, style: Tensor) -> Tensor:
        if self.source is None:
            y = luminance(content)
            filtered = luminance(style)
            source = smoothed(filtered, self.how)
            painted = self.paint(remapped(source, source, y), remapped(filtered, source, y), y)
            return (content + painted - y).clamp(0, 1)
        return self.paint(fitted(self.source, style), style, content)

    def paint(self, source: Tensor, filtered: Tensor, target: Tensor) -> Tensor:
        levels = depth(self.how, source.shape, target.shape)
        pyramids = (pyramid(picture, levels) for picture in (source, filtered, target))
        return analogy([Level(*pictures) for pictures in zip(*pyramids, strict=True)], self.how, self.random())


def fitted(source: Tensor, style: Tensor) -> Tensor:
    """A at the size of A'; ``UserError`` when they are not the same picture, before and after."""
    (height, width), (rows, columns) = source.shape[:2], style.shape[:2]
    if abs(height / width * columns / rows - 1) > 0.03:
        raise UserError(
            f"the source has {width}x{height} pixels and the style picture {columns}x{rows}: "
            "they must be one picture, before and after a filter, of the same proportions"
        )
    resized = F.interpolate(source.permute(2, 0, 1)[None], (rows, columns), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0)


def load(weights: str | Path | None, source: str = "", kappa: float = Matching.kappa) -> AnalogiesTeacher:
    """The teacher; it has no weights, and ``weights`` are for the loss networks.

    ``source``: a picture file, A, whose filtered version the style picture is; ``kappa``: what coherence is worth.

    Raises:
        UserError: the source cannot be read, or kappa is below 0.
    """
    if not kappa >= 0:
        raise UserError(f"kappa must be at least 0, got {kappa:g}")
    if not source:
        return AnalogiesTeacher(Matching(kappa))
    rgb = read_picture(source, long_side=LARGEST_SOURCE).on_white()
    return AnalogiesTeacher(Matching(kappa), torch.from_numpy(to_tensor(rgb))[0].permute(1, 2, 0), Path(source).name)
