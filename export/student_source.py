"""Where a student comes from: a run, a file or one that ships, and the pictures and styles that belong to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distill.checkpoint import STUDENT_FILE, Trained, student_path
from distill.pretrained import FOLDER as SHIPPED_STUDENTS
from distill.run import width_name
from distill.slimmable import cut_digest, on_grid
from export.frozen_style import FrozenStyle
from runtime.bundle import sha256_of
from runtime.errors import UserError
from runtime.styles.library import SHIPPED as SHIPPED_LIBRARIES
from runtime.styles.library import StyleLibrary

NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Source:
    """Where a student is read from.

    Attributes:
        file: its safetensors.
        digest: what tells it from any other student: the file's SHA-256, and of what was made of it on the way.
        name: what a bundle of it is called by default.
        sheet: the run's last contact sheet, if there is one: a file, or uint8 (H, W, 3).
    """

    file: Path
    digest: str
    name: str
    sheet: Path | np.ndarray | None

    def cut(self, width: float) -> Source:
        """The same at another width."""
        return Source(self.file, cut_digest(self.digest, width), f"{self.name}-w{width_name(on_grid(width))}", None)

    def frozen(self, style: FrozenStyle) -> Source:
        """The same with a style folded in."""
        name = f"{self.name}-{_plain(style.painting.stem)}"
        return Source(self.file, style.digest(self.digest), name, None)


def find_source(source: str | Path) -> Source:
    """Where the student of a run directory, a file or a shipped name is.

    Raises:
        UserError: there is none.
    """
    file = student_path(source)
    if not file.is_file():
        raise UserError(f"{file} is not a file")
    run = file.resolve().parent if file.name == STUDENT_FILE else None
    sheet = run / "sheets" / "final.png" if run is not None else None
    name = _plain(run.name if run is not None else file.stem) or "student"
    return Source(file, sha256_of(file), name, sheet if sheet is not None and sheet.is_file() else None)


def trained_on(origin: Source, trained: Trained) -> dict[str, Path] | None:
    """The folders that a run read its photos and paintings from, if it is a run and they are still there."""
    kinds = ("content", "style") if trained.student.sites else ("content",)
    places = {kind: trained.config.get(kind) for kind in kinds}
    if origin.file.name != STUDENT_FILE or not all(isinstance(p, str) and Path(p).is_dir() for p in places.values()):
        return None
    return {kind: Path(place) for kind, place in places.items()}


def library_of(origin: Source) -> StyleLibrary | None:
    """The style library of a student that ships; what was made of one has other codes."""
    path = SHIPPED_LIBRARIES / f"{origin.name}.json"
    own = origin.file.parent == SHIPPED_STUDENTS and origin.digest == sha256_of(origin.file)
    return StyleLibrary.load(path) if own and path.is_file() else None


def _plain(name: str) -> str:
    """What of a name may be in a bundle's name."""
    return NOT_IN_NAMES.sub("-", name).lstrip("._-")[:90]
