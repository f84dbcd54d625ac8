"""What SPADE is trained on (section 3 and appendix A): hinge, feature matching, perceptual loss and divergence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: Activations of a discriminator at every scale; the last of each scale are the scores.
Seen = Sequence[Sequence[Tensor]]

#: How much each counts beside the hinge loss, as in the official code.
FEATURES, PERCEPTUAL, DIVERGENCE = 10.0, 10.0, 0.05
#: Of relu1_1 to relu4_1. The official code has relu5_1 at 1 and these at half, which perceptual networks here lack.
DEPTHS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)


def hinge_of_discriminator(real: Seen, fake: Seen) -> Tensor:
    """Scores of photos are wanted above 1, those of the generator's pictures below -1; mean over the scales."""
    parts = [F.relu(1 - r[-1]).mean() + F.relu(1 + f[-1]).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(parts).mean()


def hinge_of_generator(fake: Seen) -> Tensor:
    """The generator wants high scores, without bound."""
    return -torch.stack([scale[-1].mean() for scale in fake]).mean()


def feature_matching(fake: Seen, real: Seen) -> Tensor:
    """Mean absolute difference of each activation but the scores, summed over layers; mean over the scales."""
    parts = [
        sum((F.l1_loss(f, r.detach()) for f, r in zip(mine[:-1], theirs[:-1], strict=True)), torch.zeros(()))
        for mine, theirs in zip(fake, real, strict=True)
    ]
    return torch.stack(parts).mean()


def perceptual_loss(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a perceptual network's four activations, the deep ones counting most."""
    return sum(
        (depth * F.l1_loss(f, r.detach()) for depth, f, r in zip(DEPTHS, fake, real, strict=True)), torch.zeros(())
    )


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the style vectors' distributions (N, L) from the normal one, summed."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
