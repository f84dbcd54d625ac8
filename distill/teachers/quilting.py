"""Image quilting for texture synthesis and transfer (Efros & Freeman, SIGGRAPH 2001).

A picture is laid out of square blocks of a sample, in raster order, each overlapping those before it by a sixth of its
side. A block is chosen at random among those whose overlap differs from what lies there by at most a tenth more than
the best one's (squared differences, section 2), and is cut along the path of least error through the overlap
(section 2.1, dynamic programming).

For a photo (section 3) a block's error is ``alpha`` times that of its overlap, plus ``1 - alpha`` times the difference
of the correspondence maps, which are luminances. In several passes blocks get smaller by a third each time, alpha is
``0.8 (i - 1) / (N - 1) + 0.1`` in pass i of N, and a block has to match what the pass before has laid in its place too.

Ours: the sample's luminance is mapped linearly to the photo's mean and deviation (as Hertzmann et al. 2001 do), blocks
that raster order lays independently of each other are chosen together, and large samples are searched at every second
place, or fewer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from distill.teachers.by_example import ByExampleTeacher
from distill.teachers.example_matching import luminance, pick_within, remapped, wavefronts
from runtime.errors import UserError

OVERLAP = 1 / 6
ERROR_TOLERANCE = 0.1
SHRINKS = 2 / 3
#: Pixels. Smaller blocks would be overlap and nothing else.
SMALLEST_BLOCK = 5
SMALLEST_OVERLAP = 2
#: Of larger samples every second place is searched, or fewer.
MOST_PLACES = 32768


@dataclass(frozen=True)
class Quilting:
    """``block``: side of a photo's first blocks in pixels; ``passes`` over it; ``texture_block``: a texture's side."""

    block: int = 12
    passes: int = 3
    texture_block: int = 24


@dataclass(frozen=True)
class Guide:
    """What a block has to be like beside its neighbours.

    ``alpha``: what neighbours count, from 0 to 1; ``photo`` (H, W, 1) and ``sample`` (h, w, 1): the correspondence
    maps; ``before`` (H, W, 3): what the last pass has laid, None in the first one.
    """

    alpha: float
    photo: Tensor
    sample: Tensor
    before: Tensor | None = None


def quilt(
    sample: Tensor, height: int, width: int, block: int, generator: torch.Generator, guide: Guide | None = None
) -> Tensor:
    """A picture (height, width, 3) laid of blocks of ``sample`` (h, w, 3)."""
    overlap = max(SMALLEST_OVERLAP, round(block * OVERLAP))
    step = block - overlap
    rows, columns = (max(1, -(-(side - overlap) // step)) for side in (height, width))
    laid = torch.zeros(rows * step + overlap, columns * step + overlap, 3)
    planes = Planes(sample, block, guide, laid.shape[:2])
    cells = torch.arange(block)
    for row, column in wavefronts(rows, columns, 1):
        # (B, block, 1) and (B, 1, block): the pixels of B blocks
        y, x = (row * step)[:, None, None] + cells[:, None], (column * step)[:, None, None] + cells
        under = laid[y, x]
        above, left, in_overlap = row > 0, column > 0, cells < overlap
        overlapped = above[:, None, None] & in_overlap[:, None] | left[:, None, None] & in_overlap
        errors = planes.errors(under, overlapped, y, x)
        chosen = planes.blocks(pick_within(errors, ERROR_TOLERANCE, generator))
        laid[y, x] = cut_and_lay(under, chosen, overlap, above, left)
    return laid[:height, :width]


class Planes:
    """A sample as planes whose product with a query of the same shape is the error of the block there."""

    def __init__(self, sample: Tensor, block: int, guide: Guide | None, canvas: tuple[int, int]):
        self.sample, self.block, self.guide = sample, block, guide
        planes = [sample, sample.square().sum(2, keepdim=True)]
        if guide is not None:
            planes += [guide.sample, guide.sample.square()]
            self.photo = beyond(guide.photo, *canvas)
            self.before = None if guide.before is None else beyond(guide.before, *canvas)
        self.planes = torch.cat(planes, 2).permute(2, 0, 1)[None]
        places = (sample.shape[0] - block + 1) * (sample.shape[1] - block + 1)
        self.stride = math.ceil(math.sqrt(places / MOST_PLACES))

    def errors(self, under: Tensor, overlapped: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Errors (B, N) of all blocks of the sample in the places of B blocks, per pixel of a block.

        ``under`` (B, S, S, 3) is what lies there and ``overlapped`` (B, S, S) where; ``y`` and ``x`` are the pixels.
        """
        # Means over channels, as correspondence maps have but one.
        counts = overlapped[..., None] / under.shape[3]
        wanted = under * counts
        own = (wanted * under).sum((1, 2, 3))
        if self.guide is None:
            query = [-2 * wanted, counts]
        else:
            alpha, photo = self.guide.alpha, self.photo[y, x]
            if self.before is not None:
                before = self.before[y, x]
                share = 1 / before.shape[3]
                counts, wanted = counts + share, wanted + share * before
                own = own + share * before.square().sum((1, 2, 3))
            share = (1 - alpha) * torch.ones_like(photo)
            query = [-2 * alpha * wanted, alpha * counts, -2 * share * photo, share]
            own = alpha * own + (share * photo.square()).sum((1, 2, 3))
        products = F.conv2d(self.planes, torch.cat(query, 3).permute(0, 3, 1, 2), stride=self.stride)[0].flatten(1)
        return (products + own[:, None]).clamp(min=0) / self.block**2

    def blocks(self, numbers: Tensor) -> Tensor:
        """The blocks (B, S, S, 3) that begin at the places ``numbers`` (B,), counted row by row."""
        across = (self.sample.shape[1] - self.block) // self.stride + 1
        top, left = numbers // across * self.stride, numbers % across * self.stride
        cells = torch.arange(self.block)
        return self.sample[top[:, None, None] + cells[:, None], left[:, None, None] + cells]


