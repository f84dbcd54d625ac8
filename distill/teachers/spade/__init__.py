"""SPADE, or GauGAN: pictures from label maps (Park, Liu, Wang & Zhu 2019), in the official layout at any width.

The content is a label map drawn in the teacher's palette (:mod:`runtime.label_maps`). Where the weights have a style
encoder, a picture decides on colours and light: the option ``look``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from distill.teachers.spade.generator import SpadeGenerator, StyleEncoder
from distill.teachers.spade.layout import Description, description_of, fill, folded, is_encoders, shape_of
from distill.teachers.spade.semantics import numbers_of, semantics_of
from distill.teachers.teacher import OneStyleTeacher, at_multiple, cropped_to
from distill.teachers.weight_files import find_file
from distill.weights import load_state
from runtime.errors import UserError
from runtime.framing import to_tensor
from runtime.image_files import read_picture

PATTERNS = ("*net_G*.pth", "spade*.safetensors")
#: The picture of a look is scaled down to this, in pixels.
LOOK_SIDE = 512
LICENCE = "the weights' own terms are their maker's; the official ones are CC BY-NC-SA 4.0"


class SpadeTeacher(OneStyleTeacher):
    """The generator with one style; ``encoder`` is None where the weights have none.

    Attributes:
        look: (1, latent), the style vector that all is painted with.
    """

    name = "spade"

    def __init__(
        self,
        generator: SpadeGenerator,
        encoder: StyleEncoder | None,
        described: Description,
        description: str,
        licence: str = LICENCE,
    ):
        super().__init__(description, licence, "mean of all styles" if encoder is not None else "its own")
        self.generator, self.encoder, self.described = generator, encoder, described
        self.palette = described.palette
        self.register_buffer("colours", torch.from_numpy(self.palette.colours).float() / 255)
        self.register_buffer("look", torch.zeros(1, generator.shape.latent))
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def take_look(self, picture: Tensor, name: str) -> None:
        """Paint in the style of ``picture``, (1, 3, H, W) in [0, 1], from now on.

        Raises:
            UserError: the weights have no style encoder.
        """
        if self.encoder is None:
            raise UserError("these weights of spade have no style encoder: leave the option look out")
        mean, _ = self.encoder(picture * 2 - 1)
        self.look.copy_(mean)
        self.style_name = name

    def forward(self, content: Tensor, style: Tensor | None = None) -> Tensor:
        drawn = at_multiple(content, self.generator.shape.stride)
        numbers = numbers_of(drawn, self.colours)
        semantics = semantics_of(numbers, len(self.palette), numbers if self.described.instances else None)
        look = self.look.expand(len(content), -1) if self.generator.shape.latent else None
        return cropped_to(content, (self.generator(semantics, look) + 1) / 2)


def of_state(state: Mapping[str, Tensor], path: Path) -> SpadeTeacher:
    """The teacher of the weights in ``path``; ``UserError`` where they are of something else, or of other labels."""
    try:
        weights = folded(state)
        semantics = weights["head_0.norm_0.mlp_shared.0.weight"].shape[1]
        described = description_of(path, semantics)
        shape = shape_of(weights, described.upsampling)
        generator = SpadeGenerator(shape)
        encoder = StyleEncoder(shape) if shape.encoder_layers else None
        fill(generator, {name: value for name, value in weights.items() if not is_encoders(name)})
        if encoder is not None:
            fill(encoder, {name: value for name, value in weights.items() if is_encoders(name)})
    except (KeyError, IndexError, ValueError, ZeroDivisionError, RuntimeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise UserError(f"{path.name}: not the network of spade ({first})") from error
    millions = sum(value.numel() for value in weights.values()) / 1e6
    return SpadeTeacher(
        generator,
        encoder,
        described,
        f"SPADE with the weights {path.name} ({millions:.2f} M parameters, {len(described.palette)} labels)",
    )


def load(weights: str | Path | None, look: str = "") -> SpadeTeacher:
    """The teacher of a file or folder of weights; the encoder's lie in the same file, or beside it as ``net_E``.

    ``look`` is a picture in whose style all is painted; without one it is the mean of all styles.
    """
    path = find_file("spade", PATTERNS, weights)
    state, encoder = load_state(path), path.with_name(path.name.replace("net_G", "net_E"))
    if encoder != path and encoder.is_file():
        state = {**state, **load_state(encoder)}
    teacher = of_state(state, path)
    if look:
        picture = read_picture(look, long_side=LOOK_SIDE).on_white()
        teacher.take_look(torch.from_numpy(to_tensor(picture)), Path(look).stem)
    return teacher
