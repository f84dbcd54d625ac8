"""A neural algorithm of artistic style (Gatys, Ecker & Bethge 2015; Image style transfer using CNNs, 2016).

A picture is optimised until its activations in VGG-19 are near the photo's at conv4_2, and the Gram matrices of
conv1_1 … conv5_1 near the painting's. Weights that end earlier give the layers that they have: the description says
which were used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

import torch
from torch import Tensor

from distill.teachers.keep_colour import match_colours, match_luminance, with_colours_of
from distill.teachers.teacher import Teacher
from distill.vgg_layers import CompactLayers, VggLayers, available, gram, open_layers
from runtime.errors import UserError

CONTENT_LAYERS = ("relu4_2",)
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
LEARNING_RATE = 0.02
HISTORY = 50


@dataclass(frozen=True)
class Optimisation:
    """How a picture is made.

    ``style_weight`` is β / α of equation 7, ``start`` "content" or "noise", and ``colour`` what keeps the photo's
    colours: "histogram", "luminance" or "" for neither.
    """

    optimiser: str = "lbfgs"
    steps: int = 200
    style_weight: float = 30.0
    start: str = "content"
    colour: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (
            ("optimiser", ("lbfgs", "adam")),
            ("start", ("content", "noise")),
            ("colour", ("", "histogram", "luminance")),
        ):
            if getattr(self, name) not in known:
                choices = " or ".join(choice for choice in known if choice)
                raise UserError(f"the option {name} of gatys is {choices}, not '{getattr(self, name)}'")
        if not 1 <= self.steps <= 10_000:
            raise UserError(f"the steps of gatys are 1 to 10000, not {self.steps}")
        if not 0 <= self.style_weight < inf:
            raise UserError(f"the style_weight of gatys is a number of at least 0, not {self.style_weight:g}")


class GatysTeacher(Teacher):
    """Optimises each picture by itself, so that the same photo and painting always give the same one."""

    name = "gatys"
    slow = True

    def __init__(self, network: VggLayers | CompactLayers, how: Optimisation):
        self.content_layers = available(CONTENT_LAYERS, network.layers)
        self.style_layers = available(STYLE_LAYERS, network.layers)
        description = (
            f"Gatys et al. 2015 with {network.description}, content at {', '.join(self.content_layers)}, style at "
            f"{', '.join(self.style_layers)}, {how.steps} steps of {how.optimiser}"
        )
        super().__init__(description, licence_of(network))
        self.network, self.how = network, how

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        # Gradients are wanted whoever calls, in full precision: the optimiser compares losses that hardly differ.
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(content.device.type, enabled=False),
        ):
            # Copies, because nothing made in inference mode has gradients; L-BFGS wants them in one order of memory.
            photos, paintings = (x.float().clone(memory_format=torch.contiguous_format) for x in (content, style))
            pairs = zip(photos.split(1), paintings.split(1), strict=True)
            return torch.cat([self.paint(photo, painting) for photo, painting in pairs])

    def paint(self, photo: Tensor, painting: Tensor) -> Tensor:
        """One picture (1, 3, H, W)."""
        if self.how.colour == "histogram":
            return self.optimised(photo, match_colours(painting, photo).clamp(0, 1))
        if self.how.colour == "luminance":
            grey = self.optimised(match_luminance(photo, photo), match_luminance(painting, photo).clamp(0, 1))
            return with_colours_of(photo, grey)
        return self.optimised(photo, painting)

    def optimised(self, photo: Tensor, painting: Tensor) -> Tensor:
        """The picture of the least loss that was met; the photo where no loss was a number."""
        with torch.no_grad():
            content = self.network(photo, self.content_layers)
            style = {name: gram(x) for name, x in self.network(painting, self.style_layers).items()}
        picture = self.start(photo).requires_grad_()
        optimiser, rounds = self.optimiser(picture)
        best, least = photo, inf

        def closure() -> Tensor:
            nonlocal best, least
            optimiser.zero_grad()
            loss = self.loss(picture, content, style)
            loss.backward()
            if loss.item() < least:
                best, least = picture.detach().clone(), loss.item()
            return loss

        for _ in range(rounds):
            optimiser.step(closure)
        return best

    def optimiser(self, picture: Tensor) -> tuple[torch.optim.Optimizer, int]:
        """The optimiser of a picture, and how often it is asked for its step: L-BFGS makes all in one."""
        if self.how.optimiser == "adam":
            return torch.optim.Adam([picture], LEARNING_RATE), self.how.steps
        lbfgs = torch.optim.LBFGS(
            [picture],
            max_iter=self.how.steps,
            history_size=HISTORY,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )
        return lbfgs, 1

    def start(self, photo: Tensor) -> Tensor:
        if self.how.start == "content":
            return photo.clone()
        generator = torch.Generator().manual_seed(self.how.seed)
        return torch.rand(photo.shape, generator=generator).to(photo.device)

    def loss(self, picture: Tensor, content: dict[str, Tensor], style: dict[str, Tensor]) -> Tensor:
        """Equation 7 with α = 1."""
        seen = self.network(picture, {*self.content_layers, *self.style_layers})
        return content_loss([(seen[name], x) for name, x in content.items()]) + self.how.style_weight * style_loss(
            [(seen[name], x) for name, x in style.items()]
        )

    def fingerprint(self) -> str:
        digest = hashlib.sha256(super().fingerprint().encode())
        digest.update(repr((self.description, sorted(asdict(self.how).items()))).encode())
        return digest.hexdigest()[:16]


def content_loss(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Equation 1, half the squared error of activations (1, N, H, W): their mean, so that large pictures keep style."""
    return sum(0.5 * (mine - theirs).square().mean() for mine, theirs in pairs)


def style_loss(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Equations 4 and 5 of activations and Gram matrices (1, N_l, N_l): Σ w_l / (4 N_l²) Σ (G_l - A_l)².

    The weights w_l are equal. G and A are divided by their numbers of positions M_l each instead of the photo's both,
    so that photo and painting may have different sizes.
    """
    losses = [(gram(mine) - wanted).square().mean() / 4 for mine, wanted in pairs]
    return sum(losses) / len(losses)


def licence_of(network: VggLayers | CompactLayers) -> str:
    """What the pictures are subject to by the network that judged them."""
    return "Apache-2.0" if isinstance(network, CompactLayers) else "VGG-19 CC BY 4.0"


def load(
    weights: str | Path | None,
    optimiser: str = "lbfgs",
    steps: int = 200,
    style_weight: float = 30.0,
    start: str = "content",
    colour: str = "",
    pooling: str = "average",
    seed: int = 0,
) -> GatysTeacher:
    """The teacher with VGG-19 of :func:`~distill.vgg_layers.open_layers`; the options are those of ``Optimisation``."""
    how = Optimisation(optimiser, steps, style_weight, start, colour, seed)
    return GatysTeacher(open_layers(weights, pooling), how)
