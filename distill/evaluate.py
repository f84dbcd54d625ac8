"""Scores on pairs nobody trained on: content and style loss, structural similarity, and likeness to the teacher."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from distill.artefacts import Artefacts, artefacts, mean_artefacts
from distill.data import PictureSet
from distill.framed import paint_framed
from distill.losses import content_loss, style_loss
from distill.samples import to_tensor

Stylize = Callable[[Tensor, Tensor], Tensor]
#: Long side of the thumbnail that a student measures, as in a bundle's manifest.
THUMBNAIL = 256


@dataclass(frozen=True)
class Scores:
    """Means over the pairs. ``content`` and ``style``: the judge's losses, lower is better; ``ssim``: structural
    similarity to the photo; ``teacher_ssim`` and ``teacher_psnr`` (dB): likeness to the teacher's picture."""

    content: float
    style: float
    ssim: float
    teacher_ssim: float
    teacher_psnr: float


def held_back_pairs(
    content: PictureSet, style: PictureSet | None, count: int, size: int, paired: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """``count`` pairs of square pictures (1, 3, size, size): photos in turn, paintings in strides of five.

    The stride is longer where five would leave paintings out. Without paintings each photo stands for its own,
    and ``paired`` paintings are what a teacher made of the photo of the same number.
    """
    style = content if style is None else style
    stride = next(n for n in itertools.count(5) if math.gcd(n, len(style)) == 1)
    for i in range(count):
        photo = content[i % len(content)]
        painting = style[i % len(content) if paired else (i * stride + i // len(content)) % len(style)]
        yield to_tensor([centre_square(photo, size)]), to_tensor([centre_square(painting, size)])


def centre_square(picture: np.ndarray, size: int) -> np.ndarray:
    """The central size x size pixels of a uint8 (H, W, 3) picture whose short side is at least that."""
    top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
    return picture[top : top + size, left : left + size]


def student_stylize(student: nn.Module) -> Stylize:
    """The student as the runtime uses it: statistics from a thumbnail, painted in a frame, output clipped."""
    if not student.sites:
        return lambda content, style: paint_framed(student, content, []).clamp(0, 1)

    def stylize(content: Tensor, style: Tensor) -> Tensor:
        ratio = max(1, -(-max(content.shape[2:]) // THUMBNAIL))
        thumbnail = F.avg_pool2d(content, ratio) if ratio > 1 else content
        affine = student.affine(student.style(style), student.measure(thumbnail))
        return paint_framed(student, content, affine).clamp(0, 1)

    return stylize


@torch.inference_mode()
def evaluate(
    stylizers: dict[str, Stylize],
    judge: nn.Module,
    content: PictureSet,
    style: PictureSet | None,
    count: int = 32,
    size: int = 256,
    paired: bool = False,
) -> tuple[dict[str, Any], list[list[Tensor]]]:
    """Score every stylizer; the one called ``teacher`` is what the others are likened to.

    Where there are no paintings, the style that is wanted is that of the teacher's picture.

    Returns the record (scores and artefacts per stylizer, judge, number of pairs, size) and the rows of a contact
    sheet: photo, painting and one picture per stylizer for the first six pairs.
    """
    scores: dict[str, list[Scores]] = {name: [] for name in stylizers}
    flaws: dict[str, list[Artefacts]] = {name: [] for name in stylizers}
    rows: list[list[Tensor]] = []
    for photo, painting in held_back_pairs(content, style, count, size, paired):
        teacher = stylizers["teacher"](photo, painting)
        seen_photo, seen_style = judge(photo), judge(teacher if style is None else painting)
        row = [photo[0], painting[0]]
        for name, stylize in stylizers.items():
            picture = teacher if name == "teacher" else stylize(photo, painting)
            seen = judge(picture)
            scores[name].append(
                Scores(
                    content_loss(seen, seen_photo).item(),
                    style_loss(seen, seen_style).item(),
                    structural_similarity_index_measure(picture, photo, data_range=1.0).item(),
                    structural_similarity_index_measure(picture, teacher, data_range=1.0).item(),
                    min(100.0, peak_signal_noise_ratio(picture, teacher, data_range=1.0).item()),
                )
            )
            flaws[name].append(artefacts(picture, photo))
            row.append(picture[0])
        if len(rows) < 6:
            rows.append(row)
    means = {
        name: {k: float(np.mean([asdict(s)[k] for s in all_scores])) for k in asdict(all_scores[0])}
        for name, all_scores in scores.items()
    }
    found = {name: mean_artefacts(each) for name, each in flaws.items()}
    return {"judge": judge.name, "pairs": count, "size": size, "scores": means, "artefacts": found}, rows
