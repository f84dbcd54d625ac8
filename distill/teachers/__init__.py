"""Teachers by name. To add one, write a module with ``load(weights) -> Teacher`` and give it a line here."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path

from distill.teachers.teacher import Teacher
from runtime.errors import UserError

#: Module of each teacher, imported when the teacher is asked for.
TEACHERS = {"adain": "distill.teachers.adain"}

__all__ = ["TEACHERS", "Teacher", "load_teacher"]


def load_teacher(name: str, weights: str | Path | None = None) -> Teacher:
    """The teacher called ``name``, frozen and on the CPU; unknown names raise ``UserError`` with the nearest one."""
    if name not in TEACHERS:
        near = difflib.get_close_matches(name, TEACHERS, 1, 0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(TEACHERS)}"
        raise UserError(f"there is no teacher called '{name}'; {hint}")
    return importlib.import_module(TEACHERS[name]).load(weights)
