"""Likeness of activations on the way to the picture (GAN Compression, Li et al. 2020, section 3.1).

A 1x1 convolution maps each of the student's trunk activations to the teacher's channels and is trained along; it is
thrown away afterwards. Errors are counted in parts of the teacher's variance, so that a weight means the same for
every teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.teachers import Teacher
from runtime.errors import UserError

#: Side of the picture that tells a teacher's channels.
PROBE = 32
#: What the maps give is multiplied by this, and so are Adam's steps, which are sized for a student that nearly paints.
GAIN = 10.0


class Intermediate(nn.Module):
    """Maps from the student's activations to those of ``trunk``, a teacher's."""

    def __init__(self, trunk: Callable[[Tensor], list[Tensor]], channels: int, points: int, targets: int):
        super().__init__()
        self.trunk = trunk  # a bound method, so that the teacher is not a part of what trains
        # Matrices, not kernels, which would be Muon's.
        self.maps = nn.ModuleList(nn.Linear(channels, targets) for _ in range(points))
        for to_teacher in self.maps:
            to_teacher.weight.data.div_(GAIN)

    @classmethod
    def between(cls, teacher: Teacher, student: nn.Module) -> Intermediate:
        """For a student that has one style; ``UserError`` where the teacher shows no activations."""
        with torch.inference_mode():
            states = teacher.trunk(torch.zeros(1, 3, PROBE, PROBE, device=teacher.device))
        if not states or student.sites:
            raise UserError(
                f"--loss intermediate: {teacher.name} shows no activations that a student's could be likened to; "
                "leave it out"
            )
        return cls(teacher.trunk, student.channels.trunk, 1 + student.block_count, states[0].shape[1])

    def forward(self, activations: Sequence[Tensor], content: Tensor) -> Tensor:
        """Mean over the points of the part of the teacher's variance that the mapped activations leave unexplained.

        ``activations`` are the student's as :func:`watched` gives them, of ``content`` (N, 3, H, W) in its frame.
        """
        with torch.no_grad():
            wanted = evenly(self.trunk(content), len(self.maps))
        errors = []
        for to_teacher, mine, theirs in zip(self.maps, activations, wanted, strict=True):
            inside = without_frame(mine, theirs.shape[-1])
            mapped = GAIN * F.conv2d(inside, to_teacher.weight[..., None, None], to_teacher.bias)
            errors.append(F.mse_loss(mapped.float(), theirs.float()) / theirs.float().var().clamp_min(1e-6))
        return torch.stack(errors).mean()


def without_frame(states: Tensor, side: int) -> Tensor:
    """The inner (N, C, side, side) of square states that a frame surrounds."""
    frame = (states.shape[-1] - side) // 2
    return states[..., frame : frame + side, frame : frame + side]


def evenly(states: Sequence[Tensor], count: int) -> list[Tensor]:
    """``count`` of the states, the first and the last among them."""
    return [states[round(i * (len(states) - 1) / max(1, count - 1))] for i in range(count)]


@contextmanager
def watched(student: nn.Module) -> Iterator[list[Tensor]]:
    """The student's trunk activations while it paints: after its encoder, and after each block."""
    seen: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
        for layer in (student.encode, *student.blocks)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
