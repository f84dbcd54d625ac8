"""Keeping a photo's colours: statistics and colour differences are exactly those that the paper asks for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from distill.teachers.keep_colour import YIQ, luminance, match_colours, match_luminance, with_colours_of


def picture(seed: int, height: int = 40, width: int = 56) -> Tensor:
    """Correlated colours in the middle of the range."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(3, 3, generator=generator) * 0.05
    noise = torch.randn(1, 3, height, width, generator=generator)
    return torch.einsum("ij,njhw->nihw", mix, noise) + 0.3 + 0.3 * torch.rand(3, generator=generator)[:, None, None]


def colours(of: Tensor) -> tuple[Tensor, Tensor]:
    pixels = of[0].flatten(1).double()
    return pixels.mean(1), torch.cov(pixels, correction=0)


def yiq(of: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", YIQ, of)


def test_matched_colours_have_the_contents_mean_and_covariance():
    style, content = picture(1), picture(2, 30, 30)
    matched = match_colours(style, content)
    for mine, wanted in zip(colours(matched), colours(content), strict=True):
        assert torch.allclose(mine, wanted, atol=2e-5)
    assert matched.shape == style.shape and not torch.allclose(colours(style)[1], colours(content)[1], atol=1e-3)


def test_the_map_is_the_product_of_symmetric_roots():
    """Not Cholesky's solution, which has the same covariance."""
    style, content = picture(1), picture(2)
    (_, wanted), (_, found) = colours(content), colours(style)
    roots = []
    for matrix, exponent in ((wanted, 0.5), (found, -0.5)):
        values, axes = torch.linalg.eigh(matrix)
        roots.append(axes @ torch.diag(values**exponent) @ axes.T)
    centred = (style[0].flatten(1) - style[0].flatten(1).mean(1, keepdim=True)).double()
    moved = (roots[0] @ roots[1] @ centred).float() + content[0].flatten(1).mean(1, keepdim=True)
    assert torch.allclose(match_colours(style, content)[0].flatten(1), moved, atol=1e-3)


def test_a_style_of_the_contents_colours_stays_and_grey_does_not_explode():
    style = picture(1)
    assert torch.allclose(match_colours(style, style), style, atol=1e-5)
    assert match_colours(torch.full((1, 3, 8, 8), 0.5), style).isfinite().all()
    flat = match_luminance(torch.full((1, 3, 8, 8), 0.5), style)
    assert torch.allclose(flat, luminance(style).mean().expand_as(flat), atol=1e-5)


def test_matched_luminance_has_the_contents_mean_and_deviation():
    style, content = picture(1), picture(2)
    grey = match_luminance(style, content)
    assert torch.equal(grey[:, 0], grey[:, 1]) and torch.equal(grey[:, 1], grey[:, 2])
    wanted = luminance(content)
    assert grey.mean().item() == pytest.approx(wanted.mean().item(), abs=1e-5)
    assert grey[:, 0].std(correction=0).item() == pytest.approx(wanted.std(correction=0).item(), rel=1e-3)
    line = luminance(style).flatten()
    assert torch.corrcoef(torch.stack([line, grey[:, 0].flatten()]))[0, 1] > 0.999


def test_brightness_of_one_and_colours_of_the_other():
    content, painted = picture(1), picture(2)
    both = yiq(with_colours_of(content, painted))
    assert torch.allclose(both[:, :1], yiq(painted)[:, :1], atol=1e-5)
    assert torch.allclose(both[:, 1:], yiq(content)[:, 1:], atol=2e-3)  # the table's rows sum to a thousandth
