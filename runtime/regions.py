"""One style per region of the picture: masks, with soft edges, sampled where a tile needs them.

Spatial control in the sense of Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer" (2017), with
AdaIN's scale and shift as maps (Huang & Belongie 2017, section 7.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from runtime.errors import UserError
from runtime.framing import fitted_size
from runtime.painter import Window

#: Masks are held at most this large, in pixels of the longer side: their edges are soft, and memory stays bounded.
MAX_MASK_SIDE = 2048
MAX_REGIONS = 16
DEFAULT_FEATHER = 0.005
#: A picture and a mask may differ this much in their ratio of width to height.
_RATIO_TOLERANCE = 0.02
#: A colour of a label picture is a label if it covers this part; others, from smoothed edges, go to the nearest label.
_LEAST_LABEL = 0.004
_MAX_LABELS = 64


@dataclass(frozen=True, eq=False)
class Regions:
    """Styles and where they are painted; what no mask covers gets the rest's style, or stays as it is.

    Attributes:
        masks: uint8 (h, w) each, of the picture's shape but any size: 255 takes the style wholly. Where masks overlap
            they share.
        styles: one for each mask: a `StyleCode`, or what `Stylizer.style` makes one of.
        rest: style of what the masks leave; None leaves it unstyled.
        feather: how wide the edges are softened, as a part of the picture's longer side.

    Raises:
        UserError: no or too many masks, their number is not that of the styles, or feather is outside 0 to 0.5.
    """

    masks: Sequence[np.ndarray]
    styles: Sequence[Any]
    rest: Any = None
    feather: float = DEFAULT_FEATHER

    def __post_init__(self) -> None:
        if not 1 <= len(self.masks) <= MAX_REGIONS:
            raise UserError(f"a picture has 1 to {MAX_REGIONS} regions, not {len(self.masks)}")
        if len(self.masks) != len(self.styles):
            raise UserError(f"{len(self.masks)} regions need as many styles, not {len(self.styles)}")
        if not 0 <= self.feather <= 0.5:
            raise UserError(f"feather must be from 0 to 0.5, not {self.feather:g}")
        for mask in self.masks:
            if mask.ndim != 2 or mask.dtype != np.uint8 or 0 in mask.shape:
                raise UserError("a mask is a grey picture: a uint8 array (h, w)")

    @classmethod
    def of_labels(
        cls, labels: np.ndarray, styles: Sequence[Any], rest: Any = None, feather: float = DEFAULT_FEATHER
    ) -> Regions:
        """Regions from one picture, uint8 (h, w, 3): its colours, from dark to light, take the styles in their order.

        Colours are ordered by red, then green, then blue; those of a few scattered pixels count to the nearest other.

        Raises:
            UserError: fewer colours than styles, or hundreds of them, as in a photo.
        """
        masks = split_labels(labels)
        if len(masks) < len(styles):
            raise UserError(f"the label picture has {len(masks)} regions, too few for {len(styles)} styles")
        return cls(masks[: len(styles)], styles, rest, feather)

    def on(self, size: tuple[int, int]) -> PlacedRegions:
        """The regions on a picture of that height and width.

        Raises:
            UserError: a mask has another ratio of width to height.
        """
        height, width = size
        for mask in self.masks:
            tall, wide = mask.shape
            if abs(wide * height / (tall * width) - 1) > _RATIO_TOLERANCE + 1 / min(tall, wide, height, width):
                raise UserError(f"a mask of {wide}x{tall} pixels does not fit a picture of {width}x{height}")
        held = fitted_size(height, width, MAX_MASK_SIDE)
        return PlacedRegions(
            size, [_softened(mask, held, self.feather) for mask in self.masks], [*self.styles, self.rest]
        )


class PlacedRegions:
    """Regions on one picture.

    Args:
        size: the picture's height and width.
        masks: float32 (h, w) each, of one size, 0 to 1.
        codes: of each mask, and last of the rest.
    """

    def __init__(self, size: tuple[int, int], masks: Sequence[np.ndarray], codes: Sequence[Any]) -> None:
        self.codes = list(codes)
        self._size = size
        self._masks = masks

    def weights(self, window: Window, stride: int) -> np.ndarray:
        """How much each style counts at each block of `stride` pixels: float32 (K + 1, h, w), sums of 1.

        The masks are read at the blocks' centres, bilinearly, so that windows agree where they overlap.
        """
        rows = self._places(window.top, window.height, stride, axis=0)
        columns = self._places(window.left, window.width, stride, axis=1)
        shares = np.stack([_bilinear(mask, rows, columns) for mask in self._masks])
        shares /= np.maximum(shares.sum(0), 1)
        return np.concatenate([shares, 1 - shares.sum(0, keepdims=True)])

    def _places(self, start: int, length: int, stride: int, axis: int) -> np.ndarray:
        """Where in the masks the blocks' centres lie; beyond the picture, its border."""
        side = self._masks[0].shape[axis]
        centres = start + (np.arange(-(-length // stride)) + 0.5) * stride
        return np.clip(centres * (side / self._size[axis]) - 0.5, 0, side - 1)


def split_labels(labels: np.ndarray) -> list[np.ndarray]:
    """A mask for each colour of a label picture, uint8 (h, w, 3), in the order of `Regions.of_labels`.

    Raises:
        UserError: it has far more colours than a label picture.
    """
    packed = labels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    colours, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    large = counts >= _LEAST_LABEL * packed.size
    if not 1 <= large.sum() <= _MAX_LABELS or counts[large].sum() < packed.size / 2:
        raise UserError("this is no label picture: its regions have to be painted in few plain colours")
    parts = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], 1).astype(np.int64)
    squared = ((parts[:, None] - parts[large][None]) ** 2).sum(2)
    nearest = squared.argmin(1)[inverse.reshape(packed.shape)]
    return [np.where(nearest == label, 255, 0).astype(np.uint8) for label in range(int(large.sum()))]


def _softened(mask: np.ndarray, size: tuple[int, int], feather: float) -> np.ndarray:
    """A mask at another size with edges of that width: float32 (h, w), 0 to 1."""
    height, width = size
    image = Image.fromarray(mask)
    # Enlarged, an edge stays one; the softness is the feather's.
    smaller = height < mask.shape[0]
    image = image.resize((width, height), Image.Resampling.BOX if smaller else Image.Resampling.NEAREST)
    if feather:
        image = image.filter(ImageFilter.GaussianBlur(feather * max(size) / 2))
    return np.asarray(image, np.float32) / 255


def _bilinear(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """float32 (h, w) read at fractional rows and columns."""
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top).astype(np.float32)[:, None], (columns - left).astype(np.float32)[None]
    bottom, beside = np.minimum(top + 1, mask.shape[0] - 1), np.minimum(left + 1, mask.shape[1] - 1)
    upper, lower = (mask[row][:, left] * (1 - right) + mask[row][:, beside] * right for row in (top, bottom))
    return upper * (1 - down) + lower * down
