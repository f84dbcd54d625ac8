"""Weights that a user has, found by the names their authors gave them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from distill.weights import ENVIRONMENT
from runtime.errors import UserError


def find_files(teacher: str, patterns: Mapping[str, str], choice: str | Path | None) -> dict[str, Path]:
    """The files of a teacher's parts by role, anywhere below the folder ``choice``; without one, BRUSHLET_WEIGHTS.

    Raises:
        UserError: there is no such folder, a file is missing, or several fit.
    """
    folder = _place(teacher, ", ".join(patterns.values()), choice)
    return {role: _only(teacher, folder, [pattern]) for role, pattern in patterns.items()}


def find_file(teacher: str, patterns: Sequence[str], choice: str | Path | None) -> Path:
    """The one file of a teacher: ``choice`` itself, or the only one below that folder that fits a pattern.

    Raises:
        UserError: as :func:`find_files`.
    """
    place = _place(teacher, " or ".join(patterns), choice)
    return place if place.is_file() else _only(teacher, place, patterns)


def _place(teacher: str, files: str, choice: str | Path | None) -> Path:
    """Where to look: what the user names, else BRUSHLET_WEIGHTS."""
    wanted = f"{teacher} needs its weights ({files})"
    if str(choice) in ("compact", "download"):
        raise UserError(f"{wanted}, which are neither shipped nor downloaded: give their folder with --weights")
    named = choice if choice is not None else os.environ.get(ENVIRONMENT)
    if not named:
        raise UserError(f"{wanted}: give their folder with --weights or {ENVIRONMENT}")
    if not Path(named).exists():
        raise UserError(f"there is no weights file or directory {named}")
    return Path(named)


def _only(teacher: str, folder: Path, patterns: Sequence[str]) -> Path:
    if folder.is_file():
        raise UserError(f"{teacher} has several weights files: give the folder that holds them, not {folder.name}")
    found = sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()})
    if not found:
        raise UserError(f"there is no {' and no '.join(patterns)} in {folder} or below, which {teacher} needs")
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:6])
        raise UserError(f"{folder} holds several weights for {teacher} ({names}): give one of them with --weights FILE")
    return found[0]
