"""The networks of SPADE: a generator that a label map modulates at every scale, and an encoder of the style picture.

Park, Liu, Wang & Zhu, Semantic image synthesis with spatially-adaptive normalization (2019). The modules' names are
those of the official code (NVlabs/SPADE, models/networks), and so are the names in a file of their weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

#: Times that the picture is doubled on the way from the first features, by the official code's name for it.
DOUBLINGS = {"normal": 5, "more": 6, "most": 7}
NORMS = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
#: Side of the encoder's last features, in pixels.
ENCODED = 4


@dataclass(frozen=True)
class Shape:
    """What the two networks are built from.

    Attributes:
        semantics: channels of a label map: one per label, and one of edges where there are instances.
        base: channels at full resolution (``ngf``); the deepest layers have sixteen times as many.
        hidden, kernel: channels and kernel of the convolution that every SPADE layer puts on the label map.
        norm: what SPADE modulates: "batch" or "instance", without scale and shift of its own.
        upsampling: a key of `DOUBLINGS`.
        latent: length of the style vector; 0 where the generator begins with the label map instead.
        grid: height and width of the first features where they come from a style vector.
        encoder_layers: convolutions of the encoder, 5 or 6; 0 where there is none.
    """

    semantics: int
    base: int = 64
    hidden: int = 128
    kernel: int = 3
    norm: str = "batch"
    upsampling: str = "normal"
    latent: int = 0
    grid: tuple[int, int] = (0, 0)
    encoder_layers: int = 0

    @property
    def stride(self) -> int:
        """Both sides of a picture must be multiples of this."""
        return 2 ** DOUBLINGS[self.upsampling]


class Spade(nn.Module):
    """Equations 1 to 3: normalised activations, scaled and shifted by maps that two convolutions make of the labels.

    As in the official code the scale is 1 + gamma, and the normalised activations have neither of their own.
    """

    def __init__(self, channels: int, shape: Shape):
        super().__init__()
        around = shape.kernel // 2
        self.param_free_norm = NORMS[shape.norm](channels, affine=False)
        self.mlp_shared = nn.Sequential(
            nn.Conv2d(shape.semantics, shape.hidden, shape.kernel, padding=around), nn.ReLU()
        )
        self.mlp_gamma = nn.Conv2d(shape.hidden, channels, shape.kernel, padding=around)
        self.mlp_beta = nn.Conv2d(shape.hidden, channels, shape.kernel, padding=around)

    def forward(self, x: Tensor, semantics: Tensor) -> Tensor:
        shared = self.mlp_shared(F.interpolate(semantics, x.shape[2:], mode="nearest"))
        return self.param_free_norm(x) * (1 + self.mlp_gamma(shared)) + self.mlp_beta(shared)


class SpadeBlock(nn.Module):
    """Figure 4: two convolutions behind SPADE layers, and a skip that is learned where the channels change."""

    def __init__(self, inputs: int, outputs: int, shape: Shape, wrap: Callable[[nn.Module], nn.Module]):
        super().__init__()
        inner = min(inputs, outputs)
        self.norm_0, self.conv_0 = Spade(inputs, shape), wrap(nn.Conv2d(inputs, inner, 3, padding=1))
        self.norm_1, self.conv_1 = Spade(inner, shape), wrap(nn.Conv2d(inner, outputs, 3, padding=1))
        self.learned = inputs != outputs
        if self.learned:
            self.norm_s, self.conv_s = Spade(inputs, shape), wrap(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor, semantics: Tensor) -> Tensor:
        skip = self.conv_s(self.norm_s(x, semantics)) if self.learned else x
        y = self.conv_0(activated(self.norm_0(x, semantics)))
        return skip + self.conv_1(activated(self.norm_1(y, semantics)))


class SpadeGenerator(nn.Module):
    """Label map (N, semantics, H, W), sides multiples of ``shape.stride``, to a picture (N, 3, H, W) in [-1, 1].

    Args:
        spectral: normalise the convolutions of the blocks by their largest singular value, as in training.
    """

    def __init__(self, shape: Shape, spectral: bool = False):
        super().__init__()
        self.shape = shape
        wrap = spectral_norm if spectral else plain
        base, deep = shape.base, 16 * shape.base
        if shape.latent:
            self.fc = nn.Linear(shape.latent, deep * shape.grid[0] * shape.grid[1])
        else:
            self.fc = nn.Conv2d(shape.semantics, deep, 3, padding=1)
        self.head_0, self.G_middle_0, self.G_middle_1 = (SpadeBlock(deep, deep, shape, wrap) for _ in range(3))
        self.up_0, self.up_1, self.up_2, self.up_3 = (
            SpadeBlock(deep >> i, deep >> i + 1, shape, wrap) for i in range(4)
        )
        if shape.upsampling == "most":
            self.up_4 = SpadeBlock(base, base // 2, shape, wrap)
        self.conv_img = nn.Conv2d(base // 2 if shape.upsampling == "most" else base, 3, 3, padding=1)

    def forward(self, semantics: Tensor, latent: Tensor | None = None) -> Tensor:
        """``latent``: (N, shape.latent), the style vectors, where the generator takes them."""
        x = self.head_0(self.first(semantics, latent), semantics)
        x = self.G_middle_0(doubled(x), semantics)
        x = self.G_middle_1(x if self.shape.upsampling == "normal" else doubled(x), semantics)
        ups = (self.up_0, self.up_1, self.up_2, self.up_3)
        for block in (*ups, self.up_4) if self.shape.upsampling == "most" else ups:
            x = block(doubled(x), semantics)
        return self.conv_img(activated(x)).tanh()

    def first(self, semantics: Tensor, latent: Tensor | None) -> Tensor:
        """The features that all begins with; those of a style vector are stretched over pictures of another shape."""
        size = [side // self.shape.stride for side in semantics.shape[2:]]
        if latent is None:
            return self.fc(F.interpolate(semantics, size, mode="nearest"))
        x = self.fc(latent).view(len(latent), 16 * self.shape.base, *self.shape.grid)
        return x if list(self.shape.grid) == size else F.interpolate(x, size, mode="nearest")


class StyleEncoder(nn.Module):
    """Multi-modal synthesis of section 3, appendix A: a picture's style as mean and log variance, (N, latent) each.

    The picture is (N, 3, H, W) in [-1, 1]; it is looked at in a size of its own.
    """

    def __init__(self, shape: Shape, spectral: bool = False):
        super().__init__()
        self.count = shape.encoder_layers
        widths = [3, *(shape.base * min(8, 2**i) for i in range(self.count))]
        for number in range(1, self.count + 1):
            inputs, outputs = widths[number - 1 : number + 1]
            layer = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
            normed = nn.Sequential(spectral_norm(layer) if spectral else layer, nn.InstanceNorm2d(outputs))
            self.add_module(f"layer{number}", normed)
        self.fc_mu = nn.Linear(widths[-1] * ENCODED**2, shape.latent)
        self.fc_var = nn.Linear(widths[-1] * ENCODED**2, shape.latent)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        side = ENCODED * 2**self.count
        x = F.interpolate(picture, (side, side), mode="bilinear", align_corners=False)
        for number in range(1, self.count + 1):
            x = activated(getattr(self, f"layer{number}")(x))
        return self.fc_mu(x.flatten(1)), self.fc_var(x.flatten(1))


def plain(layer: nn.Module) -> nn.Module:
    return layer


def activated(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
