"""Teachers by name. To add one, write a module with ``load(weights) -> Teacher`` and give it an entry here."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from pathlib import Path

from distill.teachers.listing import OWN, Listing
from distill.teachers.options import typed_options
from distill.teachers.plug_ins import plug_in_listing, plug_in_points, plug_in_teacher
from distill.teachers.teacher import Teacher
from runtime.errors import UserError

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
    "gatys": Listing(
        "distill.teachers.gatys",
        "Gatys, Ecker & Bethge, A neural algorithm of artistic style (1508.06576)",
        2015,
        "VGG-19 as vgg_normalised.pth, whole or cut off, or torchvision's vgg19-*.pth, or what ships",
        "VGG-19 CC BY 4.0",
        ships=True,
        time="seconds (the compact network) to minutes (VGG-19) on two cores",
        options=("optimiser", "steps", "style_weight", "start", "colour", "pooling", "seed"),
    ),
    "johnson": Listing(
        "distill.teachers.johnson",
        "Johnson, Alahi & Fei-Fei, Perceptual losses for real-time style transfer and super-resolution (1603.08155)",
        2016,
        "a file in the layout of pytorch/examples, any width, or .npz of lengstrom/fast-style-transfer",
        "of the weights that are given; those of lengstrom/fast-style-transfer are for research only",
        takes_style=False,
        trainer="distill.teachers.johnson_from_painting",
        options=("width", "steps", "batch", "size", "style_weight", "learning_rate"),
    ),
    "cyclegan": Listing(
        "distill.teachers.cyclegan",
        "Zhu et al., Unpaired image-to-image translation using cycle-consistent adversarial networks (1703.10593)",
        2017,
        "*net_G*.pth: the official ResNets, GAN Compression's separable one, or a file of teach-cyclegan",
        "of the weights that are given; the official code is BSD",
        takes_style=False,
    ),
    "efros-leung": Listing(
        "distill.teachers.efros_leung",
        "Efros & Leung, Texture synthesis by non-parametric sampling (ICCV 1999)",
        1999,
        "none",
        "a method without weights; of the style pictures",
        ships=True,
        time="about 3 s at 256 pixels on one core",
        options=("window", "texture_window", "texture_share"),
    ),
    "quilting": Listing(
        "distill.teachers.quilting",
        "Efros & Freeman, Image quilting for texture synthesis and transfer (SIGGRAPH 2001)",
        2001,
        "none",
        "a method without weights; of the style pictures",
        ships=True,
        time="about 2 s at 256 pixels on one core",
        options=("block", "passes"),
    ),
    "analogies": Listing(
        "distill.teachers.analogies",
        "Hertzmann et al., Image analogies (SIGGRAPH 2001)",
        2001,
        "none",
        "a method without weights; of the style pictures",
        ships=True,
        time="about 2 s at 256 pixels on one core",
        options=("source", "kappa"),
    ),
    "spade": Listing(
        "distill.teachers.spade",
        "Park et al., Semantic image synthesis with spatially-adaptive normalization (1903.07291)",
        2019,
        "*net_G*.pth and *net_E*.pth of NVlabs/SPADE with labels.json, or a file of brushlet teach-spade",
        "of the weights that are given; the official code and weights are CC BY-NC-SA 4.0",
        takes_style=False,
        takes_label_map=True,
        options=("look",),
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
    "command": Listing(
        "distill.teachers.command",
        "any stylizer that is a program: --teacher-command 'mytool {content} {style} {out}', {style} if it takes one",
        None,
        "none",
        "of the tool that painted the pictures",
        ships=True,
        time="of the tool",
        options=("command", "timeout", "processes"),
    ),
}

__all__ = ["TEACHERS", "Listing", "Teacher", "find", "listed", "load_teacher"]


def find(name: str) -> Listing | None:
    """What is known of the teacher called ``name``, of this package or another; None where there is none.

    Raises:
        UserError: another package brings it, and cannot be used.
    """
    if name in TEACHERS:
        return TEACHERS[name]
    point = plug_in_points().get(name)
    return None if point is None else plug_in_listing(point)


def listed(name: str) -> Listing:
    """As :func:`find`; for unknown names a ``UserError`` with the nearest one."""
    listing = find(name)
    if listing is None:
        known = [*TEACHERS, *plug_in_points()]
        near = difflib.get_close_matches(name, known, 1, 0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        raise UserError(f"there is no teacher called '{name}'; {hint}")
    return listing


def load_teacher(name: str, weights: str | Path | None = None, options: Mapping[str, str] | None = None) -> Teacher:
    """The teacher called ``name``, frozen and on the CPU; ``options`` are for its ``load``, as text.

    Raises:
        UserError: there is none of that name, it has no such option, or its weights are missing or of something else.
    """
    listing = listed(name)

    def make() -> Teacher:
        load = importlib.import_module(listing.module).load
        return load(weights, **typed_options(name, load, options or {}))

    return make() if listing.origin == OWN else plug_in_teacher(plug_in_points()[name], make)
