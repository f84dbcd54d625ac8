"""The objectives a student is trained on; each is a mean over the batch, in the judge's own units.

Content and style follow AdaIN (Huang & Belongie 2017): squared error of relu4_1, and of the mean and deviation of
relu1_1 … relu4_1. Distances to the teacher's picture and features are knowledge distillation (Hinton et al. 2015).
Off by default: likeness to the teacher's activations, and an adversary (GAN Compression, Li et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from distill.perceptual import Perception


@dataclass(frozen=True)
class LossWeights:
    """How much each objective counts; 0 switches one off."""

    content: float = 0.5
    style: float = 1.0
    teacher: float = 4.0
    teacher_features: float = 0.3
    variation: float = 0.05
    range: float = 0.5
    intermediate: float = 0.0
    adversarial: float = 0.0


def content_loss(painted: Perception, target: Perception) -> Tensor:
    """Mean squared error of relu4_1."""
    return F.mse_loss(painted.content, target.content)


def style_loss(painted: Perception, target: Perception) -> Tensor:
    """Squared error of means and deviations, summed over the taps (equation 13 of AdaIN, mean over channels)."""
    pairs = zip(painted.style, target.style, strict=True)
    return sum(F.mse_loss(a, b) for mine, theirs in pairs for a, b in zip(mine, theirs, strict=True))


def variation_loss(picture: Tensor) -> Tensor:
    """Total variation: mean absolute difference of neighbours, of a (N, 3, H, W) picture."""
    return (picture[..., 1:, :] - picture[..., :-1, :]).abs().mean() + (
        picture[..., 1:] - picture[..., :-1]
    ).abs().mean()


def range_loss(picture: Tensor) -> Tensor:
    """How far a picture leaves [0, 1]: clipping it would change colours."""
    return F.relu((picture - 0.5).abs() - 0.5).mean()


def least_squares(scores: Tensor, wanted: float) -> Tensor:
    """(N,): how far a discriminator's scores (N, 1, h, w) are from ``wanted`` (Mao et al. 2017)."""
    return (scores - wanted).square().flatten(1).mean(1)
