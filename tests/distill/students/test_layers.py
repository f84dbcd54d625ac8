"""Layers: what they compute, against the plain operations they stand for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.students.layers import GrainConv, UpsampleConv, conv, haar_analysis, haar_synthesis

SIZES = st.integers(1, 9)


def double(module: torch.nn.Module) -> torch.nn.Module:
    return module.double().requires_grad_(False)


@settings(max_examples=30)
@given(inputs=st.integers(1, 5), outputs=st.integers(1, 5), height=SIZES, width=SIZES, seed=st.integers(0, 9))
def test_upsampling_is_nearest_and_a_5x5_convolution_exactly(inputs, outputs, height, width, seed):
    torch.manual_seed(seed)
    layer = double(UpsampleConv(inputs, outputs))
    layer.conv5.bias.normal_()
    x = torch.randn(2, inputs, height, width, dtype=torch.float64)
    wanted = layer.conv5(F.interpolate(x, scale_factor=2, mode="nearest"))
    assert wanted.shape == (2, outputs, 2 * height, 2 * width)
    assert torch.allclose(layer(x), wanted, rtol=0, atol=1e-12)


def test_upsampling_trains_like_what_it_stands_for():
    torch.manual_seed(0)
    layer = UpsampleConv(3, 4).double()
    x = torch.randn(1, 3, 6, 6, dtype=torch.float64)
    layer(x).square().sum().backward()
    folded = [p.grad.clone() for p in layer.conv5.parameters()]
    layer.zero_grad()
    layer.conv5(F.interpolate(x, scale_factor=2, mode="nearest")).square().sum().backward()
    assert all(torch.allclose(a, p.grad) for a, p in zip(folded, layer.conv5.parameters(), strict=True))


def test_a_flat_input_gives_a_flat_output():
    torch.manual_seed(0)
    layer = double(UpsampleConv(8, 4))
    inside = layer(torch.rand(1, 8, 1, 1, dtype=torch.float64).expand(1, 8, 8, 8))[..., 2:-2, 2:-2]
    assert inside.std((2, 3)).max() < 1e-12
    assert inside.mean((2, 3)).std() > 0.1


@settings(max_examples=20)
@given(height=SIZES, width=SIZES, seed=st.integers(0, 9))
def test_haar_synthesis_inverts_the_analysis(height, width, seed):
    picture = torch.rand(2, 3, 2 * height, 2 * width, generator=torch.Generator().manual_seed(seed))
    bands = F.conv2d(picture, haar_analysis(), stride=2)
    assert bands.shape == (2, 12, height, width)
    assert torch.allclose(F.pixel_shuffle(F.conv2d(bands, haar_synthesis()), 2), picture, atol=1e-6)


def test_haar_bands():
    """The low pass is the mean of each block, in the order R, G, B; a flat picture has no detail."""
    picture = torch.rand(1, 3, 8, 8)
    bands = F.conv2d(picture, haar_analysis(), stride=2)
    assert torch.allclose(bands[:, :3], F.avg_pool2d(picture, 2), atol=1e-6)
    flat = F.conv2d(torch.tensor([0.2, 0.5, 0.9])[None, :, None, None].expand(1, 3, 4, 4), haar_analysis(), stride=2)
    assert torch.allclose(flat[0, :3, 0, 0], torch.tensor([0.2, 0.5, 0.9]))
    assert flat[:, 3:].abs().max() < 1e-7


@pytest.mark.parametrize("kernel", [4, 6])
@pytest.mark.parametrize("size", [2, 10, 36])
def test_stride_2_halves(kernel, size):
    assert conv(3, 8, kernel, 2)(torch.rand(1, 3, size, size)).shape == (1, 8, size // 2, size // 2)


def test_convolutions_keep_the_size_and_start_unbiased():
    for kernel in (1, 3, 5):
        layer = conv(3, 8, kernel)
        assert layer(torch.rand(1, 3, 7, 9)).shape == (1, 8, 7, 9)
        assert layer.bias.abs().max() == 0


def test_grain_is_drawn_where_the_input_changes_and_a_fresh_one_draws_nothing():
    torch.manual_seed(0)
    layer = GrainConv(8, 12)
    changing = torch.rand(1, 8, 9, 11)
    assert torch.equal(layer(changing), torch.zeros(1, 12, 9, 11))
    layer(changing).square().sum().backward()  # zero so far, but not stuck there:
    layer(changing).sum().backward()
    assert layer.weight.grad.abs().max() > 0
    torch.nn.init.normal_(layer.weight)
    assert layer(changing)[..., 1:-1, 1:-1].std() > 0.1
    assert layer(torch.rand(1, 8, 1, 1).expand(1, 8, 9, 11))[..., 1:-1, 1:-1].abs().max() < 1e-5
