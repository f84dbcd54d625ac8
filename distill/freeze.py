"""One style folded into a student's weights: no style goes in any more, and nothing is measured.

The adaptive student normalises by each photo's own statistics. A frozen one has to do with fixed ones, so its pictures
differ; how much is measured on photos that were not used, and training it on the adaptive student's pictures wins part
of it back.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio

from distill.checkpoint import Trained
from distill.contact_sheet import contact_sheet
from distill.data import PictureSet, open_pictures, random_crop
from distill.evaluate import centre_square
from distill.framed import paint_framed
from distill.muon import optimisers
from distill.provenance import command_line
from distill.run_pictures import EVALUATION_SIZE, open_held_back
from distill.samples import to_tensor
from distill.students import FrozenPainter
from runtime.errors import UserError

#: Photos that the fixed statistics are an average over, and that the loss is measured on; the first of each set.
AVERAGED_PHOTOS, JUDGED_PHOTOS = 128, 32
SHOWN_PHOTOS = 4
#: Fine-tuning: crops per step and their side in pixels; peak steps of Muon and Adam. Crops are nearly whole photos:
#: statistics of smaller ones vary more than those the painter will meet, and what is learned from them does not last.
BATCH, CROP, MUON_LR, ADAM_LR = 2, 256, 1e-3, 2e-4
#: What a squared difference of features counts against one of pixels, and one of the statistics that style is coded
#: from. Without the last the painter settles for the mean of what it cannot know, and that is duller than any of them.
FEATURES, STATISTICS = 0.3, 0.2
CROP_STREAM = 6


def freeze_style(student: nn.Module, code: Tensor, stats: Tensor) -> FrozenPainter:
    """The painter of one style that gives ``student.paint`` with the affine of this code and these statistics.

    Args:
        code, stats: (1, 2, M) float32, as from ``student.style`` and ``student.measure`` or :func:`average_statistics`.

    Raises:
        UserError: the student is frozen already, or the code is none that the style encoder gives.
    """
    require_adaptive(student)
    try:
        with torch.no_grad():
            return FrozenPainter.folding(student, student.affine(code, stats))
    except ValueError as error:
        raise UserError(f"{error}: this style code cannot be frozen") from error


def require_adaptive(student: nn.Module) -> None:
    """Raise ``UserError`` for a student that has its style folded in."""
    if not student.sites:
        raise UserError("this student has its style folded in already: give one that paints in any style")


@torch.no_grad()
def average_statistics(student: nn.Module, photos: Iterable[Tensor]) -> Tensor:
    """Statistics (1, 2, M) that serve all ``photos`` (1, 3, H, W) best: the least squared error of features.

    With statistics m, s of a photo, the adaptive student maps a feature x to (x - m) / s. The one affine map of x that
    is nearest to it, over all pixels of all photos, subtracts mean(m) and divides by (mean(s²) + var(m)) / mean(s).
    """
    means, deviations = torch.cat([student.measure(photo) for photo in photos]).unbind(1)
    spread = (deviations.square().mean(0) + means.var(0, correction=0)) / deviations.mean(0)
    return torch.stack([means.mean(0), spread])[None]


class Likeness(NamedTuple):
    """How near a frozen painter's pictures are to the adaptive student's, means over photos.

    Attributes:
        psnr: in dB, 100 at most.
        style_gap: what is left of the way from a photo's style statistics to the adaptive picture's: 0 where the frozen
            picture has those of the adaptive one, 1 where it is as far from them as the photo.
    """

    psnr: float
    style_gap: float


@torch.inference_mode()
def likeness(frozen: FrozenPainter, student: nn.Module, code: Tensor, photos: Iterable[Tensor]) -> Likeness:
    """Of pictures of ``photos`` (1, 3, H, W), painted in the runtime's frame."""
    psnrs, gaps = [], []
    for photo in photos:
        wanted = paint_framed(student, photo, student.affine(code, student.measure(photo))).clamp(0, 1)
        painted = paint_framed(frozen, photo, ()).clamp(0, 1)
        error = peak_signal_noise_ratio(painted, wanted, data_range=1.0)
        psnrs.append(min(100.0, error.item()))
        way = statistics_apart(student, photo, wanted).clamp_min(1e-9)  # nothing for a style that changes nothing
        gaps.append(statistics_apart(student, painted, wanted) / way)
    return Likeness(sum(psnrs) / len(psnrs), float(sum(gaps) / len(gaps)))


def statistics_apart(student: nn.Module, one: Tensor, other: Tensor) -> Tensor:
    """Squared distance of the statistics that style is coded from, in units of how far paintings spread: a scalar."""
    apart = (student.style.statistics(one) - student.style.statistics(other)) / student.style.spread
    return apart.square().mean()


