"""How near a SPADE in training comes to photos of label maps that it never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from distill.contact_sheet import write_sheet
from distill.teachers.spade.losses import perceptual_loss
from distill.teachers.spade.map_pairs import MapPairs

MOST_PAIRS, SHOWN = 16, 4
STREAM = 6


@dataclass(frozen=True)
class Checked:
    """Means over held-back pairs, each painted in the style of its own photo, where there is an encoder.

    Attributes:
        perceptual: the perceptual loss, as in training but for its weight.
        psnr: to the photo, in dB.
        colour: how far a label's mean colour is from its photo's, in levels of 255; mean over labels and pairs.
    """

    step: int
    perceptual: float
    psnr: float
    colour: float


@torch.inference_mode()
def check(
    nets: nn.ModuleDict,
    held: MapPairs,
    size: int,
    see: Callable[[Tensor], Sequence[Tensor]],
    step: int,
    device: torch.device,
) -> tuple[Checked, list[list[Tensor]]]:
    """Scores of the networks in eval mode, and rows of label map, photo, picture in its style and in the mean one."""
    scores, rows = [], []
    for index in range(min(len(held), MOST_PAIRS)):
        semantics, photo = held.crops(index, size, np.random.default_rng([STREAM, index]))
        semantics, photo = semantics.to(device), photo.to(device)
        latent = nets["encoder"](photo * 2 - 1)[0] if "encoder" in nets else None
        painted = (nets["generator"](semantics, latent) + 1) / 2
        scores.append(
            (
                float(perceptual_loss(see(painted), see(photo))),
                float(-10 * torch.log10((painted - photo).square().mean())),
                colour_error(semantics[:, : len(held.described.palette)], painted, photo),
            )
        )
        if len(rows) < SHOWN:
            plain = painted if latent is None else (nets["generator"](semantics, torch.zeros_like(latent)) + 1) / 2
            rows.append([drawn(semantics, held), *(picture[0].cpu() for picture in (photo, painted, plain))])
    return Checked(step, *(round(float(np.mean(column)), 4) for column in zip(*scores, strict=True))), rows


def colour_error(labels: Tensor, painted: Tensor, photo: Tensor) -> float:
    """Mean over the labels (1, K, H, W) that occur of the distance of their mean colours, in levels of 255."""
    sizes = labels.sum((2, 3))[0]
    means = [torch.einsum("nkhw,nchw->kc", labels, picture) for picture in (painted, photo)]
    apart = (means[0] - means[1]).abs().mean(1)[sizes > 0] / sizes[sizes > 0]
    return 255 * float(apart.mean())


def drawn(semantics: Tensor, held: MapPairs) -> Tensor:
    """A label map as a picture (3, H, W) in [0, 1]."""
    palette = held.described.palette
    numbers = semantics[0, : len(palette)].argmax(0).cpu().numpy()
    return torch.from_numpy(palette.draw(numbers)).permute(2, 0, 1).float() / 255


def write_sheet_of(path: Path, rows: list[list[Tensor]]) -> None:
    """A contact sheet of the rows of `check`."""
    write_sheet(path, rows, ["labels", "photo", "in its style", "mean style"])
