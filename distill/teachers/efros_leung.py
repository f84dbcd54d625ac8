"""Texture synthesis by non-parametric sampling (Efros & Leung, ICCV 1999), and texture transfer with it.

:func:`grow` is the paper's algorithm with the constants of its authors' page: a texture grows from a 3 x 3 seed; the
pixel with the most painted neighbours comes first; it is taken at random from the places of the sample whose windows
are within 1 + epsilon of the best, by squared differences under a Gaussian of a deviation of window / 6.4, over the
pixels that are there. Ours is that pixels which are at least three apart are painted together.

The paper paints no photos. :func:`transfer` lays the same sampling over one: pixels in raster order, from the
neighbours that are painted, and a correspondence map (Efros & Freeman 2001) asks that the sample's luminance there is
like the photo's. Large samples are searched in a random part of their places, and in the continuations of the
neighbours' places (Ashikhmin 2001).
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
    blurred,
    causal_offsets,
    gaussian,
    luminance,
    pick_within,
    remapped,
    wavefronts,
    window_offsets,
)
from runtime.errors import UserError

ERR_THRESHOLD, MAX_ERR_THRESHOLD = 0.1, 0.3
SIGMA_OF_WINDOW = 1 / 6.4
SEED_SIDE = 3
#: Pixels that are painted together have at least this many others between them.
BETWEEN = 2


@dataclass(frozen=True)
class Sampling:
    """``window``: side of the neighbourhood in pixels, odd, for photos; ``texture_window``: for textures; ``epsilon``:
    the paper's error threshold.

    For photos: ``texture_share`` is what the neighbours' differences count, the rest is the correspondence map's, a
    luminance blurred by ``blur`` pixels; ``most`` places of a sample are searched.
    """

    window: int = 7
    texture_window: int = 11
    epsilon: float = ERR_THRESHOLD
    texture_share: float = 0.5
    blur: float = 1.0
    most: int = 8192


def grow(texture: Tensor, height: int, width: int, how: Sampling, generator: torch.Generator) -> Tensor:
    """A texture (height, width, 3) that looks like ``texture`` (h, w, 3), grown from a piece of it in the middle.

    Raises:
        UserError: the texture is too small for the window, or the picture for its seed.
    """
    require_window(texture, how.texture_window)
    if min(height, width) < SEED_SIDE:
        raise UserError(f"a grown texture has at least {SEED_SIDE} pixels on each side")
    offsets = window_offsets(how.texture_window // 2)
    nothing = torch.zeros(*texture.shape[:2], 0)
    example = Example(texture, nothing, offsets, 2 * how.most, generator)
    canvas = Canvas(example, gaussian(offsets, how.texture_window * SIGMA_OF_WINDOW), height, width)
    plant(canvas, texture, generator)
    limit = MAX_ERR_THRESHOLD
    while not (canvas.places >= 0).all():
        rows, columns = next_pixels(canvas.places >= 0, generator)
        found = example.search(canvas.query(canvas.around(rows, columns), torch.zeros(len(rows), 0)))
        near = found.amin(1) < limit
        if not near.any():
            limit *= 1.1
            continue
        chosen = example.searched[pick_within(found[near], how.epsilon, generator)]
        canvas.put(rows[near], columns[near], chosen)
    return canvas.picture()


def plant(canvas: Canvas, texture: Tensor, generator: torch.Generator) -> None:
    """Put a random square of the texture into the middle."""
    top, left = (int(torch.randint(side - SEED_SIDE + 1, (), generator=generator)) for side in texture.shape[:2])
    numbers = torch.arange(texture.shape[0] * texture.shape[1]).reshape(texture.shape[:2])
    row, column = ((side - SEED_SIDE) // 2 for side in canvas.places.shape)
    canvas.places[row : row + SEED_SIDE, column : column + SEED_SIDE] = numbers[
        top : top + SEED_SIDE, left : left + SEED_SIDE
    ]


def next_pixels(painted: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows and columns of the pixels to paint next: at the edge of what is ``painted`` (H, W), and far enough apart.

    Each has more painted neighbours than its own unpainted neighbourhood, with lots drawn among equals.
    """
    filled = painted.float()[None, None]
    neighbours = F.conv2d(F.pad(filled, (1,) * 4), torch.ones(1, 1, 3, 3))
    order = (neighbours + torch.rand(painted.shape, generator=generator)) * (1 - filled) * (neighbours > 0)
    ahead = F.max_pool2d(order, 2 * BETWEEN + 1, 1, BETWEEN)
    return ((order == ahead) & (order > 0))[0, 0].nonzero(as_tuple=True)


def transfer(content: Tensor, style: Tensor, how: Sampling, generator: torch.Generator) -> Tensor:
    """``content`` (H, W, 3) put together from pixels of ``style`` (h, w, 3)."""
    require_window(style, how.window)
    of_content, of_style = (blurred(luminance(picture), how.blur) for picture in (content, style))
    root = (1 - how.texture_share) ** 0.5
    known, known_of_style = of_content * root, remapped(of_style, of_style, of_content) * root
    offsets = causal_offsets(how.window // 2)
    example = Example(style, known_of_style, offsets, how.most, generator)
    weights = gaussian(offsets, how.window * SIGMA_OF_WINDOW)
    canvas = Canvas(example, weights, *content.shape[:2], share=how.texture_share)
    for rows, columns in wavefronts(*content.shape[:2], canvas.reach):
        around = canvas.around(rows, columns)
        query, going_on = canvas.query(around, known[rows, columns]), example.continued(around)
        apart = torch.cat([example.search(query), example.distances(query, going_on)], 1)
        places = torch.cat([example.searched.expand(len(rows), -1), going_on], 1)
        chosen = pick_within(apart, how.epsilon, generator)
        canvas.put(rows, columns, places.gather(1, chosen[:, None])[:, 0])
    return canvas.picture()


def require_window(texture: Tensor, window: int) -> None:
    """``UserError`` for a texture that holds no whole window."""
    if min(texture.shape[:2]) <= window:
        height, width = texture.shape[:2]
        raise UserError(f"a texture of {width}x{height} pixels is too small for a window of {window}")


class EfrosLeungTeacher(ByExampleTeacher):
    """Photos put together from single pixels of a picture; and textures grown from one."""

    name = "efros-leung"

    def __init__(self, how: Sampling | None = None):
        how = how or Sampling()
        super().__init__(f"Efros & Leung 1999, windows of {how.window} pixels, without weights", how)

    def transfer(self, content: Tensor, style: Tensor) -> Tensor:
        return transfer(content, style, self.how, self.random())

    def synthesise(self, texture: Tensor, height: int, width: int) -> Tensor:
        """A texture (height, width, 3) like ``texture`` (h, w, 3), by the paper."""
        return grow(texture, height, width, self.how, self.random())


def load(
    weights: str | Path | None,
    window: int = Sampling.window,
    texture_window: int = Sampling.texture_window,
    texture_share: float = Sampling.texture_share,
) -> EfrosLeungTeacher:
    """The teacher; it has no weights, and ``weights`` are for the loss networks.

    ``window``: side of the neighbourhood in pixels for photos, ``texture_window`` for textures; ``texture_share``: what
    the neighbours count beside the photo.
    """
    for name, side in (("window", window), ("texture_window", texture_window)):
        if not 3 <= side <= 31 or side % 2 == 0:
            raise UserError(f"{name} must be an odd number from 3 to 31, not {side}")
    if not 0 <= texture_share <= 1:
        raise UserError(f"texture_share must lie between 0 and 1, not {texture_share:g}")
    return EfrosLeungTeacher(Sampling(window, texture_window, texture_share=texture_share))
