"""Where a bundle goes: built in a folder beside its place and moved there whole; only bundles are ever replaced."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.bundle import MANIFEST_NAME, MAX_MANIFEST_BYTES, PACKAGE_SUFFIXES, BundleError, Manifest
from runtime.errors import UserError
from runtime.json_fields import read_json

CARD_NAME = "card.md"
PICTURE_NAME = "pictures/final.jpg"
REPORT_NAME = "report.html"


@contextmanager
def new_bundle_folder(target: Path, student_sha256: str, force: bool) -> Iterator[Path]:
    """A new, empty folder that becomes ``target`` when the block ends well and is removed when it does not.

    Raises:
        UserError: ``target`` may not be replaced (`require_replaceable`), or cannot be written.
    """
    target = _resolved(target)
    folder = _beside(target)
    try:
        require_replaceable(target, student_sha256, force)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        yield folder
        require_replaceable(target, student_sha256, force)
        _move(folder, target)
    except OSError as error:
        raise UserError(f"cannot write the bundle {target}: {error.strerror or error}") from error
    except UserError as error:  # may name a file in the temporary folder, which is gone when it is read
        raise UserError(str(error).replace(str(folder), str(target))) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_replaceable(target: Path, student_sha256: str, force: bool) -> None:
    """Pass if ``target`` is free, an empty folder, or a bundle that may be replaced.

    A bundle of the same student file may be; another student's with ``force``. A folder that holds anything else than
    a bundle's files may not, whatever ``force`` says.

    Raises:
        UserError: it may not.
    """
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir():
        raise UserError(f"{target} is a file: choose another place with -o")
    if Path.cwd().is_relative_to(target):
        raise UserError(f"{target} is the folder you are in: give the bundle a folder of its own with -o")
    if not any(target.iterdir()):
        return
    manifest = _manifest(target)
    strangers = _strangers(target, manifest)
    if strangers:
        raise UserError(f"{target} holds {strangers[0]}, which no export wrote: move it away, or choose another -o")
    if _student_of(manifest) != student_sha256 and not force:
        raise UserError(
            f"{target} holds another student's bundle ({manifest.name}): replace it with --force, or choose another -o"
        )


def _manifest(target: Path) -> Manifest:
    path = target / MANIFEST_NAME
    try:
        if not path.is_file():
            raise BundleError(f"it has no {MANIFEST_NAME}")
        return Manifest.from_json(read_json(path, MAX_MANIFEST_BYTES, BundleError))
    except BundleError as error:
        raise UserError(
            f"{target} is not empty and holds no readable bundle: it is left alone; choose another -o"
        ) from error


def _strangers(target: Path, manifest: Manifest) -> list[str]:
    """Everything in the folder that is not a file of its bundle."""
    files = {MANIFEST_NAME, CARD_NAME, PICTURE_NAME, REPORT_NAME}
    files |= {file.file for file in (*manifest.graphs, *manifest.styles)}
    folders = {parent.as_posix() for file in files for parent in Path(file).parents}
    packages = tuple(f"{file}/" for file in files if file.endswith(PACKAGE_SUFFIXES))
    found = []
    for place, inner, names in os.walk(target):  # a link to a folder is among `inner`, and is not entered
        for name in (*inner, *names):
            path = Path(place) / name
            is_folder = path.is_dir() and not path.is_symlink()
            relative = path.relative_to(target).as_posix()
            if relative not in (folders | files if is_folder else files) and not relative.startswith(packages):
                found.append(relative)
    return sorted(found)


def _student_of(manifest: Manifest) -> str | None:
    exported = manifest.provenance.get("export")
    return exported.get("student_sha256") if isinstance(exported, dict) else None


def _move(folder: Path, target: Path) -> None:
    """Rename ``folder`` to ``target``; if that fails, what was at ``target`` is there again."""
    old = None
    if target.exists():
        old = _beside(target)
        os.rename(target, old)
    try:
        os.rename(folder, target)
    except OSError:
        if old is not None:
            os.rename(old, target)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")


def _resolved(target: Path) -> Path:
    try:
        resolved = target.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in the name, a loop of links
        raise UserError(f"cannot write a bundle to {str(target)[:100]!r}: {error}") from error
    if not resolved.name:
        raise UserError(f"cannot write a bundle to {target}: give it a folder of its own with -o")
    return resolved