def beyond(picture: Tensor, height: int, width: int) -> Tensor:
    """(H, W, C) -> (height, width, C), the last row and column repeated."""
    rows, columns = torch.arange(height).clamp(max=len(picture) - 1), torch.arange(width)
    return picture[rows[:, None], columns.clamp(max=picture.shape[1] - 1)]


def cut_and_lay(under: Tensor, chosen: Tensor, overlap: int, above: Tensor, left: Tensor) -> Tensor:
    """Blocks (B, S, S, 3): ``chosen`` over ``under``, cut within the ``overlap`` with what is above and to the left.

    ``above`` and ``left`` (B,) say which blocks have such neighbours.
    """
    errors = (under - chosen).square().sum(3)
    block = errors.shape[1]
    cells = torch.arange(block)
    from_left = least_error_path(errors[:, :, :overlap])  # a column for each row
    from_above = least_error_path(errors[:, :overlap].transpose(1, 2))  # a row for each column
    new = (cells >= torch.where(left[:, None], from_left, 0)[:, :, None]) & (
        cells[:, None] >= torch.where(above[:, None], from_above, 0)[:, None]
    )
    return torch.where(new[..., None], chosen, under)


def least_error_path(errors: Tensor) -> Tensor:
    """The minimum error boundary cut through (B, S, O), from the first row to the last: a column (B, S) for each row.

    ``E[i, j] = e[i, j] + min(E[i-1, j-1], E[i-1, j], E[i-1, j+1])`` (section 2.1), then back from the least end.
    """
    total, steps = errors[:, 0], []
    for row in errors.unbind(1)[1:]:
        near = F.pad(total, (1, 1), value=torch.inf).unfold(1, 3, 1)  # (B, O, 3)
        least, step = near.min(2)
        steps.append(step - 1)
        total = row + least
    column = total.argmin(1, keepdim=True)
    path = [column]
    for step in reversed(steps):
        column = column + step.gather(1, column)
        path.append(column)
    return torch.cat(path[::-1], 1)


def transfer(content: Tensor, style: Tensor, how: Quilting, generator: torch.Generator) -> Tensor:
    """``content`` (H, W, 3) laid of blocks of ``style`` (h, w, 3), in passes of ever smaller blocks."""
    photo, sample = luminance(content), luminance(style)
    sample, painted = remapped(sample, sample, photo), None
    for block, alpha in zip(block_sides(how), alphas(how.passes), strict=True):
        require_block(style, block)
        guide = Guide(alpha, photo, sample, painted)
        painted = quilt(style, *content.shape[:2], block, generator, guide)
    return painted


def alphas(passes: int) -> list[float]:
    """What the overlap counts in each pass (section 3); a single one takes the middle."""
    if passes == 1:
        return [0.5]
    return [0.8 * number / (passes - 1) + 0.1 for number in range(passes)]


def block_sides(how: Quilting) -> list[int]:
    """Sides of the blocks of each pass, a third smaller each time."""
    return [max(SMALLEST_BLOCK, round(how.block * SHRINKS**number)) for number in range(how.passes)]


def require_block(sample: Tensor, block: int) -> None:
    """``UserError`` for a sample that is not larger than a block."""
    if min(sample.shape[:2]) <= block:
        height, width = sample.shape[:2]
        raise UserError(f"a sample of {width}x{height} pixels is too small for blocks of {block}")


class QuiltingTeacher(ByExampleTeacher):
    """Photos laid of blocks of a picture; and textures laid of blocks of one."""

    name = "quilting"

    def __init__(self, how: Quilting | None = None):
        how = how or Quilting()
        sides = ", ".join(map(str, block_sides(how)))
        super().__init__(f"Efros & Freeman 2001, blocks of {sides} pixels, without weights", how)

    def transfer(self, content: Tensor, style: Tensor) -> Tensor:
        return transfer(content, style, self.how, self.random())

    def synthesise(self, texture: Tensor, height: int, width: int) -> Tensor:
        """A texture (height, width, 3) like ``texture`` (h, w, 3), by section 2 of the paper."""
        require_block(texture, self.how.texture_block)
        return quilt(texture, height, width, self.how.texture_block, self.random(), None)


def load(weights: str | Path | None, block: int = Quilting.block, passes: int = Quilting.passes) -> QuiltingTeacher:
    """The teacher; it has no weights, and ``weights`` are for the loss networks.

    ``block``: side of the first pass's blocks in pixels; ``passes``: how many there are.
    """
    if block < SMALLEST_BLOCK or passes < 1:
        raise UserError(f"quilting needs blocks of at least {SMALLEST_BLOCK} pixels and at least 1 pass")
    return QuiltingTeacher(Quilting(block, passes))
