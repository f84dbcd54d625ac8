"""A teacher as a plain function on pictures, for benchmarks that set it beside its student."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from distill.teachers import load_teacher
from runtime.errors import UserError
from runtime.framing import to_picture, to_tensor

#: Below this a teacher's encoder has no pixels left.
SMALLEST = 16

StylizePictures = Callable[[np.ndarray, np.ndarray], np.ndarray]


def teacher_callable(name: str, weights: Path | None, size: int, threads: int) -> tuple[StylizePictures, str]:
    """A teacher in torch on the CPU, and what it is in words.

    The function takes content and style, uint8 (H, W, 3) each, and returns the painted content, uint8 (H, W, 3): the
    same work from picture to picture as a `Stylizer` does. It is to be called in this process, whose torch is set to
    ``threads`` threads.

    Args:
        weights: as in ``distill --weights``; None takes the teacher's where they are found, else what ships.
        size: the short side of the contents to come, in pixels.

    Raises:
        UserError: no such teacher, weights that do not fit, contents too small for it, or less than one thread.
    """
    if size < SMALLEST:
        raise UserError(f"a teacher needs pictures of {SMALLEST} pixels or more, not {size}")
    if threads < 1:
        raise UserError(f"threads must be 1 or more, not {threads}")
    torch.set_num_threads(threads)
    teacher = load_teacher(name, weights)

    def stylize(content: np.ndarray, style: np.ndarray) -> np.ndarray:
        painted = teacher.stylize(torch.from_numpy(to_tensor(content)), torch.from_numpy(to_tensor(style)))
        return to_picture(painted.numpy())

    return stylize, teacher.description
