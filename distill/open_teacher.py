"""The teacher that a run's settings name, held to one painting where ``--style`` is a single picture."""

from __future__ import annotations

from pathlib import Path

from distill import teachers
from distill.data import is_one_picture
from distill.settings import Settings
from distill.teachers import Teacher, load_teacher
from distill.teachers.one_painting import OnePainting
from runtime.errors import UserError


def has_one_style(settings: Settings) -> bool:
    """Whether its student paints in one style: that of a single picture, or the one that is part of the teacher."""
    listing = teachers.TEACHERS.get(settings.teacher)
    return listing is not None and (not listing.takes_style or is_one_picture(settings.style))


def open_teacher(settings: Settings) -> Teacher:
    """The teacher, on the CPU.

    Raises:
        UserError: as :func:`~distill.teachers.load_teacher`, the one picture cannot be read, or a style is given to a
            teacher that has its own.
    """
    teacher = load_teacher(settings.teacher, settings.weights, settings.teacher_options)
    if teacher.takes_style and is_one_picture(settings.style):
        return OnePainting(teacher, Path(settings.style))
    if settings.style is not None and not teacher.takes_style and not teacher.paired:
        raise UserError(f"{teacher.name} paints in one style, '{teacher.style_name}': leave --style out")
    return teacher
