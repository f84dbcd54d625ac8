"""The photo's colours in a stylized picture: Gatys, Bethge, Hertzmann & Shechtman, "Preserving color in neural
artistic style transfer" (2016, 1606.05897), whose two ways change what goes into the optimisation.

Pictures are (1, 3, H, W) RGB in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

#: RGB to YIQ, the space of the paper: luminance and two colour differences (NTSC 1953).
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
#: A quarter of a level of 255: pictures of one colour have covariances that can be inverted.
LEAST_DEVIATION = 1 / 1020


def match_colours(style: Tensor, content: Tensor) -> Tensor:
    """The style picture with the content's mean and covariance of colours, not clipped (colour histogram matching).

    ``A = Σ_content^(1/2) Σ_style^(-1/2)`` and ``b = μ_content - A μ_style``: the solution after Image Analogies, which
    the paper prefers to that by Cholesky's decomposition.
    """
    (content_mean, content_covariance), (style_mean, style_covariance) = _colours(content), _colours(style)
    matrix = _power(content_covariance, 0.5) @ _power(style_covariance, -0.5)
    pixels = matrix @ (style[0].flatten(1).double() - style_mean) + content_mean
    return pixels.to(style.dtype).view_as(style)


def match_luminance(style: Tensor, content: Tensor) -> Tensor:
    """The style's luminance with the content's mean and deviation, as a grey picture, not clipped.

    ``σ_content / σ_style (L - μ_style) + μ_content`` (luminance-only transfer).
    """
    wanted, found = luminance(content), luminance(style)
    scale = wanted.std(correction=0) / found.std(correction=0).clamp_min(LEAST_DEVIATION)
    return (scale * (found - found.mean()) + wanted.mean()).expand_as(style)


def with_colours_of(content: Tensor, painted: Tensor) -> Tensor:
    """The luminance of ``painted`` with the colour differences I and Q of ``content``, not clipped."""
    # Equal amounts of red, green and blue change the luminance alone.
    return content + luminance(painted) - luminance(content)


def luminance(picture: Tensor) -> Tensor:
    """Y of YIQ, (1, 1, H, W)."""
    return torch.einsum("c,nchw->nhw", YIQ[0].to(picture), picture)[:, None]


def _colours(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (3, 1) and covariance (3, 3) of the pixels, the latter never singular."""
    pixels = picture[0].flatten(1).double()
    mean = pixels.mean(1, keepdim=True)
    centred = pixels - mean
    return mean, centred @ centred.T / pixels.shape[1] + LEAST_DEVIATION**2 * torch.eye(3).to(centred)


def _power(covariance: Tensor, exponent: float) -> Tensor:
    values, axes = torch.linalg.eigh(covariance)
    return (axes * values.clamp_min(LEAST_DEVIATION**2) ** exponent) @ axes.T
