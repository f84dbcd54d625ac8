"""A stylizer around StyleSwin's generator: a photo's features grow through its last layers in a painting's style."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from distill.perceptual import CONVS_PER_STAGE, Vgg, compact_perception, moments
from distill.teachers.styleswin.generator import Generator
from distill.teachers.teacher import Teacher, at_multiple, cropped_to
from distill.teachers.weight_files import find_file
from distill.weights import load_state
from runtime.errors import UserError

PATTERNS = ("*styleswin*.safetensors",)
LICENCE = "code after microsoft/StyleSwin (MIT); the weights' own terms are their maker's"
#: Layers of the generator that work on a photo, from relu4_1's eighth of the resolution to the full one.
DEPTH = len(CONVS_PER_STAGE)
#: Sides are padded to this: windows of 8 at an eighth of the resolution.
MULTIPLE = 64
#: What a file's names begin with that are not the generator's.
ENTRANCE = "entrance."


class Entrance(nn.Module):
    """What stands in the place of constant and noise: relu4_1 of the photo, and the painting's statistics.

    The encoder is the compact VGG, frozen, so that a file of weights is whole without another.
    """

    def __init__(self, channels: tuple[int, ...], features: int, style: int):
        super().__init__()
        self.encoder = Vgg(channels, normalise=False, padding="zeros").requires_grad_(False)
        self.content, self.look = nn.Conv2d(channels[-1], features, 1), nn.Linear(2 * sum(channels), style)
        self.register_buffer("centre", torch.zeros(2 * sum(channels)))
        self.register_buffer("spread", torch.ones(2 * sum(channels)))

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Entrance:
        """From a state dict; ``KeyError`` or ``RuntimeError`` where it is none."""
        first = [sum(CONVS_PER_STAGE[:stage]) for stage in range(DEPTH)]
        channels = tuple(len(state[f"encoder.convs.{index}.weight"]) for index in first)
        entrance = cls(channels, len(state["content.weight"]), len(state["look.weight"]))
        entrance.load_state_dict(state)
        return entrance

    def features(self, content: Tensor) -> Tensor:
        """(N, 3, H, W), sides multiples of 8 -> (N, H/8, W/8, C)."""
        return self.content(self.encoder(content)[-1]).permute(0, 2, 3, 1)

    def statistics(self, style: Tensor) -> Tensor:
        """Means and deviations of the encoder's four activations: what the style loss compares."""
        return torch.cat([m.flatten(1) for tap in self.encoder(style) for m in moments(tap)], 1)

    def latent(self, style: Tensor) -> Tensor:
        """What stands for the noise, (N, style)."""
        return self.look(((self.statistics(style) - self.centre) / self.spread).clamp(-6, 6))

    @torch.no_grad()
    def calibrate(self, statistics: Tensor) -> None:
        """Centre and scale by a sample (K, M) of :meth:`statistics`."""
        self.centre.copy_(statistics.mean(0))
        self.spread.copy_(statistics.std(0).clamp_min(1e-3))


class StyleSwinTeacher(Teacher):
    """Entrance, mapping network and the generator's last layers."""

    name = "styleswin"

    def __init__(self, generator: Generator, entrance: Entrance, description: str = "", licence: str = LICENCE):
        super().__init__(description, licence)
        self.first = len(generator.layers) - DEPTH
        if self.first < 0:
            raise ValueError(f"a stylizer needs a generator of at least {DEPTH} layers, not {len(generator.layers)}")
        if any(MULTIPLE // 8 % layer.window for layer in generator.shape.layers[self.first :]):
            raise ValueError("its windows do not divide 8")
        self.generator, self.entrance = generator, entrance

    @classmethod
    def around(cls, generator: Generator) -> StyleSwinTeacher:
        """With an entrance that has to be trained."""
        vgg, shape = compact_perception().vgg, generator.shape
        channels = shape.layers[max(0, len(shape.layers) - DEPTH)].channels
        entrance = Entrance(vgg.channels, channels, shape.style)
        entrance.encoder.load_state_dict(vgg.state_dict())
        return cls(generator, entrance)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> StyleSwinTeacher:
        """From a file's tensors: the generator's under their official names, and the entrance's.

        Raises ``KeyError``, ``ValueError`` or ``RuntimeError`` where they are of something else.
        """
        inner = {name.removeprefix(ENTRANCE): t for name, t in state.items() if name.startswith(ENTRANCE)}
        outer = {name: t for name, t in state.items() if not name.startswith(ENTRANCE)}
        return cls(Generator.of(outer), Entrance.of(inner))

    def tensors(self) -> dict[str, Tensor]:
        """What :meth:`of` reads."""
        return {
            **self.generator.state_dict(),
            **{ENTRANCE + name: value for name, value in self.entrance.state_dict().items()},
        }

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        features = self.entrance.features(at_multiple(content, MULTIPLE))
        look = self.generator.style(self.entrance.latent(style))
        return cropped_to(content, self.generator.decode(features, look, self.first))


def read_generator(path: Path) -> Generator:
    """The generator of an official file, or of a stylizer; ``UserError`` when it is damaged or of another network."""
    state = load_state(path)
    try:
        return Generator.of({name: value.float() for name, value in state.items() if not name.startswith(ENTRANCE)})
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise UserError(f"{path.name}: not a generator of StyleSwin ({first_line(error)})") from error


def of_file(path: Path) -> StyleSwinTeacher:
    """The teacher of one file; ``UserError`` when it is damaged, of another network, or a generator alone."""
    state = load_state(path)
    if "to_rgbs.0.conv.weight" in state and not any(name.startswith(ENTRANCE) for name in state):
        raise UserError(
            f"{path.name} is a StyleSwin generator, which paints no photos: train a stylizer from it with "
            f"brushlet teach-styleswin --generator {path.name}"
        )
    try:
        teacher = StyleSwinTeacher.of({name: value.float() for name, value in state.items()})
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise UserError(f"{path.name}: not the network of styleswin ({first_line(error)})") from error
    number = sum(p.numel() for p in teacher.parameters()) / 1e6
    teacher.description = f"StyleSwin as a stylizer with the weights {path.name} ({number:.2f} M parameters)"
    return teacher.eval().requires_grad_(False)


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:120]


def load(weights: str | Path | None) -> StyleSwinTeacher:
    """The teacher of the file ``weights``, or of the only one below that folder."""
    return of_file(find_file("styleswin", PATTERNS, weights))
