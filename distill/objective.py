"""One training step's losses: a painted batch is compared with photo, painting and the teacher's picture."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from distill.adversary import Adversary
from distill.framed import paint_framed
from distill.intermediate import Intermediate, watched
from distill.losses import LossWeights, content_loss, range_loss, style_loss, variation_loss
from distill.perceptual import Perception
from distill.samples import Batch


class Objective(nn.Module):
    """Holds the student (whose gradients are wanted), the frozen perceptual networks and what learns beside it.

    A module, so that data-parallel training can wrap it: the forward pass is the whole step, the adversary's too.
    """

    def __init__(
        self,
        student: nn.Module,
        perceptions: dict[str, nn.Module],
        weights: LossWeights,
        intermediate: Intermediate | None = None,
        adversary: Adversary | None = None,
    ):
        super().__init__()
        self.student, self.weights = student, weights
        self.perceptions = nn.ModuleDict(perceptions)
        beside = {"intermediate": intermediate, "adversarial": adversary}
        #: By the name of their loss: what is trained along and is no part of the student.
        self.companions = nn.ModuleDict({name: module for name, module in beside.items() if module is not None})

    def forward(self, batch: Batch, perception: str) -> dict[str, Tensor]:
        """Weighted losses by name, each a scalar; their sum is what training minimises."""
        see = self.perceptions[perception]
        wanted, statistics = self.wanted(batch, see)
        watching = watched(self.student) if "intermediate" in self.companions else nullcontext([])
        with watching as activations:
            painted = self.paint(batch, statistics)
        return self.losses(painted, batch, see, wanted) | self.beside(batch, painted, activations)

    @torch.no_grad()
    def wanted(self, batch: Batch, see: nn.Module) -> tuple[Perception, Tensor | None]:
        """What the pictures are to look like, and the style encoder's statistics of the style pictures, if any."""
        if not self.student.sites:  # what a student of one style knows of that style are its teacher's pictures
            return Perception(see.content(batch.content), see(batch.teacher).style), None
        statistics = self.student.style.statistics(batch.style).float()
        return Perception(see.content(batch.content), see(batch.style).style), statistics

    def paint(self, batch: Batch, statistics: Tensor | None) -> Tensor:
        """The student's pictures in float32, which costs little for a network as small."""
        with torch.autocast(batch.content.device.type, enabled=False):
            return paint_batch(self.student, batch, statistics)

    def losses(self, painted: Tensor, batch: Batch, see: nn.Module, wanted: Perception) -> dict[str, Tensor]:
        """The weighted losses of pictures that a student painted of the batch."""
        mine, taught, w = see(painted), batch.taught, self.weights
        losses = {
            "content": w.content * content_loss(mine, wanted),
            "style": w.style * style_loss(mine, wanted),
            "variation": w.variation * variation_loss(painted),
            "range": w.range * range_loss(painted),
        }
        with torch.no_grad():
            features = see.content(batch.teacher[taught]) if taught.any() else mine.content[taught]
        apart, features_apart = (painted - batch.teacher)[taught].abs(), (mine.content[taught] - features).square()
        losses["teacher"] = w.teacher * mean_over(len(painted), apart)
        losses["teacher_features"] = w.teacher_features * mean_over(len(painted), features_apart)
        return losses

    def beside(self, batch: Batch, painted: Tensor, activations: list[Tensor]) -> dict[str, Tensor]:
        """The losses of what learns beside the student."""
        losses = {}
        if "intermediate" in self.companions:
            apart = self.companions["intermediate"](activations, batch.content)
            losses["intermediate"] = self.weights.intermediate * apart
        if "adversarial" in self.companions:
            adversary = self.companions["adversarial"]
            if torch.is_grad_enabled():
                adversary.learn(painted, batch.teacher, batch.taught)
            losses["adversarial"] = self.weights.adversarial * (adversary(painted) * batch.taught).mean()
        return losses


def paint_batch(student: nn.Module, batch: Batch, statistics: Tensor | None) -> Tensor:
    """The student's pictures; ``statistics`` are its style encoder's, of the style pictures; None for one style.

    Identity rows are painted at strength 0, where every affine is 1 and 0.
    """
    frame = frame_of(student, batch)
    if statistics is None:
        return paint_framed(student, batch.content, (), frame)
    affine = student.affine(student.style.code_of(statistics), student.measure(batch.thumbnail()))
    off = batch.identity[:, None, None, None]
    affine = [(torch.where(off, torch.ones_like(a), a), torch.where(off, torch.zeros_like(b), b)) for a, b in affine]
    return paint_framed(student, batch.content, affine, frame)


def frame_of(student: nn.Module, batch: Batch) -> int:
    """Width of the frame that the batch is painted in: as far as the student reaches, or as a small crop allows."""
    return min(student.halo, min(batch.content.shape[2:]) - student.size_multiple)


def mean_over(batch: int, errors: Tensor) -> Tensor:
    """Mean of ``errors`` (K, ...) of some rows of a ``batch``, counting the rows that are missing as 0.

    Dividing by the whole batch, not by the rows that count, keeps the mean over processes equal to the mean over
    their joint batch.
    """
    return errors.flatten(1).mean(1).sum() / batch
