"""Teachers that other packages bring, as entry points of the group ``brushlet.teachers``.

An entry point is called like its teacher and stands for a :class:`Listing`, whose module has a
``load(weights, **options) -> Teacher``. Such packages are code that the user installed: what is wrong with one is told
in one line, and the others go on working.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from distill.teachers.listing import Listing
from distill.teachers.teacher import Teacher
from runtime.errors import UserError

GROUP = "brushlet.teachers"


def plug_in_points() -> dict[str, EntryPoint]:
    """The entry points by name, without importing anything; of two with one name the first counts."""
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        points.setdefault(point.name, point)
    return points


def plug_in_listing(point: EntryPoint) -> Listing:
    """What an entry point says of its teacher.

    Raises:
        UserError: its package cannot be imported, or it stands for something else.
    """
    listing = blaming(point, point.load)
    if not isinstance(listing, Listing):
        raise UserError(f"{_who(point)} cannot be used: {point.value} is a {type(listing).__name__}, not a Listing")
    return replace(listing, origin=origin_of(point))


def plug_in_teacher(point: EntryPoint, load: Callable[[], Any]) -> Teacher:
    """What ``load`` gives, which is that of the teacher.

    Raises:
        UserError: it fails, or gives something else than a teacher; what it says to the user passes through.
    """
    teacher = blaming(point, load)
    if not isinstance(teacher, Teacher):
        raise UserError(f"{_who(point)} cannot be used: its load gives a {type(teacher).__name__}, not a Teacher")
    teacher.name = point.name
    return teacher


def blaming(point: EntryPoint, call: Callable[[], Any]) -> Any:
    """``call()``; whatever a package from outside raises becomes one line that names it."""
    try:
        return call()
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise UserError(f"{_who(point)} cannot be used: {type(error).__name__}: {first}") from error


def _who(point: EntryPoint) -> str:
    return f"the teacher '{point.name}' of {origin_of(point)}"


def origin_of(point: EntryPoint) -> str:
    """The package of an entry point, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"
