"""Label maps as SPADE's networks take them: one channel per label, and the edges of instances."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def numbers_of(picture: Tensor, colours: Tensor) -> Tensor:
    """Label maps (N, 3, H, W) drawn in ``colours`` (K, 3), both in [0, 1], to the nearest labels: int64 (N, H, W)."""
    return torch.stack([(picture - colour[:, None, None]).square().sum(1) for colour in colours], 1).argmin(1)


def one_hot(numbers: Tensor, labels: int) -> Tensor:
    """int64 (N, H, W) to float32 (N, labels, H, W)."""
    return F.one_hot(numbers, labels).permute(0, 3, 1, 2).float()


def edges_of(numbers: Tensor) -> Tensor:
    """Where a pixel has another number than one of its four neighbours: float32 (N, 1, H, W), 0 and 1."""
    edge = torch.zeros_like(numbers, dtype=torch.bool)
    across, down = numbers[:, :, 1:] != numbers[:, :, :-1], numbers[:, 1:] != numbers[:, :-1]
    edge[:, :, 1:] |= across
    edge[:, :, :-1] |= across
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    return edge[:, None].float()


def semantics_of(numbers: Tensor, labels: int, instances: Tensor | None = None) -> Tensor:
    """The networks' input: the labels' channels and, where ``instances`` (N, H, W) are given, that of their edges."""
    channels = one_hot(numbers, labels)
    return channels if instances is None else torch.cat([channels, edges_of(instances)], 1)
