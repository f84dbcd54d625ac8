"""A run, a student file or a student that ships becomes a bundle: graphs, named styles, manifest and card."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import nn

from distill.checkpoint import STUDENT_FILE, load_student, student_path
from export.bundle_folder import CARD_NAME, PICTURE_NAME, new_bundle_folder
from export.card import write_card_picture, write_text
from export.compact_weights import round_weights
from export.formats import FORMATS, find_format
from export.graphs import student_info
from export.parity import Parity, measure_rounding, require_finite
from runtime.bundle import Manifest, StyleFile, open_bundle, sha256_of
from runtime.errors import UserError
from runtime.image_files import list_pictures
from runtime.stylizer import Stylizer

__all__ = ["FORMATS", "Exported", "Source", "export_bundle", "find_source"]

#: Where bundles go when no place is named.
BUNDLES = Path("bundles")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_PACKAGES = ("brushlet", "torch", "onnx", "onnxslim", "onnxruntime")


@dataclass(frozen=True)
class Source:
    """Where a student is read from.

    Attributes:
        file: its safetensors.
        name: what a bundle of it is called by default.
        sheet: the run's last contact sheet, if there is one.
    """

    file: Path
    name: str
    sheet: Path | None


@dataclass(frozen=True)
class Exported:
    """A bundle that was written: its folder, what it says of itself, and the size of all its files in bytes."""

    directory: Path
    manifest: Manifest
    bytes: int


def export_bundle(
    source: str | Path,
    output: str | Path | None = None,
    *,
    name: str | None = None,
    format: str = "onnx",
    compact: bool = True,
    styles: str | Path | None = None,
    force: bool = False,
) -> Exported:
    """Write the bundle of a student, whole or not at all.

    Args:
        source: a run directory, a student file, or the name of a student that ships.
        output: the bundle's folder; ``bundles/<name>`` by default. See `require_replaceable` for one that exists.
        name: the bundle's name; the run's by default.
        compact: store weights as fp16. Those of a student in float32 are rounded first, and what that changes in
            its pictures is measured and recorded; computing is float32 in any case.
        styles: a folder whose pictures become named styles, called after the files.
        force: replace the bundle of another student.

    Raises:
        UserError: a bad source, name, format or folder; a parity gate that is missed; a disk that is full. Nothing
            is left behind, and a bundle that was there is untouched.
    """
    write_graphs = find_format(format)
    origin = find_source(source)
    name = _checked_name(name) if name is not None else origin.name
    pictures = _style_pictures(styles)
    trained = load_student(origin.file)
    require_finite(trained.student, origin.file)
    student, rounding = _rounded(trained.student) if compact else (trained.student, ())
    digest = sha256_of(origin.file)
    directory = Path(output) if output is not None else BUNDLES / name
    with new_bundle_folder(directory, digest, force) as folder:
        written = write_graphs(student, folder, compact)
        manifest = Manifest(
            name=name,
            student=student_info(student),
            graphs=written.graphs,
            provenance={**trained.provenance, "export": _provenance(digest, compact)},
            parity=tuple(parity.to_json() for parity in (*rounding, *written.parity)),
            quality=trained.quality,
        )
        manifest = _complete(folder, manifest, pictures, origin)
    return Exported(directory, manifest, sum(f.stat().st_size for f in directory.rglob("*") if f.is_file()))


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
    name = run.name if run is not None else file.stem
    plain = _NOT_IN_NAMES.sub("-", name).lstrip("._-")[:100]
    return Source(file, plain or "student", sheet if sheet is not None and sheet.is_file() else None)


def _checked_name(name: str) -> str:
    if not name or len(name) > 100 or _NOT_IN_NAMES.search(name) or name[0] in "._-":
        raise UserError(
            f"--name {name!r}: a bundle's name is letters, digits, '.', '_' and '-', and starts with a letter or digit"
        )
    return name


def _style_pictures(folder: str | Path | None) -> dict[str, Path]:
    """The pictures directly in ``folder`` by the names of their styles."""
    if folder is None:
        return {}
    found: dict[str, Path] = {}
    for path in list_pictures(folder, recursive=False):
        if path.stem in found:
            raise UserError(f"{found[path.stem]} and {path} would be the same style: rename one of them")
        if _NOT_IN_NAMES.search(path.stem):
            raise UserError(f"{path} cannot name a style: use letters, digits, '.', '_' and '-' in its name")
        found[path.stem] = path
    if not found:
        raise UserError(f"there are no pictures in {folder}")
    return found


def _rounded(student: nn.Module) -> tuple[nn.Module, tuple[Parity, ...]]:
    """The student with fp16 weights, and what that changed, if anything."""
    rounded = round_weights(student)
    before, after = student.state_dict(), rounded.state_dict()
    if all(before[key].equal(after[key]) for key in before):
        return student, ()
    return rounded, (measure_rounding(student, rounded),)


def _provenance(digest: str, compact: bool) -> dict[str, Any]:
    versions = {package: _installed(package) for package in _PACKAGES}
    return {"student_sha256": digest, "weights": "fp16" if compact else "fp32", "versions": versions}


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _complete(folder: Path, manifest: Manifest, pictures: dict[str, Path], origin: Source) -> Manifest:
    """Add styles, card and manifest to the graphs, then check the whole as any reader will."""
    manifest.write(folder)
    if pictures:
        manifest = replace(manifest, styles=_write_styles(folder, pictures))
        manifest.write(folder)
    picture = None
    if origin.sheet is not None and write_card_picture(origin.sheet, folder / PICTURE_NAME):
        picture = PICTURE_NAME
    write_text(folder / CARD_NAME, manifest, picture)
    return open_bundle(folder).manifest


def _write_styles(folder: Path, pictures: dict[str, Path]) -> tuple[StyleFile, ...]:
    (folder / "styles").mkdir()
    files = []
    with Stylizer.load(folder, threads=1) as stylizer:
        for name, picture in pictures.items():
            path = folder / "styles" / f"{name}.json"
            stylizer.style(picture).save(path)
            files.append(StyleFile(name, f"styles/{path.name}", sha256_of(path), path.stat().st_size))
    return tuple(files)
