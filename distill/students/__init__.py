"""Students by architecture name. To add one, write a module and give its class a line here."""

from __future__ import annotations

from torch import nn

from distill.students.haar_painter import HaarPainter, Site

#: A student offers ``style``, ``measure``, ``affine`` and ``paint``; it has ``sites``, ``size_multiple`` and ``halo``.
STUDENTS = {HaarPainter.architecture: HaarPainter}

__all__ = ["STUDENTS", "HaarPainter", "Site", "build_student"]


def build_student(name: str, **shape: float) -> nn.Module:
    """A student with fresh weights; ``ValueError`` for an unknown architecture or impossible shape."""
    if name not in STUDENTS:
        raise ValueError(f"unknown architecture '{name}', known: {', '.join(STUDENTS)}")
    return STUDENTS[name](**shape)
