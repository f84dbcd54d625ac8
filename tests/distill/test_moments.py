"""Moments with gradients in closed form: the same numbers and the same gradients as automatic differentiation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distill.moments import MeanAndCovariance, Moments
from distill.perceptual import moments


def features_of(seed: int, height: int, width: int, channels_last: bool = True) -> Tensor:
    features = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return features.relu().contiguous(memory_format=layout).requires_grad_()


def covariance_by_centring(features: Tensor) -> tuple[Tensor, Tensor]:
    flat = features.flatten(2)
    centred = flat - flat.mean(2, keepdim=True)
    return flat.mean(2)[:, None], centred @ centred.mT / flat.shape[2]


def gradient(outputs: tuple[Tensor, Tensor], features: Tensor) -> Tensor:
    """Of a loss that weighs every element of both outputs otherwise."""
    loss = sum((o * torch.linspace(-1, 2, o.numel()).view(o.shape)).sum() for o in outputs)
    return torch.autograd.grad(loss, features)[0]


@settings(max_examples=20)
@given(st.integers(0, 99), st.integers(2, 9), st.integers(2, 9), st.booleans())
def test_values_and_gradients_are_those_of_autograd(seed, height, width, channels_last):
    features = features_of(seed, height, width, channels_last)
    pairs = (
        (Moments.apply(features, 1e-5), moments(features)),
        (MeanAndCovariance.apply(features), covariance_by_centring(features)),
    )
    for mine, theirs in pairs:
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(mine, theirs, strict=True))
        assert torch.allclose(gradient(mine, features), gradient(theirs, features), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_sums_are_float32_and_gradients_in_the_features_own_type(dtype):
    features = (1 + torch.rand(1, 2, 200, 200, generator=torch.Generator().manual_seed(0))).to(dtype).requires_grad_()
    exact = features.detach().double()
    mean, deviation = Moments.apply(features, 0.0)
    assert mean.dtype == deviation.dtype == torch.float32
    assert torch.allclose(mean.double(), exact.mean((2, 3), keepdim=True), rtol=1e-5)
    assert torch.allclose(deviation.double(), exact.std((2, 3), keepdim=True, correction=0), rtol=1e-4)
    (mean.sum() + deviation.sum()).backward()
    assert features.grad.dtype == dtype and features.grad.isfinite().all()


def test_flat_features_have_finite_gradients():
    features = torch.full((1, 2, 8, 8), 3.7, requires_grad=True)
    mean, deviation = Moments.apply(features, 1e-5)
    deviation.sum().backward()
    assert deviation.max() < 0.01 and features.grad.abs().max() < 1
