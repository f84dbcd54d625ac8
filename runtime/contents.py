"""Which pictures a command is about, and where each one's result goes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import UserError
from runtime.image_files import keeps_alpha, list_pictures


@dataclass(frozen=True)
class Content:
    """A photo and the file its painting goes to.

    Attributes:
        makes_folder: the painting's folder is made if it is missing.
        skips: the photo is left out where its painting exists.
    """

    path: Path
    output: Path
    makes_folder: bool = False
    skips: bool = False


def find_contents(named: list[Path], output: Path | None, recursive: bool) -> list[Content]:
    """The photos that are named, and those in the folders that are.

    A photo's painting goes to `output`, or is called NAME-stylized.png in the folder `output` or in this one. The
    paintings of a folder's photos lie in `output` as the photos do in the folder; without it, in NAME-stylized.

    Raises:
        UserError: nothing is named, a folder is missing or holds no picture, `output` is no name for a picture, or two
            photos would be written to one file.
    """
    if not named:
        raise UserError("name a photo to stylize: brushlet stylize photo.jpg --style painting.jpg")
    folders = [path for path in named if path.is_dir()]
    photos = [path for path in named if path not in folders]
    together = bool(folders) or len(photos) > 1
    if together and output is not None and output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file: several pictures need a folder to go to")
    found = [content for folder in folders for content in _in_folder(folder, output, recursive)]
    if photos and not together and output is not None and not output.is_dir():
        keeps_alpha(output)  # raises for a suffix that cannot be written, before any work is done
        found.append(Content(photos[0], output))
    else:
        found += [Content(photo, (output or Path()) / _name(photo), makes_folder=together) for photo in photos]
    _refuse_twice(found)
    return found


def refuse_to_overwrite(inputs: list[Path], contents: list[Content]) -> None:
    """Pass if no file that is read would be written.

    Raises:
        UserError: one would be.
    """
    read = {key for path in (*inputs, *(content.path for content in contents)) if (key := _identity(path))}
    for content in contents:
        if _identity(content.output) in read:
            raise UserError(f"{content.output} is one of the inputs and would be overwritten: choose another with -o")


def _in_folder(folder: Path, output: Path | None, recursive: bool) -> list[Content]:
    target = folder.parent / f"{folder.resolve().name}-stylized" if output is None else output
    photos = [path for path in list_pictures(folder, recursive) if target.resolve() not in path.resolve().parents]
    if not photos:
        inner = "" if recursive else " (--recursive looks into its folders too)"
        raise UserError(f"there is no picture in {folder}{inner}")
    names = Counter(path.relative_to(folder).parent / _name(path) for path in photos)
    found = []
    for path in photos:
        place = path.relative_to(folder).parent
        twin = names[place / _name(path)] > 1  # a.jpg beside a.png
        name = f"{path.name}-stylized.png" if twin else _name(path)
        found.append(Content(path, target / place / name, makes_folder=True, skips=True))
    return found


def _name(photo: Path) -> str:
    return f"{photo.stem}-stylized.png"


def _refuse_twice(contents: list[Content]) -> None:
    written: dict[Path, Path] = {}
    for content in contents:
        twin = written.setdefault(content.output, content.path)
        if twin is not content.path:
            both = f"{twin} and {content.path} would both be written to {content.output}"
            raise UserError(f"{both}: stylize them one by one")


def _identity(path: Path) -> tuple[int, int] | None:
    """What file it is, through links; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
