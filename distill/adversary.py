"""A discriminator that is kept while a student learns (GAN Compression, Li et al. 2020, section 3.1).

It starts from the teacher's own where that was kept, else from random weights, and goes on learning to tell the
student's pictures from the teacher's, which stand for real ones: the paintings that the teacher was trained on need
not be there any more.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as processes
from torch import Tensor, nn

from distill.losses import least_squares
from distill.teachers import Teacher
from distill.teachers.patch_gan import PatchGan

LEARNING_RATE, BETAS = 2e-4, (0.5, 0.999)
FRESH_CHANNELS = 32


class Adversary(nn.Module):
    """Owns the discriminator and its optimiser, whose state is part of its state dict.

    The discriminator's parameters want gradients only while it learns, so that the student's optimisers leave it be.
    """

    def __init__(self, discriminator: nn.Module):
        super().__init__()
        self.discriminator = discriminator.requires_grad_(False)
        self.optimiser = torch.optim.Adam(discriminator.parameters(), LEARNING_RATE, BETAS)

    @classmethod
    def of(cls, teacher: Teacher) -> Adversary:
        """With the teacher's discriminator, or a fresh one, narrower than the paper's: its student is small."""
        kept = teacher.discriminator()
        return cls(PatchGan.initial(FRESH_CHANNELS) if kept is None else kept)

    def forward(self, painted: Tensor) -> Tensor:
        """(N,): what the student minimises, for pictures (N, 3, H, W) to be taken for the teacher's."""
        return least_squares(self.discriminator(painted), 1)

    def learn(self, painted: Tensor, teacher: Tensor, taught: Tensor) -> None:
        """One step on the rows that are ``taught`` (N,) bool; every process has the same weights afterwards."""
        self.discriminator.requires_grad_(True)
        try:
            with torch.enable_grad():
                apart = least_squares(self.discriminator(teacher), 1)
                apart = apart + least_squares(self.discriminator(painted.detach()), 0)
                loss = (apart * taught).mean() / 2
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if processes.is_available() and processes.is_initialized():
                for parameter in self.discriminator.parameters():
                    processes.all_reduce(parameter.grad.div_(processes.get_world_size()))
            self.optimiser.step()
        finally:
            self.discriminator.requires_grad_(False)

    def get_extra_state(self) -> dict[str, Any]:
        return self.optimiser.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.optimiser.load_state_dict(state)
