"""What a teacher is: anything that turns a content and a style picture into a painted one."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn


class Teacher(nn.Module):
    """A stylizer to learn from: ``teacher(content, style)`` on RGB pictures (N, 3, H, W) in [0, 1].

    ``description`` says in words which network and weights these are, for reports; ``licence`` is what its weights,
    and so students made from them, are subject to.
    """

    name = ""

    def __init__(self, description: str, licence: str):
        super().__init__()
        self.description, self.licence = description, licence

    @torch.inference_mode()
    def stylize(self, content: Tensor, style: Tensor) -> Tensor:
        """Painted pictures (N, 3, H, W), clipped to [0, 1]."""
        return self(content, style).float().clamp(0, 1)

    def fingerprint(self) -> str:
        """Hex digest of the weights: what cached pictures are filed under."""
        digest = hashlib.sha256(self.name.encode())
        for key, value in sorted(self.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]
