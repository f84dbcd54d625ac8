"""A personal style: a style code optimised for one to a few pictures, instead of the encoder's guess from one look.

The student's weights stay as they are; only the few hundred numbers of the code move, so the result is a small file
that every bundle of that student reads. It is Gatys' optimisation (Gatys et al. 2016) in the space of AdaIN's
statistics rather than of pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill.data import PictureSet, open_pictures, random_crop
from distill.evaluate import centre_square
from distill.freeze import require_adaptive
from distill.losses import LossWeights, content_loss, range_loss, style_loss, variation_loss
from distill.perceptual import Perception, compact_perception, vgg19_perception
from distill.run_pictures import EVALUATION_SIZE, open_held_back
from distill.samples import to_tensor
from distill.students.haar_painter import MIN_DEVIATION
from runtime.errors import UserError
from runtime.framing import style_crop
from runtime.image_files import read_picture

MOST_IMAGES = 16
DEFAULT_STEPS = 100
#: Crops per step and their side in pixels, and Adam's peak step in units of the code's own spread.
BATCH, CROP, LEARNING_RATE = 2, 128, 0.04
#: Photos that the result is judged on.
JUDGED_PHOTOS = 8
CROP_STREAM = 7


@dataclass(frozen=True)
class Scores:
    """Losses of painted held-back photos against the personal pictures, and against the photos."""

    style: float
    content: float


@dataclass(frozen=True)
class Personal:
    """A personal style: float32 (2, M), with what it scores beside the encoder's own code."""

    code: np.ndarray
    judge: str
    photos: int
    own: Scores
    personal: Scores

    @property
    def better(self) -> bool:
        """Whether its style loss is below that of the encoder's code."""
        return self.personal.style < self.own.style

    def to_json(self) -> dict[str, Any]:
        """The scores as plain data."""
        return {key: value for key, value in asdict(self).items() if key != "code"} | {"better": self.better}


def personalize(
    student: nn.Module,
    images: Sequence[Tensor],
    content: str | None = None,
    steps: int = DEFAULT_STEPS,
    weights: str | None = None,
    seed: int = 0,
    progress: Callable[[int], None] = lambda step: None,
) -> Personal:
    """Optimise a style code for `images`.

    Args:
        images: pictures of the style, (1, 3, H, W) in [0, 1].
        content: photos, as for ``distill --content``; None for the samples that ship.
        weights: where VGG-19 is looked for, as for ``distill --weights``; what ships steps in.
        progress: told after each step.

    Raises:
        UserError: a student whose style is fixed, no or too many images, or photos that cannot be read.
    """
    require_adaptive(student)
    if not 1 <= len(images) <= MOST_IMAGES:
        raise UserError(f"a personal style comes from 1 to {MOST_IMAGES} pictures, not {len(images)}")
    if not 1 <= steps <= 10_000:
        raise UserError(f"the steps must be from 1 to 10000, not {steps}")
    net = vgg19_perception(weights)
    judge, net = (net or compact_perception()), compact_perception()
    photos = open_pictures(content, "content", EVALUATION_SIZE, "train")
    held = open_held_back(content, "content")[0]
    with torch.no_grad():
        own = torch.cat([student.style(image) for image in images]).mean(0, keepdim=True)
    wanted = [
        (mean.expand(BATCH, -1, -1, -1), deviation.expand(BATCH, -1, -1, -1))
        for mean, deviation in mean_style(net, images)
    ]
    code = _optimise(student, net, own, wanted, photos, steps, seed, progress)
    target = mean_style(judge, images)
    judged = [to_tensor([centre_square(held[i], EVALUATION_SIZE)]) for i in range(min(JUDGED_PHOTOS, len(held)))]
    scores = [score(student, judge, one, target, judged) for one in (own, code)]
    return Personal(code[0].numpy(), judge.name, len(judged), *scores)


@torch.no_grad()
def mean_style(net: nn.Module, images: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """What the pictures have in common: means and deviations of each tap, averaged over the pictures."""
    seen = [net(image).style for image in images]
    return [
        tuple(torch.stack([style[tap][part] for style in seen]).mean(0) for part in (0, 1))  # type: ignore[misc]
        for tap in range(len(seen[0]))
    ]


@torch.inference_mode()
def score(
    student: nn.Module, judge: nn.Module, code: Tensor, target: list[tuple[Tensor, Tensor]], photos: Sequence[Tensor]
) -> Scores:
    """The mean losses over photos (1, 3, H, W) painted with a code (1, 2, M)."""
    found = []
    for photo in photos:
        painted = student.paint(photo, student.affine(code, student.measure(photo))).clamp(0, 1)
        seen = judge(painted)
        found.append([style_loss(seen, Perception(seen.content, target)), content_loss(seen, judge(photo))])
    return Scores(*(float(value) for value in torch.tensor(found).mean(0)))


def read_images(paths: Sequence[Path]) -> list[Tensor]:
    """Pictures as the style encoder sees them: 256 pixels short side, (1, 3, H, W) in [0, 1].

    Raises:
        UserError: one cannot be read.
    """
    return [to_tensor([style_crop(read_picture(path).on_white())]) for path in paths]


def _optimise(
    student: nn.Module,
    net: nn.Module,
    own: Tensor,
    target: list[tuple[Tensor, Tensor]],
    photos: PictureSet,
    steps: int,
    seed: int,
    progress: Callable[[int], None],
) -> Tensor:
    weights = LossWeights()
    positive = torch.tensor([site.measured for site in student.sites for _ in range(site.channels)])
    spread = own.std(dim=2, keepdim=True).clamp_min(0.05)  # of means and of deviations, over the channels
    moved = torch.zeros_like(own, requires_grad=True)
    optimiser = torch.optim.Adam([moved], LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=LEARNING_RATE / 10)
    for step in range(steps):
        rng = np.random.default_rng([seed, CROP_STREAM, step])
        crops = [random_crop(photos[int(rng.integers(len(photos)))], CROP, rng, augment=False) for _ in range(BATCH)]
        content = to_tensor(crops)
        with torch.no_grad():
            stats, wanted = student.measure(content), net.content(content)
        code = _allowed(own + spread * moved, positive)
        painted = student.paint(content, student.affine(code.expand(BATCH, -1, -1), stats))
        seen = net(painted)
        loss = (
            weights.style * style_loss(seen, Perception(wanted, target))
            + weights.content * content_loss(seen, Perception(wanted, target))
            + weights.variation * variation_loss(painted)
            + weights.range * range_loss(painted)
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        progress(step + 1)
    return _allowed(own + spread * moved, positive).detach()


def _allowed(code: Tensor, positive: Tensor) -> Tensor:
    """The nearest code of those that the encoder may give: deviations of measured channels are above 0."""
    mean, deviation = code.unbind(1)
    return torch.stack([mean, torch.where(positive, deviation.clamp_min(MIN_DEVIATION), deviation)], 1)
