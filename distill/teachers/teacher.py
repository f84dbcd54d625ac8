"""What a teacher is: anything that turns a content and a style picture, or a content alone, into a painted one."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn

from runtime.label_maps import Palette


class Teacher(nn.Module):
    """A stylizer to learn from: ``teacher(content, style)`` on RGB pictures (N, 3, H, W) in [0, 1].

    ``description`` says in words which network and weights these are, for reports; ``licence`` is what its weights,
    and so students made from them, are subject to. Teachers that do not take a style picture ignore one.
    """

    name = ""
    #: Whether it paints in the style of a picture; otherwise it has one style, which is part of its weights.
    takes_style = True
    #: Whether it paints nothing itself, and the pictures that it painted come in pairs with their contents.
    paired = False
    #: Whether a picture takes seconds: each is then kept in a file, and a run's are painted before it starts.
    slow = False
    #: The labels of the maps that are its contents; None where those are photos.
    palette: Palette | None = None

    def __init__(self, description: str, licence: str):
        super().__init__()
        self.description, self.licence = description, licence

    @property
    def device(self) -> torch.device:
        """Where its weights are; the CPU for one that has none."""
        return next((t.device for t in (*self.parameters(), *self.buffers())), torch.device("cpu"))

    @torch.inference_mode()
    def stylize(self, content: Tensor, style: Tensor | None = None) -> Tensor:
        """Painted pictures (N, 3, H, W), clipped to [0, 1]."""
        return self(content, style).float().clamp(0, 1)

    def trunk(self, content: Tensor) -> list[Tensor]:
        """Activations (N, C, H/4, W/4) on the way to the picture, shallow to deep, that a student's may be likened to.

        ``content`` has sides that are multiples of 4. Empty where a teacher has none at that resolution.
        """
        return []

    def discriminator(self) -> nn.Module | None:
        """What told this teacher's pictures from real ones when it was trained, if that was kept.

        A module from pictures (N, 3, H, W) in [0, 1] to scores (N, 1, h, w), 1 for real and 0 for made.
        """
        return None

    def fingerprint(self) -> str:
        """Hex digest of the weights: what cached pictures are filed under."""
        digest = hashlib.sha256(self.name.encode())
        for key, value in sorted(self.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


class OneStyleTeacher(Teacher):
    """A teacher whose one style is part of its weights; ``style_name`` is what that style is called.

    Subclasses write ``paint``: content (N, 3, H, W) in [0, 1], sides multiples of 4, to a picture of the same size.
    """

    takes_style = False

    def __init__(self, description: str, licence: str, style_name: str):
        super().__init__(description, licence)
        self.style_name = style_name

    def paint(self, content: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, content: Tensor, style: Tensor | None = None) -> Tensor:
        return cropped_to(content, self.paint(at_multiple(content)))


def at_multiple(picture: Tensor, multiple: int = 4) -> Tensor:
    """The picture (N, 3, H, W) with its last row and column repeated until both sides are multiples."""
    height, width = picture.shape[2:]
    return nn.functional.pad(picture, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def cropped_to(content: Tensor, painted: Tensor) -> Tensor:
    """What of ``painted`` lies over ``content``."""
    return painted[..., : content.shape[2], : content.shape[3]]
