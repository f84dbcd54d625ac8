"""``--freeze-style``: the student that is exported paints in one style only, which is part of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from distill.checkpoint import Trained
from distill.freeze import freeze, frozen_sheet
from runtime import framing
from runtime.bundle import sha256_of
from runtime.errors import UserError
from runtime.image_files import read_picture


@dataclass(frozen=True)
class FrozenStyle:
    """Which style to fold into the weights.

    Attributes:
        painting: its picture.
        steps: of fine-tuning against the adaptive student, which wins back what fixed statistics cost.
        content: photos to take those statistics from and to fine-tune on; None for the samples that come with brushlet.
    """

    painting: Path
    steps: int = 200
    content: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.steps <= 100_000:
            raise UserError(f"--freeze-steps must be from 0 to 100000, not {self.steps}")

    def digest(self, student_sha256: str) -> str:
        """What tells this frozen student from others of the same origin: 64 hex digits."""
        picture = read_picture(self.painting) and sha256_of(self.painting)
        parts = f"{student_sha256} {picture} {self.steps} {self.content}"
        return hashlib.sha256(parts.encode()).hexdigest()

    def fold(self, trained: Trained, log: Callable[[str], None]) -> tuple[Trained, np.ndarray]:
        """The student with the style folded in, and its pictures beside the adaptive one's, uint8 (H, W, 3).

        How near it stays to the adaptive one is in its quality record.

        Raises:
            UserError: the painting cannot be read, the student is frozen already, or there are no photos.
        """
        crop = framing.style_crop(read_picture(self.painting).on_white())
        with torch.no_grad():
            code = trained.student.style(torch.from_numpy(framing.to_tensor(crop)))
        content = str(self.content) if self.content is not None else None
        frozen = freeze(trained, code, self.painting.stem, content, self.steps, say=log)
        return frozen, frozen_sheet(frozen.student, trained.student, code, content)
