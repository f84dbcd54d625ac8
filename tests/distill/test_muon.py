"""Muon: what it does to a matrix, and that it pays."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from distill.muon import Muon, orthogonalise


@settings(max_examples=40)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 99),
)
def test_singular_values_end_near_one(rows, columns, scale, seed):
    torch.manual_seed(seed)
    matrix = torch.randn(rows, columns) * scale
    result = orthogonalise(matrix)
    assert result.shape == matrix.shape
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    # Directions that hardly occur in the matrix (square ones have a few) are on their way only.
    wanted = values > 0.05 * values.max()
    assert torch.linalg.svdvals(result).max() < 1.25
    aligned = torch.diagonal(left.T @ result @ right.T)
    assert (aligned[wanted] > 0.6).all() and (aligned < 1.25).all()


def test_tall_and_wide_agree():
    matrix = torch.randn(12, 5)
    assert torch.allclose(orthogonalise(matrix.T), orthogonalise(matrix).T, atol=1e-6)


def test_nothing_stays_nothing():
    assert orthogonalise(torch.zeros(3, 4)).abs().max() == 0


def regression_loss(optimiser: type[torch.optim.Optimizer], lr: float, steps: int = 60) -> float:
    """Loss after fitting a linear map whose inputs have scales from 1 to 1/100, relative to the start."""
    torch.manual_seed(0)
    inputs = torch.randn(256, 16) * torch.logspace(0, -2, 16)
    wanted = inputs @ torch.randn(16, 8)
    weight = nn.Parameter(torch.zeros(16, 8))
    opt = optimiser([weight], lr=lr, momentum=0.9)
    losses = []
    for step in range(steps):
        opt.param_groups[0]["lr"] = lr * (1 - step / steps)
        opt.zero_grad()
        loss = (inputs @ weight - wanted).square().mean()
        losses.append(loss.item())
        loss.backward()
        opt.step()
    return losses[-1] / losses[0]


def test_it_beats_sgd_where_directions_differ_in_scale():
    rates = [10**exponent for exponent in (-2, -1.5, -1, -0.5, 0, 0.5)]
    sgd = min(regression_loss(torch.optim.SGD, rate) for rate in rates)
    muon = min(regression_loss(Muon, rate) for rate in rates)
    assert muon < sgd / 2


def test_a_step_has_the_length_of_the_rate():
    """In spectral norm, whatever the gradient's size; taller kernels step further, as their outputs are more."""
    for shape, factor in (((8, 4, 3, 3), 1.0), ((32, 2, 2, 2), 2.0), ((5, 5), 1.0)):
        weight = nn.Parameter(torch.zeros(shape))
        weight.grad = torch.randn(shape) * 1000
        Muon([weight], lr=0.1).step()
        values = torch.linalg.svdvals(weight.detach().flatten(1))
        assert values.max() < 0.1 * factor * 1.25
        assert values.max() > 0.1 * factor * 0.65


def test_vectors_are_refused():
    with pytest.raises(ValueError, match="give vectors to Adam"):
        Muon([nn.Parameter(torch.zeros(3, 3)), nn.Parameter(torch.zeros(3))])


def test_closures_are_refused():
    with pytest.raises(ValueError, match="closure"):
        Muon([nn.Parameter(torch.zeros(3, 3))]).step(lambda: 0.0)


def test_parameters_without_gradients_stay():
    weight = nn.Parameter(torch.ones(3, 3))
    Muon([weight]).step()
    assert torch.equal(weight, torch.ones(3, 3))


def gradients(count: int) -> list[Tensor]:
    return list(torch.randn(count, 4, 2, 3, 3, generator=torch.Generator().manual_seed(1)))


def test_the_state_goes_on_where_it_was_saved(tmp_path):
    straight, first = (nn.Parameter(torch.zeros(4, 2, 3, 3)) for _ in range(2))
    opt, before = Muon([straight]), Muon([first])
    for gradient in gradients(6):
        straight.grad = gradient
        opt.step()
    for gradient in gradients(6)[:3]:
        first.grad = gradient
        before.step()
    torch.save(before.state_dict(), tmp_path / "state.pt")
    second = nn.Parameter(first.detach().clone())
    after = Muon([second])
    after.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for gradient in gradients(6)[3:]:
        second.grad = gradient
        after.step()
    assert torch.equal(second, straight)
    forgetful = nn.Parameter(first.detach().clone())
    opt = Muon([forgetful])
    for gradient in gradients(6)[3:]:
        forgetful.grad = gradient
        opt.step()
    assert not torch.allclose(forgetful, straight, atol=1e-3)
