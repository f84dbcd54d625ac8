"""One training step's losses: a painted batch is compared with photo, painting and the teacher's picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distill.losses import LossWeights, content_loss, range_loss, style_loss, variation_loss
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
        with torch.autocast(batch.content.device.type, enabled=False):  # the student is small: float32 costs it nothing
            painted = self.paint(batch)
        see = self.perceptions[perception]
        with torch.no_grad():
            photo, painting, taught = see(torch.cat([batch.content, batch.style, batch.teacher])).split(len(painted))
        mine = see(painted)
        w = self.weights
        losses = {
            "content": w.content * content_loss(mine, photo),
            "style": w.style * style_loss(mine, painting),
            "variation": w.variation * variation_loss(painted),
            "range": w.range * range_loss(painted),
        }
        share = batch.taught.float()
        losses["teacher"] = w.teacher * row_mean((painted - batch.teacher).abs(), share)
        losses["teacher_features"] = w.teacher_features * row_mean((mine.content - taught.content).square(), share)
        return losses

    def paint(self, batch: Batch) -> Tensor:
        """The student's pictures; identity rows are painted at strength 0, where every affine is 1 and 0."""
        student = self.student
        affine = student.affine(student.style(batch.style), student.measure(batch.thumbnail()))
        off = batch.identity[:, None, None, None]
        affine = [
            (torch.where(off, torch.ones_like(a), a), torch.where(off, torch.zeros_like(b), b)) for a, b in affine
        ]
        return student.paint(batch.content, affine)


def row_mean(errors: Tensor, share: Tensor) -> Tensor:
    """Mean of ``errors`` (N, ...) with each row weighted by ``share`` (N,), over *all* rows.

    Dividing by the whole batch, not by the rows that count, keeps the mean over processes equal to the mean over
    their joint batch.
    """
    return (errors.flatten(1).mean(1) * share).mean()
