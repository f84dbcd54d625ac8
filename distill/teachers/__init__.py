"""Teachers by name. To add one, write a module with ``load(weights) -> Teacher`` and give it an entry here."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path

from distill.teachers.teacher import Teacher
from runtime.errors import UserError


@dataclass(frozen=True)
class Listing:
    """What is known of a teacher before its weights are there.

    Attributes:
        module: where its ``load`` is, imported when the teacher is asked for.
        paper: who described it, its title and its number at arXiv.
        year: of the paper; None for a stylizer from outside.
        weights: the files it reads.
        licence: what they are subject to.
        takes_style: it paints in the style of a picture; otherwise its one style is part of its weights.
        takes_label_map: its content is a map of labels instead of a photo.
        ships: it can do without weights that a user has to give.
    """

    module: str
    paper: str
    year: int | None
    weights: str
    licence: str
    takes_style: bool = True
    takes_label_map: bool = False
    ships: bool = False


TEACHERS = {
    "adain": Listing(
        "distill.teachers.adain",
        "Huang & Belongie, Arbitrary style transfer in real-time with adaptive instance normalization (1703.06868)",
        2017,
        "vgg_normalised.pth and decoder.pth (naoto0804/pytorch-AdaIN), or what ships",
        "VGG-19 CC BY 4.0; AdaIN decoder MIT",
        ships=True,
    ),
    "microast": Listing(
        "distill.teachers.microast",
        "Wang et al., MicroAST: towards super-fast ultra-resolution arbitrary style transfer (2211.15313)",
        2023,
        "content_encoder, style_encoder, modulator and decoder_iter_*.pth.tar (EndyWon/MicroAST)",
        "MIT",
    ),
    "johnson": Listing(
        "distill.teachers.johnson",
        "Johnson, Alahi & Fei-Fei, Perceptual losses for real-time style transfer and super-resolution (1603.08155)",
        2016,
        "a file in the layout of pytorch/examples, any width, or .npz of lengstrom/fast-style-transfer",
        "of the weights that are given; those of lengstrom/fast-style-transfer are for research only",
        takes_style=False,
    ),
    "cyclegan": Listing(
        "distill.teachers.cyclegan",
        "Zhu et al., Unpaired image-to-image translation using cycle-consistent adversarial networks (1703.10593)",
        2017,
        "*net_G*.pth: the official ResNets, GAN Compression's separable one, or a file of teach-cyclegan",
        "of the weights that are given; the official code is BSD",
        takes_style=False,
    ),
    "styleswin": Listing(
        "distill.teachers.styleswin",
        "Zhang et al., StyleSwin: transformer-based GAN for high-resolution image generation (2112.10762)",
        2021,
        "a file of brushlet teach-styleswin, which starts from official weights or from none",
        "of the weights that are given; the official code is MIT",
    ),
    "pairs": Listing(
        "distill.teachers.pairs",
        "any stylizer whose pictures you have: --teacher-pairs DIR with DIR/before/x.jpg and DIR/after/x.jpg",
        None,
        "none",
        "of the stylizer that painted the pictures",
        takes_style=False,
        ships=True,
    ),
}

__all__ = ["TEACHERS", "Listing", "Teacher", "listed", "load_teacher"]


def listed(name: str) -> Listing:
    """What is known of the teacher called ``name``; unknown names raise ``UserError`` with the nearest one."""
    if name not in TEACHERS:
        near = difflib.get_close_matches(name, TEACHERS, 1, 0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(TEACHERS)}"
        raise UserError(f"there is no teacher called '{name}'; {hint}")
    return TEACHERS[name]


def load_teacher(name: str, weights: str | Path | None = None) -> Teacher:
    """The teacher called ``name``, frozen and on the CPU.

    Raises:
        UserError: there is none of that name, or its weights are missing or of something else.
    """
    return importlib.import_module(listed(name).module).load(weights)
