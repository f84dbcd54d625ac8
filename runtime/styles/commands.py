"""The work of ``brushlet style``."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.atomic_write import write_atomically
from runtime.errors import UserError
from runtime.image_files import Picture, read_picture, write_format, write_picture
from runtime.shipped import DEFAULT_MODEL
from runtime.style_code import StyleCode
from runtime.style_options import mix_named, tell_words
from runtime.styles.library import Part
from runtime.styles.picture_grid import animation, grid
from runtime.stylizer import Stylizer

SIZES = (32, 2048)
MOST_STEPS = 120
MOST_STYLES = 400


def save_style(
    styles: tuple[str, ...], output: Path, name: str | None, model: str | None, library: Path | None, as_json: bool
) -> None:
    """Write the code of a style, or of a weighted mixture.

    Raises:
        UserError: a style that is not there, a student whose style is fixed, or a file that cannot be written.
    """
    if output.suffix.lower() != ".json":
        raise UserError(f"{output} must end in .json: that is how a saved style is told from a picture")
    with Stylizer.load(model or DEFAULT_MODEL, library=library) as stylizer:
        stylizer.require_choice()
        tell_words(stylizer, styles)
        mixture = mix_named(stylizer, styles)
    code = StyleCode(mixture.values, mixture.student, name or output.stem)
    code.save(output)
    if as_json:
        print(json.dumps({"output": str(output), "name": code.name, "model": code.student, "styles": styles}, indent=1))
    else:
        print(f"{output}  {code.name}, for {code.student}")


def paint_sheet(
    photo: Path,
    styles: tuple[str, ...],
    output: Path,
    columns: int | None,
    size: int,
    strength: float,
    model: str | None,
    as_json: bool,
) -> None:
    """Paint a photo in every style, side by side with the photo.

    Raises:
        UserError: an option outside its range, a bundle without styles, or what `Stylizer` raises.
    """
    write_format(output)
    if columns is not None and not 1 <= columns <= MOST_STYLES:
        raise UserError(f"--columns must be from 1 to {MOST_STYLES}, not {columns}")
    with Stylizer.load(model or DEFAULT_MODEL) as stylizer:
        stylizer.require_choice()
        tell_words(stylizer, styles)
        named = styles or stylizer.style_names
        if not 1 <= len(named) <= MOST_STYLES:
            raise UserError(f"a sheet shows 1 to {MOST_STYLES} styles, not {len(named)}: name some after the photo")
        content = _content(photo, size)
        codes = [stylizer.style(style) for style in named]
        pictures = [content.on_white(), *(stylizer(content.on_white(), code, strength) for code in codes)]
    across = math.ceil(math.sqrt(len(pictures))) if columns is None else columns
    write_picture(output, grid(pictures, ["the photo", *(code.name for code in codes)], across))
    _tell(output, [code.name for code in codes], as_json)


def paint_strip(
    first: str,
    last: str,
    photo: Path,
    output: Path,
    steps: int,
    size: int,
    strength: float,
    model: str | None,
    as_json: bool,
) -> None:
    """Paint a photo on the way from one style to another: side by side, or as a GIF there and back.

    Raises:
        UserError: an option outside its range, or what `Stylizer` raises.
    """
    moving = output.suffix.lower() == ".gif"
    if not moving:
        write_format(output)
    if not 2 <= steps <= MOST_STEPS:
        raise UserError(f"--steps must be from 2 to {MOST_STEPS}, not {steps}")
    with Stylizer.load(model or DEFAULT_MODEL) as stylizer:
        stylizer.require_choice()
        tell_words(stylizer, (first, last))
        ends = [stylizer.style(style) for style in (first, last)]
        content = _content(photo, size).on_white()
        parts = [step / (steps - 1) for step in range(steps)]
        pictures = [stylizer(content, StyleCode.mix(ends, [1 - part, part]), strength) for part in parts]
    names = [f"{part:.0%} {ends[1].name}" for part in parts]
    if moving:
        write_atomically(output, animation(pictures))
    else:
        write_picture(output, grid(pictures, names, steps))
    _tell(output, names, as_json)


def find_styles(words: str, count: int, model: str | None, library: Path | None, as_json: bool) -> None:
    """Print which paintings of the style library fit words, and how much of each ``--style`` would take.

    Raises:
        UserError: no painting fits, there is no library, or a count outside its range.
    """
    if not 1 <= count <= MOST_STYLES:
        raise UserError(f"--count must be from 1 to {MOST_STYLES}, not {count}")
    with Stylizer.load(model or DEFAULT_MODEL, library=library) as stylizer:
        stylizer.require_choice()
        found = stylizer.look_up(words)
    parts = [*found.parts, *found.further][:count]
    if as_json:
        rows = [_part_json(part) for part in parts]
        print(json.dumps({"words": words, "unknown": found.unknown, "paintings": rows}, indent=1, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for column in ("share", "painting", "fits"):
        table.add_column(column, overflow="fold")
    for part in parts:
        share = f"{part.weight:.0%}" if part.weight else ""
        table.add_row(share, escape(str(part.entry)), escape(" ".join(part.words)))
    Console().print(table)
    if found.unknown:
        print(f"no painting is described as {found.missing}", file=sys.stderr)


def _part_json(part: Part) -> dict[str, object]:
    entry = part.entry
    said = {"name": entry.name, "title": entry.title, "artist": entry.artist, "caption": entry.caption}
    return {**said, "share": round(part.weight, 4), "words": list(part.words)}


def _content(photo: Path, size: int) -> Picture:
    if not SIZES[0] <= size <= SIZES[1]:
        raise UserError(f"--size must be from {SIZES[0]} to {SIZES[1]} pixels, not {size}")
    return read_picture(photo, long_side=size)


def _tell(output: Path, names: Sequence[str], as_json: bool) -> None:
    print(json.dumps({"output": str(output), "pictures": list(names)}, indent=1) if as_json else str(output))