def fine_tune(
    frozen: FrozenPainter, student: nn.Module, code: Tensor, photos: PictureSet, steps: int, seed: int = 0
) -> FrozenPainter:
    """A copy of ``frozen`` after ``steps`` on random crops, painted by the adaptive student with their own statistics.

    Both paint in a frame, as the runtime does; the rates fall on a cosine.
    """
    tuned = copy.deepcopy(frozen).train().requires_grad_(True)
    student = copy.deepcopy(student).eval().requires_grad_(False)
    trained_by = optimisers(list(tuned.parameters()), MUON_LR, ADAM_LR)
    peaks = [optimiser.param_groups[0]["lr"] for optimiser in trained_by]
    for step, crops in enumerate(crop_batches(photos, steps, seed)):
        with torch.no_grad():
            wanted = paint_framed(student, crops, student.affine(code, student.measure(crops)))
        for optimiser, peak in zip(trained_by, peaks, strict=True):
            optimiser.param_groups[0]["lr"] = peak * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimiser.zero_grad(set_to_none=True)
        difference(student, paint_framed(tuned, crops, ()), wanted).backward()
        for optimiser in trained_by:
            optimiser.step()
    return tuned.eval().requires_grad_(False)


def crop_batches(photos: PictureSet, steps: int, seed: int) -> Iterator[Tensor]:
    """``steps`` batches (BATCH, 3, CROP, CROP); the same for the same seed."""
    for step in range(steps):
        rng = np.random.default_rng([seed, CROP_STREAM, step])
        chosen = (photos[int(i)] for i in rng.integers(len(photos), size=BATCH))
        yield to_tensor([random_crop(photo, CROP, rng, augment=False) for photo in chosen])


def difference(student: nn.Module, painted: Tensor, wanted: Tensor) -> Tensor:
    """Squared error of pixels, of the student's own features of both pictures, and of what its style encoder sees."""
    features = zip(student.content_features(painted), student.content_features(wanted), strict=True)
    return (
        F.mse_loss(painted, wanted)
        + FEATURES * sum(F.mse_loss(mine, theirs) for mine, theirs in features)
        + STATISTICS * statistics_apart(student, painted, wanted)
    )


def freeze(
    trained: Trained,
    code: Tensor,
    style: str,
    content: str | None = None,
    steps: int = 0,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """A student of one style, with its history; how near it is to the adaptive one stands in ``quality``.

    Args:
        code: (1, 2, M) float32, from ``student.style`` of the painting.
        style: what the style is called, for provenance.
        content: photos, as for ``distill --content``; None for the samples that ship.
        steps: of fine-tuning; 0 for none.

    Raises:
        UserError: as :func:`freeze_style`, and for photos that cannot be read or steps below 0.
    """
    if steps < 0:
        raise UserError(f"the steps of fine-tuning must be at least 0, got {steps}")
    student = trained.student
    require_adaptive(student)
    photos = open_pictures(content, "content", EVALUATION_SIZE, "train")
    judged = list(squares(open_held_back(content, "content")[0], JUDGED_PHOTOS))
    frozen = freeze_style(student, code, average_statistics(student, squares(photos, AVERAGED_PHOTOS)))
    found = likeness(frozen, student, code, judged)
    record: dict[str, Any] = {"photos": len(judged), **found._asdict(), "steps": steps}
    say(f"with fixed statistics, on {len(judged)} held-back photos: {_said(found)}")
    if steps:
        frozen = fine_tune(frozen, student, code, photos, steps, seed)
        tuned = likeness(frozen, student, code, judged)
        record |= {f"{name}_fine_tuned": value for name, value in tuned._asdict().items()}
        say(f"after {steps} steps of fine-tuning: {_said(tuned)}")
    origin = {"style": style, "content": photos.name, "seed": seed, "adaptive": trained.quality}
    origin |= {"command": command_line()}
    return Trained(frozen, trained.config, {**trained.provenance, "frozen": origin}, {"frozen": record})


def _said(found: Likeness) -> str:
    return f"{found.psnr:.1f} dB from the adaptive student, {found.style_gap:.0%} of the way to its style missing"


@torch.inference_mode()
def frozen_sheet(frozen: FrozenPainter, student: nn.Module, code: Tensor, content: str | None = None) -> np.ndarray:
    """Photo, the adaptive student's picture and the frozen one's: a row for each of some held-back photos.

    Args:
        code: (1, 2, M) float32 of the folded style.
        content: photos, as for :func:`freeze`.
    """
    rows = []
    for photo in squares(open_held_back(content, "content")[0], SHOWN_PHOTOS):
        adaptive = paint_framed(student, photo, student.affine(code, student.measure(photo)))
        rows.append([each[0] for each in (photo, adaptive, paint_framed(frozen, photo, ()))])
    return contact_sheet(rows, ["photo", "adaptive student", "student"])


def squares(pictures: PictureSet, count: int) -> Iterator[Tensor]:
    """The central squares (1, 3, S, S) of the first ``count`` pictures, as students are judged on."""
    for index in range(min(count, len(pictures))):
        yield to_tensor([centre_square(pictures[index], EVALUATION_SIZE)])
