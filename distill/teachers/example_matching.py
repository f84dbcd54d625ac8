"""Which pixel of an example continues a picture that is being painted: the search that three methods have in common.

Efros & Leung (1999), Ashikhmin (2001) and Hertzmann et al. (2001) paint pixel by pixel. Each pixel is taken from an
example, from where the surroundings are most like what was painted already: weighted squared differences over the
neighbours that are there, plus those of whatever else is known of both places.

Pictures are float32 (H, W, C) in [0, 1] here. A place in an example is the number of its pixel, row by row.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

#: Distances of float32 pictures in [0, 1] are only this exact; a step of 8 bits is 1.5e-5.
ROUNDING = 1e-6


def window_offsets(radius: int) -> Tensor:
    """Rows and columns (K, 2) of the neighbours in a square window, without the pixel itself, in raster order."""
    side = torch.arange(-radius, radius + 1)
    offsets = torch.cartesian_prod(side, side)
    return offsets[offsets.abs().sum(1) > 0]


def causal_offsets(radius: int) -> Tensor:
    """Of these neighbours the ones that raster order has painted: the rows above, and the pixels to the left."""
    offsets = window_offsets(radius)
    return offsets[: len(offsets) // 2]


def gaussian(offsets: Tensor, sigma: float) -> Tensor:
    """Weights (K,) that fall with the distance from the pixel."""
    return torch.exp(-offsets.float().square().sum(1) / (2 * sigma**2))


def wavefronts(height: int, width: int, reach: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and columns of the pixels that raster order may paint together, front by front.

    A pixel waits for those to its left and for the rows above as far as ``reach`` columns to its right; this order
    gives each pixel what strict raster order would have given it.
    """
    slope = reach + 1
    for time in range(width + slope * (height - 1)):
        first, last = max(0, -(-(time - width + 1) // slope)), min(height - 1, time // slope)
        rows = torch.arange(first, last + 1)
        yield rows, time - slope * rows


def windows(picture: Tensor, offsets: Tensor) -> Tensor:
    """(H, W, C) and (K, 2) -> (H * W, K, C): the neighbours of every pixel, the border's repeated beyond it."""
    height, width, channels = picture.shape
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rows = (row.reshape(-1, 1) + offsets[:, 0]).clamp(0, height - 1)
    columns = (column.reshape(-1, 1) + offsets[:, 1]).clamp(0, width - 1)
    return picture.reshape(-1, channels)[rows * width + columns]


class Example:
    """Where pixels are taken from.

    Args:
        painted: (h, w, C), the picture itself.
        known: (h, w, E), what else is compared, each multiplied by the root of its weight; E may be 0.
        offsets: (K, 2), the neighbours that are compared; places whose neighbours lie outside are never taken.
        most: as many places are searched, chosen at random, where the example has more.

    Attributes:
        searched: (N,) numbers of the places that :meth:`search` looks at.
    """

    def __init__(self, painted: Tensor, known: Tensor, offsets: Tensor, most: int, generator: torch.Generator):
        self.height, self.width, self.channels = painted.shape
        self.pixels, self.offsets = painted.reshape(-1, self.channels), offsets
        around, known = windows(painted, offsets), known.flatten(0, 1)
        # A row for each place whose product with a query is their distance, but for the query's own square.
        self.table = torch.cat(
            [around.flatten(1), around.square().sum(2), known, known.square().sum(1, keepdim=True)], 1
        )
        self.allowed = self._inside().flatten()
        places = self.allowed.nonzero().flatten()
        if len(places) > most:
            places = places[torch.randperm(len(places), generator=generator)[:most]].sort().values
        self.searched, self._searched_table = places, self.table[places].T.contiguous()

    def _inside(self) -> Tensor:
        inside = torch.zeros(self.height, self.width, dtype=torch.bool)
        (top, left), (bottom, right) = self.offsets.amin(0).tolist(), self.offsets.amax(0).tolist()
        inside[max(0, -top) : self.height - max(0, bottom), max(0, -left) : self.width - max(0, right)] = True
        return inside

    def query(self, neighbours: Tensor, weights: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """What B pixels look for: a vector (B, D) for :meth:`search` and :meth:`distances`, and its square (B, 1).

        ``neighbours`` (B, K, C) and their ``weights`` (B, K), 0 where there is none yet; ``known`` (B, E).
        """
        weighted = weights[..., None] * neighbours
        one = torch.ones(len(known), 1)
        vector = torch.cat([-2 * weighted.flatten(1), weights, -2 * known, one], 1)
        return vector, (weighted * neighbours).sum((1, 2))[:, None] + known.square().sum(1, keepdim=True)

    def search(self, query: tuple[Tensor, Tensor]) -> Tensor:
        """Distances (B, N) to all places searched."""
        vector, square = query
        return (vector @ self._searched_table).add_(square).clamp_(min=0)

    def distances(self, query: tuple[Tensor, Tensor], places: Tensor) -> Tensor:
        """Distances (B, M) to ``places`` (B, M) of each pixel's own; infinite where a place is -1."""
        vector, square = query
        apart = torch.einsum("bd,bmd->bm", vector, self.table[places.clamp(min=0)]) + square
        return apart.clamp_(min=0).masked_fill_(places < 0, torch.inf)

    def continued(self, places: Tensor) -> Tensor:
        """Where pixels would come from if they went on from their neighbours: (B, K) places of these -> (B, K).

        Ashikhmin's candidates, the paper's ``s(r) + (q - r)``; -1 where the example ends, or the neighbour has none.
        """
        rows = places // self.width - self.offsets[:, 0]
        columns = places % self.width - self.offsets[:, 1]
        inside = (places >= 0) & (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
        at = torch.where(inside, rows * self.width + columns, 0)
        return torch.where(inside & self.allowed[at], at, -1)


class Canvas:
    """A picture of ``height`` x ``width`` pixels that is painted from an example.

    ``weights`` (K,) are those of the neighbours; a pixel's are scaled so that the painted ones' sum up to ``share``
    over all channels. ``places`` (height, width) are where in the example each pixel is from, -1 for not painted yet.
    """

    def __init__(self, example: Example, weights: Tensor, height: int, width: int, share: float = 1.0):
        self.example, self.weights, self.share = example, weights, share
        self.reach = int(example.offsets.abs().max())
        self._places = torch.full((height + 2 * self.reach, width + 2 * self.reach), -1)

    @property
    def places(self) -> Tensor:
        return self._places[self.reach : -self.reach, self.reach : -self.reach]

    def picture(self) -> Tensor:
        """(height, width, C), when all of it is painted."""
        return self.example.pixels[self.places]

    def around(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Places (B, K) of the neighbours of B pixels."""
        at = torch.stack([rows, columns], 1)[:, None] + self.example.offsets + self.reach
        return self._places[at[..., 0], at[..., 1]]

    def query(self, places: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The :meth:`Example.query` of pixels whose neighbours are from ``places`` (B, K)."""
        weights = self.weights * (places >= 0)
        weights = weights * (self.share / self.example.channels / weights.sum(1, keepdim=True).clamp(min=1e-12))
        return self.example.query(self.example.pixels[places.clamp(min=0)], weights, known)

    def put(self, rows: Tensor, columns: Tensor, places: Tensor) -> None:
        self.places[rows, columns] = places


def pick_within(distances: Tensor, tolerance: float, generator: torch.Generator) -> Tensor:
    """One column (B,) for each row of ``distances`` (B, N), at random among those within 1 + tolerance of the least."""
    best = distances.amin(1, keepdim=True)
    rows, columns = (distances <= best * (1 + tolerance) + ROUNDING).nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=len(distances))
    chosen = (torch.rand(len(counts), generator=generator) * counts).long().minimum(counts - 1)
    return columns[counts.cumsum(0) - counts + chosen]


def luminance(rgb: Tensor) -> Tensor:
    """(..., 3) -> (..., 1): the Y of YIQ."""
    return rgb @ torch.tensor([[0.299], [0.587], [0.114]])


def remapped(values: Tensor, of: Tensor, like: Tensor) -> Tensor:
    """``values`` with the linear map that gives ``of`` the mean and the deviation of ``like`` (Hertzmann et al., 3.4).

    An example whose luminance varies less than a level of 8 bits is only shifted.
    """
    deviation = of.std()
    scale = like.std() / deviation if deviation > 1 / 255 else 1.0
    return (values - of.mean()) * scale + like.mean()


def blurred(picture: Tensor, sigma: float) -> Tensor:
    """(H, W, C) under a Gaussian of ``sigma`` pixels, the border repeated beyond it."""
    radius = max(1, round(3 * sigma))
    kernel = torch.exp(-torch.arange(-radius, radius + 1).float().square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).reshape(1, 1, 1, -1)
    x = F.pad(picture.permute(2, 0, 1)[:, None], (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(x, kernel), kernel.transpose(2, 3))[:, 0].permute(1, 2, 0)
