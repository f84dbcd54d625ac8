"""Students by architecture name. To add one, write a module and give its class a line here."""

from __future__ import annotations

from typing import Any

from torch import nn

from distill.students.frozen_painter import FrozenPainter
from distill.students.haar_painter import HaarPainter, Site

#: A student offers ``style``, ``measure``, ``affine`` and ``paint``, or ``paint`` alone where it has no ``sites``; it
#: has ``sites``, ``site_layers``, ``size_multiple``, ``halo``, and ``shape``: the arguments that build it.
STUDENTS = {student.architecture: student for student in (HaarPainter, FrozenPainter)}

__all__ = ["STUDENTS", "FrozenPainter", "HaarPainter", "Site", "build_student"]


def build_student(name: str, **shape: Any) -> nn.Module:
    """A student with fresh weights; ``ValueError`` for an unknown architecture or impossible shape."""
    if name not in STUDENTS:
        raise ValueError(f"unknown architecture '{name}', known: {', '.join(STUDENTS)}")
    return STUDENTS[name](**shape)
