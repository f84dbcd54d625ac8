"""Muon for convolutions: momentum whose update is orthogonalised (Jordan et al. 2024).

Small painters trained on perceptual losses converge in a fraction of Adam's steps with it, at a cost that vanishes
beside the loss network's. ``torch.optim.Muon`` takes matrices only, so convolution kernels, which are all that
matters here, would be refused; this one flattens them to (outputs, inputs x height x width).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

#: Quintic Newton-Schulz coefficients of the reference: fast, and singular values end between about 0.7 and 1.2.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """Nearly the closest semi-orthogonal matrix to ``matrix`` (2-D), by Newton-Schulz iteration."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-9)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For parameters of two or more dimensions; ``lr`` is the size of a step in spectral norm."""

    def __init__(self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})
        for group in self.param_groups:
            if any(p.dim() < 2 for p in group["params"]):
                raise ValueError("Muon takes parameters of two or more dimensions; give vectors to Adam")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        if closure is not None:
            raise ValueError("Muon does not take a closure")
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                momentum = state["momentum"]
                momentum.lerp_(p.grad, 1 - group["momentum"])
                direction = p.grad.lerp(momentum, group["momentum"]).flatten(1)
                update = orthogonalise(direction) * max(1.0, direction.shape[0] / direction.shape[1]) ** 0.5
                p.add_(update.reshape(p.shape), alpha=-group["lr"])


def optimisers(parameters: list[nn.Parameter], muon_lr: float, adam_lr: float) -> list[torch.optim.Optimizer]:
    """Muon for convolution kernels, Adam for everything else."""
    kernels = [p for p in parameters if p.dim() == 4]
    rest = [p for p in parameters if p.dim() != 4]
    return [Muon(kernels, lr=muon_lr), torch.optim.Adam(rest, lr=adam_lr, betas=(0.9, 0.99))]
