"""PatchGAN (Isola et al. 2017): a discriminator whose every score looks at 70 x 70 pixels.

In the official layout of junyanz/pytorch-CycleGAN-and-pix2pix (``NLayerDiscriminator``): 4x4 convolutions, the last
two at stride 1, instance normalisation between the first and the last, leaky ReLU of slope 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.teachers.named_weights import NamedWeights, instance_norm
from distill.weights import load_state
from runtime.errors import UserError

#: Convolutions at stride 2; three of them see 70 pixels.
STRIDED = 3
INITIAL_DEVIATION = 0.02


class PatchGan(nn.Module):
    """Pictures (N, 3, H, W) in [0, 1], 32 pixels or more -> scores (N, 1, h, w): 1 for real, 0 for made."""

    def __init__(self, state: Mapping[str, Tensor]):
        super().__init__()
        self.weights = NamedWeights(state, trainable=True)
        names = (name for name in state if name.endswith(".weight"))
        self.places = sorted(int(name.split(".")[1]) for name in names)

    @classmethod
    def initial(cls, channels: int = 64) -> PatchGan:
        """One to train, with ``channels`` after its first convolution."""
        widths = [3, *(channels * min(2**depth, 8) for depth in range(STRIDED + 1)), 1]
        state = {}
        # Convolution, normalisation and activation take three places, the first one has no normalisation.
        for depth, place in enumerate((0, *range(2, 3 * STRIDED + 3, 3))):
            state[f"model.{place}.weight"] = torch.randn(widths[depth + 1], widths[depth], 4, 4) * INITIAL_DEVIATION
            state[f"model.{place}.bias"] = torch.zeros(widths[depth + 1])
        return cls(state)

    @classmethod
    def of_file(cls, path: Path) -> PatchGan:
        """The discriminator of one file; ``UserError`` when it is damaged or of another network."""
        try:
            found = cls(load_state(path))
            with torch.inference_mode():
                scores = found(torch.zeros(1, 3, 32, 32))
            if scores.shape[1] != 1 or len(found.weights.tensors()) != 2 * len(found.places):
                raise ValueError(f"it gives {scores.shape[1]} scores, or holds more than convolutions")
        except (ValueError, LookupError, RuntimeError) as error:
            first = str(error).splitlines()[0][:120]
            raise UserError(f"{path.name}: not a PatchGAN discriminator ({first})") from error
        return found

    def forward(self, picture: Tensor) -> Tensor:
        x, last = picture * 2 - 1, len(self.places) - 1
        for depth, place in enumerate(self.places):
            weight, bias = self.weights[f"model.{place}.weight"], self.weights[f"model.{place}.bias"]
            x = F.conv2d(x, weight, bias, stride=2 if depth < last - 1 else 1, padding=1)
            if 0 < depth < last:
                x = instance_norm(x)
            if depth < last:
                x = F.leaky_relu(x, 0.2)
        return x
