"""How much each channel matters: what training's own losses would change by if it were gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from distill.objective import Objective
from distill.prune_groups import Group
from distill.samples import Batch


def taylor_importance(
    objective: Objective, groups: Sequence[Group], batches: Iterable[Batch], perception: str
) -> list[Tensor]:
    """Per group a float32 (channels,): the mean over ``batches`` of the squared first-order change of the loss.

    A channel is gone when every layer that reads it reads zeros instead. To first order the loss then changes by the
    sum over those weights of weight x gradient (Molchanov et al. 2019), whatever affine modulated the channel before.
    Leaves the student's gradients at None.
    """
    student = objective.student
    totals, count = [torch.zeros(group.channels) for group in groups], 0
    for batch in batches:
        student.zero_grad(set_to_none=True)
        sum(objective(batch, perception).values()).backward()
        for total, group in zip(totals, groups, strict=True):
            total += _change(student, group).square()
        count += 1
    student.zero_grad(set_to_none=True)
    return [total / count for total in totals]


@torch.no_grad()
def _change(student: nn.Module, group: Group) -> Tensor:
    weights = [student.get_submodule(layer).weight for layer in group.inputs]
    return sum((weight * weight.grad).sum((0, 2, 3)) for weight in weights)
