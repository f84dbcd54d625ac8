"""What ``brushlet teach-demo`` does: the teacher itself paints one photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from distill.teachers import Teacher, load_teacher
from distill.teachers.options import parse_options
from runtime.errors import UserError
from runtime.framing import to_picture, to_tensor
from runtime.image_files import keeps_alpha, read_picture, write_picture
from runtime.label_maps import Palette, read_label_map

#: Sides of pictures that teachers take, in pixels: below, encoders have no pixels left; above, machines no memory.
SMALLEST, LARGEST = 32, 4096


def paint_with_teacher(
    name: str,
    photo: Path,
    style: Path | None,
    output: Path,
    weights: str | None = None,
    size: int = 512,
    options: Sequence[str] = (),
) -> Teacher:
    """Write ``photo`` as the teacher called ``name`` paints it, scaled down to a long side of ``size`` pixels.

    ``style`` is scaled down likewise; ``options`` are the teacher's, as NAME=VALUE. Returns the teacher.

    Raises:
        UserError: no such teacher, no weights, a style that is missing or of no use, or a picture that cannot be read
            or written.
    """
    teacher = load_teacher(name, weights, parse_options(options))
    if teacher.takes_style and style is None:
        raise UserError(f"{name} paints in the style of a picture: give one after the photo")
    if not teacher.takes_style and style is not None:
        raise UserError(f"{name} has one style, which is part of its weights: leave {style} out")
    if not SMALLEST <= size <= LARGEST:
        raise UserError(f"--size must be from {SMALLEST} to {LARGEST}, not {size}")
    keeps_alpha(output)  # refuses a name that cannot be written before anything is painted
    pictures = [tensor_of(photo, size, teacher.palette), *([] if style is None else [tensor_of(style, size)])]
    write_picture(output, to_picture(teacher.stylize(*pictures).numpy()))
    return teacher


def make_texture(
    name: str, sample: Path, output: Path, side: int, size: int = 512, options: Sequence[str] = ()
) -> Teacher:
    """Write a texture of ``side`` x ``side`` pixels like ``sample``, which is scaled down to a long side of ``size``.

    Raises:
        UserError: a teacher that makes none, a side out of range, or a picture that cannot be read or written.
    """
    teacher = load_teacher(name, None, parse_options(options))
    if not hasattr(teacher, "synthesise"):
        raise UserError(f"{name} makes no textures; efros-leung and quilting do")
    if not SMALLEST <= side <= LARGEST:
        raise UserError(f"--texture must be from {SMALLEST} to {LARGEST}, not {side}")
    keeps_alpha(output)
    with torch.inference_mode():
        texture = teacher.synthesise(tensor_of(sample, size)[0].permute(1, 2, 0), side, side)
    write_picture(output, to_picture(texture.permute(2, 0, 1)[None].numpy()))
    return teacher


def tensor_of(path: Path, size: int, palette: Palette | None = None) -> torch.Tensor:
    """A picture file as (1, 3, H, W) float32 in [0, 1], its long side at most ``size`` pixels.

    With a ``palette`` it is a label map, drawn in it.
    """
    rgb = read_picture(path, long_side=size).on_white() if palette is None else read_label_map(path, palette, size).rgb
    if min(rgb.shape[:2]) < SMALLEST:
        raise UserError(f"{path} is {rgb.shape[1]}x{rgb.shape[0]} pixels here; a teacher needs {SMALLEST} on each side")
    return torch.from_numpy(to_tensor(rgb))
