"""Pictures that ship, as files."""

from __future__ import annotations

import json
from pathlib import Path

from distill.data import open_pictures
from distill.data.label_maps import drawn_maps, drawn_photos
from distill.data.landscapes import LANDSCAPE, SCENES
from runtime.atomic_write import write_atomically
from runtime.errors import UserError
from runtime.image_files import write_picture


def write_held_back(folder: Path) -> None:
    """The photos and style swatches that training never sees, in content/ and style/ as PNG."""
    for kind in ("content", "style"):
        pictures = open_pictures(None, kind, 512, "held-back")
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for index in range(len(pictures)):
            write_picture(folder / kind / f"{kind}-{index}.png", pictures[index])


def write_landscapes(folder: Path, count: int) -> None:
    """Drawn landscapes as pairs that ``teach-spade --pairs`` takes: labels/, photos/ and labels.json.

    Raises:
        UserError: there are not that many, or the files cannot be written.
    """
    if not 1 <= count <= SCENES:
        raise UserError(f"there are 1 to {SCENES} landscapes, not {count}")
    for part, source in (("labels", drawn_maps()), ("photos", drawn_photos())):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            write_picture(folder / part / f"{source.names[index]}.png", source.read(index))
    record = json.dumps({"labels": LANDSCAPE.to_json()}, indent=1)
    write_atomically(folder / "labels.json", f"{record}\n".encode())
