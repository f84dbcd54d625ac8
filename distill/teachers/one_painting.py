"""A teacher that takes style pictures, held to one of them: ``distill --style painting.jpg``."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from distill.teachers.teacher import OneStyleTeacher, Teacher
from runtime.framing import style_crop, to_tensor
from runtime.image_files import read_picture


class OnePainting(OneStyleTeacher):
    """What ``teacher`` paints in the style of one picture, which it sees as students do: 256 pixels on the short side.

    Raises:
        UserError: the picture cannot be read.
    """

    def __init__(self, teacher: Teacher, painting: Path):
        description = f"{teacher.description}, in the style of {painting.name}"
        super().__init__(description, teacher.licence, painting.stem)
        self.name, self.teacher = teacher.name, teacher
        self.register_buffer("painting", torch.from_numpy(to_tensor(style_crop(read_picture(painting).on_white()))))

    def forward(self, content: Tensor, style: Tensor | None = None) -> Tensor:
        return self.teacher(content, self.painting.expand(len(content), -1, -1, -1))

    def fingerprint(self) -> str:
        """That of the teacher, which may have more than weights, and the painting."""
        digest = hashlib.sha256(self.teacher.fingerprint().encode())
        digest.update(self.painting.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]
