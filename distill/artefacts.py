"""What goes wrong in painted pictures, as numbers: lattices, halos along the border, noise in flat areas, bled colours.

Each compares a painted picture with its photo and needs nothing else, so students, teachers and peers can be set beside
each other. A stylized picture is meant to differ from its photo: read a student's numbers beside its teacher's. All
are of luminance or chroma (ITU-R BT.601) in levels of 0 to 255.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

#: Sides of the tiles whose spectrum is looked at, in pixels: a multiple of the periods that are looked for.
TILE = 64
#: Periods that pixel shuffle draws its lattices at, in pixels: the student's strides.
PERIODS = (4, 2)
#: Neighbours of a frequency that say what it would have without a lattice, in steps of 1/TILE.
NEIGHBOURS = (3, 4, 5)
BORDER = 8
#: A patch of a photo is flat when its luminance deviates by less than this.
PATCH, FLAT = 16, 2.0
#: An edge is where a photo's chroma changes by this much from pixel to pixel; bled colours lie within ``REACH`` of it.
EDGE, NEAR, REACH = 8.0, 2, 10
_FEWEST_EDGES = 32


@dataclass(frozen=True)
class Artefacts:
    """0 or 1 is none, as said; higher is worse.

    Attributes:
        lattice: amplitude of the strongest periodic pattern of 2 or 4 pixels, above its neighbours in the spectrum and
            above the photo's, in levels; 0 is none.
        border: how many times as much detail the outermost 8 pixels gained as the rest of the picture; 1 is none.
        flat: deviation within patches of 16 pixels where the photo is flat, above the photo's, in levels. None where
            it is nowhere flat.
        bleeding: share of the changes of colour at the photo's edges that moved away from them, from 0 to 1. None
            where the photo has too few edges between colours.
    """

    lattice: float
    border: float
    flat: float | None
    bleeding: float | None


NAMES = ("lattice", "border", "flat", "bleeding")


def artefacts(picture: Tensor, photo: Tensor) -> Artefacts:
    """Of a painted picture (1, 3, H, W) in [0, 1] and its photo, sides of at least 32 pixels."""
    painted, seen = picture.float() * 255, photo.float() * 255
    light, before = luminance(painted), luminance(seen)
    return Artefacts(
        lattice_amplitude(light, before),
        border_gain(light, before),
        flat_deviation(light, before),
        colour_bleeding(chroma(painted), chroma(seen)),
    )


def mean_artefacts(found: Iterable[Artefacts]) -> dict[str, float | None]:
    """Means by name, over those pictures that have a number."""
    rows = [asdict(each) for each in found]
    known = {name: [row[name] for row in rows if row[name] is not None] for name in NAMES}
    return {name: sum(values) / len(values) if values else None for name, values in known.items()}


def luminance(picture: Tensor) -> Tensor:
    """(1, 3, H, W) -> (H, W)."""
    return (picture[0] * picture.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)


def chroma(picture: Tensor) -> Tensor:
    """(1, 3, H, W) -> Cb and Cr, (2, H, W)."""
    red, _, blue = picture[0]
    light = luminance(picture)
    return torch.stack([0.564 * (blue - light), 0.713 * (red - light)])


def lattice_amplitude(light: Tensor, before: Tensor) -> float:
    """See :class:`Artefacts`; both (H, W).

    The amplitude is a mean over tiles, so that a lattice counts whose sign changes across the picture.
    """
    after = zip(lattice_peaks(light), lattice_peaks(before), strict=True)
    return max(max(0.0, painted - max(0.0, own)) for painted, own in after)


def lattice_peaks(light: Tensor) -> list[float]:
    """Per frequency of a lattice the amplitude in levels above that of its neighbours."""
    side = min(TILE, min(light.shape) // 8 * 8)
    window = torch.hann_window(side)
    window = window[:, None] * window
    tiles = light.unfold(0, side, side // 2).unfold(1, side, side // 2).reshape(-1, side, side)
    tiles = (tiles - tiles.mean((1, 2), keepdim=True)) * window
    amplitudes = 2 * torch.fft.fft2(tiles).abs().mean(0) / window.sum()
    return [_peak(amplitudes, down, across) for down, across in _frequencies(side)]


def _frequencies(side: int) -> Iterator[tuple[int, int]]:
    bins = (0, *(side // period for period in PERIODS))
    return ((down, across) for down in bins for across in bins if down or across)


def _peak(amplitudes: Tensor, down: int, across: int) -> float:
    """Amplitude at a frequency above the mean of its neighbours along those axes on which it has one."""
    side = len(amplitudes)
    steps = [step for near in NEIGHBOURS for step in (-near, near)]
    beside = [amplitudes[(down + step) % side, across] for step in steps if down]
    beside += [amplitudes[down, (across + step) % side] for step in steps if across]
    # A frequency that is its own negative has its whole amplitude in one place, others one half.
    own = 0.5 if 2 * down % side == 0 and 2 * across % side == 0 else 1.0
    return own * (amplitudes[down, across] - torch.stack(beside).mean()).item()


def border_gain(light: Tensor, before: Tensor) -> float:
    """See :class:`Artefacts`; both (H, W)."""
    inside = torch.zeros_like(light, dtype=torch.bool)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    # A level more, so that photos without detail do not count for much.
    gains = [(_detail(light)[part].mean() + 1) / (_detail(before)[part].mean() + 1) for part in (~inside, inside)]
    return (gains[0] / gains[1]).item()


def _detail(light: Tensor) -> Tensor:
    """Sum of the absolute differences to the neighbours below and to the right, (…, H, W)."""
    down = F.pad(light.diff(dim=-2).abs(), (0, 0, 0, 1))
    return down + F.pad(light.diff(dim=-1).abs(), (0, 1))


def flat_deviation(light: Tensor, before: Tensor) -> float | None:
    """See :class:`Artefacts`; both (H, W)."""
    painted, own = (_patches(each).std(1, correction=0) for each in (light, before))
    flat = own < FLAT
    return (painted - own)[flat].mean().item() if flat.any() else None


def _patches(light: Tensor) -> Tensor:
    return light.unfold(0, PATCH, PATCH).unfold(1, PATCH, PATCH).reshape(-1, PATCH * PATCH)


def colour_bleeding(colours: Tensor, before: Tensor) -> float | None:
    """See :class:`Artefacts`; both (2, H, W).

    A picture's changes of colour near the photo's edges, as a share of those there and around; relative to the photo's.
    """
    changes, own = _detail(colours).sum(0), _detail(before).sum(0)
    edges = own > EDGE
    if edges.sum() < _FEWEST_EDGES:
        return None
    near, around = (_grown(edges, reach) for reach in (NEAR, REACH))
    shares = [(each[near].sum() + 1) / (each[around].sum() + 1) for each in (changes, own)]
    return max(0.0, 1 - (shares[0] / shares[1]).item())


def _grown(mask: Tensor, reach: int) -> Tensor:
    return F.max_pool2d(mask[None].float(), 2 * reach + 1, 1, reach)[0] > 0
