"""The teacher that a run's settings name, held to one painting where ``--style`` is a single picture."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from distill.data import is_one_picture
from distill.kept_teacher import KeptTeacher
from distill.settings import Settings
from distill.teachers import Teacher, find, listed, load_teacher
from distill.teachers.command import CommandTeacher
from distill.teachers.one_painting import OnePainting
from distill.teachers.options import typed_options
from distill.teachers.outside_tool import takes_style
from runtime.errors import UserError


def has_one_style(settings: Settings) -> bool:
    """Whether its student paints in one style: that of a single picture, or the one that is part of the teacher."""
    listing = find(settings.teacher)
    if listing is None:
        return False
    if settings.teacher == CommandTeacher.name and not takes_style(settings.teacher_options.get("command", "")):
        return True
    return not listing.takes_style or is_one_picture(settings.style)


def open_teacher(settings: Settings) -> Teacher:
    """The teacher, on the CPU; a slow one remembers what it painted.

    One that learns from one painting and has no weights is trained first.

    Raises:
        UserError: as :func:`~distill.teachers.load_teacher`, the one picture cannot be read, or a style is given to a
            teacher that has its own.
    """
    listing = listed(settings.teacher)
    if listing.trainer and settings.weights is None and is_one_picture(settings.style):
        train = import_module(listing.trainer).teacher_of
        options = typed_options(settings.teacher, train, settings.teacher_options)
        return train(Path(settings.style), settings.content, settings.seed, **options)
    try:
        teacher = load_teacher(settings.teacher, settings.weights, settings.teacher_options)
    except UserError as error:
        if listing.trainer and settings.weights is None:
            raise UserError(f"{error}; or a painting to train it from, with --style FILE") from error
        raise
    if teacher.takes_style and is_one_picture(settings.style):
        teacher = OnePainting(teacher, Path(settings.style))
    elif settings.teacher_options.get("source"):
        raise UserError("the source is the picture before of one style picture: give that with --style FILE")
    elif settings.style is not None and not teacher.takes_style and not teacher.paired:
        raise UserError(f"{teacher.name} paints in one style, '{teacher.style_name}': leave --style out")
    return KeptTeacher(teacher) if teacher.slow else teacher
