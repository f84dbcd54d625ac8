"""Losses, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.losses import LossWeights, content_loss, least_squares, range_loss, style_loss, variation_loss
from distill.perceptual import Perception
from tests.distill.tiny import small_perception


def seen(content: float, mean: float, deviation: float, taps: int = 2) -> Perception:
    """A perception of two rows whose every value is given."""
    moment = lambda value: torch.full((2, 3, 1, 1), value)  # noqa: E731 - a shorthand
    return Perception(torch.full((2, 4, 5, 5), content), [(moment(mean), moment(deviation))] * taps)


def test_content_is_the_squared_error_of_relu4_1():
    assert content_loss(seen(3.0, 0, 0), seen(1.0, 9, 9)).item() == 4.0


def test_style_sums_squared_errors_of_means_and_deviations_over_taps():
    assert style_loss(seen(0, 1.0, 2.0), seen(9, 4.0, 4.0)).item() == 2 * (9 + 4)


def test_variation_is_the_mean_difference_of_neighbours():
    rows = torch.tensor([0.0, 0.5, 0.5, 1.0])[:, None].expand(1, 3, 4, 6)
    assert variation_loss(rows).item() == pytest.approx(1 / 3)
    assert variation_loss(rows.transpose(2, 3)).item() == pytest.approx(1 / 3)
    assert variation_loss(torch.full((1, 3, 4, 4), 0.7)).item() == 0


def test_range_counts_only_what_clipping_would_change():
    picture = torch.tensor([-0.5, 0.0, 0.3, 1.0, 1.25])[None, None, None]
    assert range_loss(picture).item() == pytest.approx(0.75 / 5)
    picture = torch.rand(1, 3, 4, 4, requires_grad=True)
    range_loss(picture).backward()
    assert picture.grad.abs().max() == 0


def test_the_same_picture_costs_nothing_and_another_something():
    net, pictures = small_perception(), torch.rand(2, 1, 3, 32, 32)
    one, other = (net(p) for p in pictures)
    for loss in (content_loss, style_loss):
        assert loss(one, one).item() == 0
        assert loss(one, other).item() > 0


def test_style_ignores_where_things_are_and_content_does_not():
    net, picture = small_perception(), torch.rand(1, 3, 64, 64)
    turned = torch.from_numpy(np.ascontiguousarray(picture.numpy()[..., ::-1]))
    brighter = picture * 0.2 + 0.8
    mine, mirrored, light = net(picture), net(turned), net(brighter)
    assert style_loss(mirrored, mine) < 0.2 * style_loss(light, mine)
    assert content_loss(mirrored, mine) > 0


def test_means_over_processes_are_means_over_their_joint_batch():
    net, a, b = small_perception(), torch.rand(4, 3, 32, 32), torch.rand(4, 3, 32, 32)
    for loss in (content_loss, style_loss):
        halves = [loss(net(a[rows]), net(b[rows])) for rows in (slice(2), slice(2, 4))]
        assert loss(net(a), net(b)).item() == pytest.approx(torch.stack(halves).mean().item(), rel=1e-4)


def test_every_loss_counts_unless_it_is_switched_off():
    """But for the two that need a teacher of a certain kind."""
    off = {name for name, weight in vars(LossWeights()).items() if weight == 0}
    assert off == {"intermediate", "adversarial"}


def test_scores_are_wanted_to_be_a_number():
    scores = torch.tensor([[[[1.0, 0.0]]], [[[3.0, 1.0]]]])
    assert least_squares(scores, 1).tolist() == [0.5, 2.0] and least_squares(scores, 0).tolist() == [0.5, 5.0]
