"""The work of ``brushlet style library``: paintings and captions become a style library."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import UserError
from runtime.image_files import list_pictures
from runtime.progress_bar import ProgressBar
from runtime.shipped import DEFAULT_MODEL
from runtime.styles.captions import Caption, read_captions, title_of
from runtime.styles.library import MAX_ENTRIES, Entry, StyleLibrary
from runtime.stylizer import Stylizer


def write_library(folder: Path, captions: Path | None, output: Path, model: str | None, as_json: bool) -> None:
    """Encode all paintings directly in a folder, and write their codes with their captions.

    A painting without a caption is found by its file's name; that is told.

    Raises:
        UserError: no paintings or too many, one that cannot be read, captions that are none, a student whose style is
            fixed, or a file that cannot be written.
    """
    if output.suffix.lower() != ".json":
        raise UserError(f"{output} must end in .json")
    said = {} if captions is None else read_captions(captions)
    pictures = list_pictures(folder, recursive=False)
    if not 1 <= len(pictures) <= MAX_ENTRIES:
        raise UserError(f"a library is made of 1 to {MAX_ENTRIES} pictures, and {folder} holds {len(pictures)}")
    with Stylizer.load(model or DEFAULT_MODEL) as stylizer:
        stylizer.require_choice()
        library = _encode(stylizer, pictures, said, shown=not as_json)
        name = stylizer.bundle.manifest.name
    library.save(output)
    _tell(sorted(path.stem for path in pictures if path.stem not in said), "no caption, and is found by its name")
    _tell(sorted(said.keys() - {path.stem for path in pictures}), f"a caption, but no picture in {folder}")
    if as_json:
        print(json.dumps({"output": str(output), "model": name, "paintings": len(library.entries)}, indent=1))
    else:
        print(f"{output}  {len(library.entries)} paintings, for {name}")


def _encode(stylizer: Stylizer, pictures: Sequence[Path], said: dict[str, Caption], shown: bool) -> StyleLibrary:
    entries = []
    with ProgressBar(len(pictures), shown, "encoding") as bar:
        for path in pictures:
            caption = said.get(path.stem, Caption(""))
            title = caption.title or title_of(path.stem)
            code = stylizer.style(path)
            entries.append(Entry(path.stem, title, caption.artist, caption.text, code))
            bar.advance()
    return StyleLibrary(stylizer.bundle.graph("style").sha256, tuple(entries))


def _tell(names: Sequence[str], problem: str) -> None:
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        print(f"note: {names[0]}{more} has {problem}", file=sys.stderr)
