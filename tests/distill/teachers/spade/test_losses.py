"""What SPADE is trained on: values worked out by hand, and who gets gradients."""

from __future__ import annotations

import pytest
import torch

from distill.teachers.spade.discriminator import MultiscaleDiscriminator
from distill.teachers.spade.losses import (
    divergence,
    feature_matching,
    hinge_of_discriminator,
    hinge_of_generator,
    perceptual_loss,
)


def seen(*scores: list[float], feature: float = 0.0) -> list[list[torch.Tensor]]:
    """Per scale one activation and the scores of patches."""
    return [[torch.full((1, 2, 2, 2), feature), torch.tensor(values)] for values in scores]


def test_hinge():
    """Photos at 2 and 0.5 cost 0 and 0.5, pictures at -3 and 1 cost 0 and 2; the mean of patches, then of scales."""
    real, fake = seen([2.0, 0.5], [2.0, 2.0]), seen([-3.0, 1.0], [-3.0, -3.0])
    assert hinge_of_discriminator(real, fake).item() == pytest.approx((0.25 + 1.0 + 0 + 0) / 2)
    assert hinge_of_generator(fake).item() == pytest.approx((1.0 + 3.0) / 2)


def test_features_are_matched_and_scores_are_not():
    fake, real = seen([5.0], [5.0], feature=0.5), seen([-5.0], [-5.0], feature=0.2)
    assert feature_matching(fake, real).item() == pytest.approx(0.3)
    mine, photos = torch.ones(1, 2, 2, 2, requires_grad=True), torch.zeros(1, 2, 2, 2, requires_grad=True)
    feature_matching([[mine, mine]], [[photos, photos]]).backward()
    assert mine.grad.sum().item() == pytest.approx(1) and photos.grad is None


def test_deep_activations_count_most():
    zero = [torch.zeros(1, 1, 2, 2)] * 4
    losses = [perceptual_loss([t + (i == depth) for i, t in enumerate(zero)], zero).item() for depth in range(4)]
    assert losses == pytest.approx([1 / 16, 1 / 8, 1 / 4, 1 / 2])


def test_divergence_is_kullback_leiblers():
    mean, log_variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, -0.2]])
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0)).sum()
    assert divergence(mean, log_variance).item() == pytest.approx(wanted.item(), abs=1e-6)
    assert divergence(torch.zeros(2, 3), torch.zeros(2, 3)).item() == 0


def test_discriminators_of_two_scales_score_patches():
    """The official sizes: three halvings and a convolution with padding 2, on 96 and 48 pixels."""
    torch.manual_seed(0)
    scales = MultiscaleDiscriminator(5, base=4)(torch.rand(2, 8, 96, 96))
    assert [[tuple(layer.shape[1:]) for layer in scale] for scale in scales] == [
        [(4, 49, 49), (8, 25, 25), (16, 13, 13), (1, 14, 14)],
        [(4, 25, 25), (8, 13, 13), (16, 7, 7), (1, 8, 8)],
    ]
