"""One training, every width: the first channels of each layer are a student by themselves.

The sandwich rule and in-place distillation of universally slimmable networks (Yu & Huang 2019): every step trains the
largest width, the narrowest and one between on the same batch. The largest learns from the teacher, the others from the
largest's pictures. Those networks keep statistics of activations for every width; here nothing has to be kept, since a
student measures the content with the very channels it has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from distill.checkpoint import Trained
from distill.losses import LossWeights
from distill.objective import Objective, paint_batch
from distill.perceptual import Perception
from distill.samples import Batch
from distill.students.haar_painter import Channels, HaarLayers
from distill.students.widths import cut, narrowed
from runtime.errors import UserError

#: Widths stand on a grid of one sixteenth, where every layer's channels are multiples of 8.
STEPS_PER_WIDTH, NARROWEST = 16, 0.125


def on_grid(width: float) -> float:
    """The nearest width that a slimmable student is trained at."""
    return max(NARROWEST, round(width * STEPS_PER_WIDTH) / STEPS_PER_WIDTH)


def widths_below(width: float) -> tuple[float, ...]:
    """The widths of a slimmable student that are narrower than ``width``, ascending."""
    steps = range(round(NARROWEST * STEPS_PER_WIDTH), round(width * STEPS_PER_WIDTH))
    return tuple(step / STEPS_PER_WIDTH for step in steps)


def judged_widths(width: float) -> tuple[float, ...]:
    """The widths below ``width`` that a run judges: 0.125, 0.25, 0.5, 1, 2."""
    return tuple(w for w in (0.125, 0.25, 0.5, 1.0, 2.0) if w < width)


def score_name(width: float) -> str:
    """What the scores of a width that is narrower than the whole are called."""
    return f"width {width:g}"


def cut_trained(trained: Trained, width: float) -> Trained:
    """A trained slimmable student at ``width`` with its history, as if it had been trained alone.

    Raises:
        UserError: it was not trained with ``--slimmable``, or has no such width.
    """
    if trained.config.get("slimmable") is not True:
        raise UserError(
            "only what was distilled with --slimmable can be cut to another width; brushlet prune makes others narrower"
        )
    whole = trained.student.width
    if not NARROWEST <= width <= whole:
        raise UserError(f"--width must be from {NARROWEST:g} to {whole:g}, what this student was trained at: {width:g}")
    width = on_grid(width)
    if trained.student.channels != Channels.of_width(whole, trained.student.block_count):
        raise UserError("this student was pruned, and has no widths any more")
    history = {**trained.provenance, "cut": {"width": width, "from": whole}}
    config = {**trained.config, "width": width, "slimmable": False}
    return Trained(cut(trained.student, width), config, history, quality_at(trained.quality, width, whole))


def quality_at(quality: Mapping[str, Any], width: float, whole: float) -> dict[str, Any]:
    """What a run's record says of one of its widths; empty where that was not judged."""
    own, found = "student" if width == whole else score_name(width), dict(quality)
    for kind in ("scores", "artefacts"):
        scores = quality.get(kind)
        if not isinstance(scores, dict) or own not in scores:
            return {}
        kept = {name: scores[name] for name in ("photo", "teacher") if name in scores}
        found[kind] = {**kept, "student": scores[own]}
    return found


def cut_digest(digest: str, width: float) -> str:
    """What tells the student of one width from others of the same file: 64 hex digits."""
    return hashlib.sha256(f"{digest} cut to {on_grid(width):g}".encode()).hexdigest()


class BatchPainting(nn.Module):
    """Painting a batch as a module's forward, which is what can be computed with other tensors in its place."""

    def __init__(self, student: HaarLayers):
        super().__init__()
        self.student = student

    def forward(self, batch: Batch, statistics: Tensor | None) -> Tensor:
        return paint_batch(self.student, batch, statistics)


@dataclass(frozen=True)
class Narrower:
    """A narrower student without weights of its own."""

    painting: BatchPainting

    @classmethod
    def of(cls, student: HaarLayers, width: float) -> Narrower:
        with torch.device("meta"):
            return cls(BatchPainting(type(student)(width, student.block_count, grain=student.grain is not None)))

    def paint(self, student: HaarLayers, batch: Batch, statistics: Tensor | None) -> Tensor:
        """The pictures that the front of ``student`` paints, with gradients to it."""
        tensors = narrowed(student, self.painting.student)
        named = {f"student.{name}": tensor for name, tensor in tensors.items()}
        return functional_call(self.painting, named, (batch, statistics), strict=True)


class SlimmableObjective(Objective):
    """Losses averaged over three widths: the whole, the narrowest, and one between that ``batch.draw`` picks."""

    def __init__(self, student: HaarLayers, perceptions: dict[str, nn.Module], weights: LossWeights):
        super().__init__(student, perceptions, weights)
        # In a plain list: they have nothing that is trained, or moved to a device.
        self.narrower = [Narrower.of(student, width) for width in widths_below(student.width)]

    def forward(self, batch: Batch, perception: str) -> dict[str, Tensor]:
        see = self.perceptions[perception]
        wanted, statistics = self.wanted(batch, see)
        whole = self.paint(batch, statistics)
        passes = [self.losses(whole, batch, see, wanted)]
        taught = taught_by(batch, whole.detach())
        passes += [self.narrow_losses(each, taught, statistics, see, wanted) for each in self.chosen(batch.draw)]
        return {name: sum(losses[name] for losses in passes) / len(passes) for name in passes[0]}

    def chosen(self, draw: float) -> list[Narrower]:
        """The narrowest, and one of the others if there are any; ``draw`` is uniform in [0, 1)."""
        narrowest, *between = self.narrower
        return [narrowest, *between[int(draw * len(between)) :][:1]]

    def narrow_losses(
        self, narrower: Narrower, batch: Batch, statistics: Tensor | None, see: nn.Module, wanted: Perception
    ) -> dict[str, Tensor]:
        with torch.autocast(batch.content.device.type, enabled=False):
            painted = narrower.paint(self.student, batch, statistics)
        return self.losses(painted, batch, see, wanted)


def taught_by(batch: Batch, pictures: Tensor) -> Batch:
    """The batch with ``pictures`` in the teacher's place; rows that are to give back the photo keep that."""
    teacher = torch.where(batch.identity[:, None, None, None], batch.teacher, pictures)
    return replace(batch, teacher=teacher, taught=torch.ones_like(batch.taught))
