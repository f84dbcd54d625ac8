"""StyleSwin's discriminator: wavelets that lose nothing, the official layers, and the losses it is trained with."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from distill.teachers.styleswin.wavelet_discriminator import (
    WaveletDiscriminator,
    gradient_penalty,
    haar_kernel,
    logistic_loss,
    non_saturating_loss,
    spread,
)


def test_wavelets_keep_the_energy_and_give_the_picture_back():
    picture, kernel = torch.rand(2, 3, 16, 24), haar_kernel()
    bands = F.conv2d(picture, kernel, stride=2)
    assert torch.allclose(bands.square().sum(), picture.square().sum(), rtol=1e-5)
    assert torch.allclose(F.conv_transpose2d(bands, kernel, stride=2), picture, atol=1e-5)


def test_bands_are_in_the_official_order():
    """Means, then top minus bottom, left minus right, and the diagonals, each of R, G, B."""
    block = torch.tensor([[1.0, 2.0], [5.0, 10.0]]).expand(1, 3, 2, 2) * torch.tensor([1.0, 10, 100])[:, None, None]
    bands = F.conv2d(block, haar_kernel(), stride=2).flatten()
    assert bands[::3].tolist() == [9, -6, -3, 2] and bands[:3].tolist() == [9, 90, 900]


def test_it_has_the_official_names_and_shapes():
    net = WaveletDiscriminator(64, 16)
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    wanted = {"final_conv.0.weight": (16, 17, 3, 3), "final_conv.1.bias": (16,)}
    wanted |= {"final_linear.0.weight": (16, 256), "final_linear.0.bias": (16,)}
    wanted |= {"final_linear.1.weight": (1, 16), "final_linear.1.bias": (1,)}
    for i in range(4):
        wanted |= {f"from_rgbs.{i}.conv.0.weight": (16, 12, 1, 1), f"from_rgbs.{i}.conv.1.bias": (16,)}
    for i in range(3):
        wanted |= {f"convs.{i}.conv1.0.weight": (16, 16, 3, 3), f"convs.{i}.conv1.1.bias": (16,)}
        wanted |= {f"convs.{i}.conv2.1.weight": (16, 16, 3, 3), f"convs.{i}.conv2.2.bias": (16,)}
    assert shapes == wanted
    widths = [layer.conv[0].weight.shape[0] for layer in WaveletDiscriminator(256, 512).from_rgbs]
    assert widths == [128, 512, 512, 512, 512, 512], "the paper's channels at 256 px"


@pytest.mark.parametrize("size", [64, 128, 256])
def test_it_scores_pictures_of_its_size(size):
    scores = WaveletDiscriminator(size, 16)(torch.rand(4, 3, size, size))
    assert scores.shape == (4, 1) and scores.isfinite().all()


def test_it_sees_what_a_mean_over_two_pixels_hides():
    """A checkerboard of single pixels, which attention in windows may leave and whose 2 x 2 means are flat."""
    torch.manual_seed(0)
    net, flat = WaveletDiscriminator(64, 16), torch.zeros(1, 3, 64, 64)
    row = torch.tensor([0.2, -0.2]).repeat(32)
    board = flat + row * row[:, None] / 0.2
    assert F.avg_pool2d(board, 2).abs().max() < 1e-6
    assert (net(board) - net(flat)).abs().item() > 1e-3


def test_sameness_is_noticed():
    same, apart = torch.rand(1, 5, 4, 4).expand(4, 5, 4, 4), torch.rand(4, 5, 4, 4)
    assert spread(same).max() == pytest.approx(1e-4) and spread(apart).shape == (4, 1, 4, 4)
    wanted = (apart.var(0, correction=0) + 1e-8).sqrt().mean()
    assert torch.allclose(spread(apart), wanted.expand(4, 1, 4, 4))
    assert spread(torch.rand(6, 5, 4, 4)).shape == (6, 1, 4, 4)


def test_losses_are_their_formulas():
    zero = torch.zeros(3, 1)
    assert logistic_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    sure = torch.full((3, 1), 20.0)
    assert logistic_loss(sure, -sure).item() < 1e-6 and logistic_loss(-sure, sure).item() == pytest.approx(40)
    assert non_saturating_loss(sure).item() < 1e-6 and non_saturating_loss(-sure).item() == pytest.approx(20)


def test_the_penalty_is_the_squared_norm_of_the_gradient():
    judge = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    penalty = gradient_penalty(judge, torch.rand(5, 3, 2, 2))
    assert penalty.item() == pytest.approx(judge[1].weight.square().sum().item(), rel=1e-5)
    penalty.backward()
    assert judge[1].weight.grad.abs().max() > 0, "it can be minimised"
