"""One training step's losses: a painted batch is compared with photo, painting and the teacher's picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distill.framed import paint_framed
from distill.losses import LossWeights, content_loss, range_loss, style_loss, variation_loss
from distill.perceptual import Perception
from distill.samples import Batch


class Objective(nn.Module):
    """Holds the student (whose gradients are wanted) and the frozen perceptual networks.

    A module, so that data-parallel training can wrap it: the forward pass is the whole step.
    """

    def __init__(self, student: nn.Module, perceptions: dict[str, nn.Module], weights: LossWeights):
        super().__init__()
        self.student, self.weights = student, weights
        self.perceptions = nn.ModuleDict(perceptions)

    def forward(self, batch: Batch, perception: str) -> dict[str, Tensor]:
        """Weighted losses by name, each a scalar; their sum is what training minimises."""
        see, taught = self.perceptions[perception], batch.taught
        adaptive = bool(self.student.sites)
        with torch.no_grad():
            # What a student of one style knows of that style are its teacher's pictures.
            wanted = Perception(see.content(batch.content), see(batch.style if adaptive else batch.teacher).style)
            statistics = self.student.style.statistics(batch.style).float() if adaptive else None
        with torch.autocast(batch.content.device.type, enabled=False):  # the student is small: float32 costs little
            painted = self.paint(batch, statistics)
        mine = see(painted)
        w = self.weights
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

    def paint(self, batch: Batch, statistics: Tensor | None) -> Tensor:
        """The student's pictures; ``statistics`` are its style encoder's, of the style pictures; None for one style.

        Identity rows are painted at strength 0, where every affine is 1 and 0.
        """
        student = self.student
        if statistics is None:
            return paint_framed(student, batch.content, ())
        affine = student.affine(student.style.code_of(statistics), student.measure(batch.thumbnail()))
        off = batch.identity[:, None, None, None]
        affine = [
            (torch.where(off, torch.ones_like(a), a), torch.where(off, torch.zeros_like(b), b)) for a, b in affine
        ]
        return paint_framed(student, batch.content, affine)


def mean_over(batch: int, errors: Tensor) -> Tensor:
    """Mean of ``errors`` (K, ...) of some rows of a ``batch``, counting the rows that are missing as 0.

    Dividing by the whole batch, not by the rows that count, keeps the mean over processes equal to the mean over
    their joint batch.
    """
    return errors.flatten(1).mean(1).sum() / batch
