"""A stylizer from outside, known by its pictures alone: photos before, and the same after it painted them."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from distill.teachers.teacher import OneStyleTeacher
from runtime.errors import UserError


class PairsTeacher(OneStyleTeacher):
    """Gives the picture after for the picture before, which comes with it in the place of a style picture."""

    name = "pairs"
    paired = True

    def forward(self, content: Tensor, style: Tensor | None = None) -> Tensor:
        if style is None:
            raise UserError("pairs holds pictures that were painted elsewhere and paints none itself")
        return style


def load(weights: str | Path | None) -> PairsTeacher:
    """The teacher; it has no weights, and ``weights`` are for the loss networks."""
    return PairsTeacher(
        "a stylizer from outside, by pictures before and after",
        "of the stylizer that painted the pictures",
        "as in the pictures",
    )
