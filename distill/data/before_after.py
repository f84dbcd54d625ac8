"""Folders of pictures before and after a stylizer: DIR/before/x.jpg and DIR/after/x.png are one pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from runtime.errors import UserError

#: Sides of two pictures of a pair may differ by this after both were resized: what rounding does.
SLACK = 2


def before_and_after(folder: Path) -> tuple[str, str]:
    """The two folders of ``folder``; ``UserError`` where one is not there."""
    places = folder / "before", folder / "after"
    for place in places:
        if not place.is_dir():
            raise UserError(f"{place} is not a folder: --teacher-pairs DIR holds DIR/before/x.jpg and DIR/after/x.jpg")
    return str(places[0]), str(places[1])


def require_pairs(before: Sequence[str], after: Sequence[str], folders: tuple[str, str] = ("before", "after")) -> None:
    """Raise ``UserError`` unless both name the same pictures in the same order, whatever their suffixes."""
    first, second = ([PurePath(name).with_suffix("").as_posix() for name in names] for names in (before, after))
    if alone := sorted(set(first) ^ set(second)):
        where = folders[0] if alone[0] in first else folders[1]
        raise UserError(f"{where}/{alone[0]} has no picture of that name on the other side that can be read")
    if first != second:
        raise UserError("two pictures have one name but for the suffix: rename or remove one of them")


def aligned(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both uint8 (H, W, 3) pictures of a pair, at the same scale, cut to the size they have in common."""
    height, width = (min(before.shape[axis], after.shape[axis]) for axis in (0, 1))
    if max(abs(before.shape[axis] - after.shape[axis]) for axis in (0, 1)) > SLACK:
        raise UserError(
            f"a picture of {before.shape[1]}x{before.shape[0]} pixels became one of {after.shape[1]}x{after.shape[0]}: "
            "before and after must have the same proportions"
        )
    return before[:height, :width], after[:height, :width]
