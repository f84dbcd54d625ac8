"""Means, deviations and covariances of activations over the picture plane, with gradients in closed form.

Every style loss needs them at every step. Left to automatic differentiation they cost more than the convolutions of
VGG-19: torch's variance is slow on channels-last memory, and its gradient takes four passes over the largest
activations, in float32. Here forward is two reductions and backward one fused multiply-add in the activations' type.

Sums are float32. The variance is the mean square less the squared mean, so beside a large mean it is only good to some
1e-7 of that mean's square: enough for a loss, not for what is exported (:func:`distill.perceptual.moments`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Moments(torch.autograd.Function):
    """``Moments.apply(features, eps)``: (N, C, H, W) -> mean and standard deviation, each (N, C, 1, 1) float32."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        wide = features.float()
        mean = wide.mean((2, 3), keepdim=True)
        variance = wide.square().mean((2, 3), keepdim=True) - mean.square()
        deviation = (variance.clamp_min(0) + eps).sqrt()
        ctx.save_for_backward(features, mean, deviation)
        return mean, deviation

    @staticmethod
    def backward(ctx: Any, to_mean: Tensor, to_deviation: Tensor) -> tuple[Tensor, None]:
        features, mean, deviation = ctx.saved_tensors
        pixels = features.shape[2] * features.shape[3]
        slope = to_deviation / (deviation * pixels)
        offset = to_mean / pixels - slope * mean
        return torch.addcmul(offset.to(features.dtype), features, slope.to(features.dtype)), None


class MeanAndCovariance(torch.autograd.Function):
    """``MeanAndCovariance.apply(features)``: (N, C, H, W) -> mean (N, 1, C) and covariance (N, C, C), float32."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> tuple[Tensor, Tensor]:
        rows = as_rows(features)
        mean = rows.mean(1, keepdim=True)
        covariance = torch.baddbmm(mean.mT @ mean, rows.mT, rows, beta=-1, alpha=1 / rows.shape[1])
        ctx.save_for_backward(features, mean)
        return mean, covariance

    @staticmethod
    def backward(ctx: Any, to_mean: Tensor, to_covariance: Tensor) -> Tensor:
        features, mean = ctx.saved_tensors
        rows = as_rows(features)
        slope = (to_covariance + to_covariance.mT) / rows.shape[1]
        gradient = torch.baddbmm(to_mean / rows.shape[1] - mean @ slope, rows, slope)
        return gradient.to(features.dtype).unflatten(1, features.shape[2:]).permute(0, 3, 1, 2)


def as_rows(features: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H·W, C) float32: a view of float32 features that are channels last in memory."""
    return features.permute(0, 2, 3, 1).flatten(1, 2).float()
