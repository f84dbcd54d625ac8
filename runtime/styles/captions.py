"""What is said of paintings, in a TOML file: a table for each, called as its picture without the suffix.

[the_ninth_wave]
title = "The Ninth Wave"
artist = "Ivan Aivazovsky, 1850"
caption = "Stormy sea at sunrise, ..."
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import UserError
from runtime.json_fields import Fields

MAX_FILE_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Caption:
    """What a painting is called, who made it and when, and what it looks like; all but the title may be empty."""

    title: str
    artist: str = ""
    text: str = ""


def read_captions(path: Path) -> dict[str, Caption]:
    """Captions by the names of the pictures.

    Raises:
        UserError: the file is missing, too large, no TOML, or holds something else.
    """
    return {name: _read(table, f"{path}: [{name}]") for name, table in _read_toml(path).items()}


def title_of(name: str) -> str:
    """A title made of a file's name."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] or "untitled"


def _read(table: object, where: str) -> Caption:
    if not isinstance(table, dict):
        raise UserError(f"{where} must be a table with a caption")
    fields = Fields(table, where)
    title = fields.text("title", 200, optional=True)
    return Caption(title, fields.text("artist", 200, optional=True), fields.text("caption", 2000, optional=True))


def _read_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > MAX_FILE_BYTES:
        raise UserError(f"{path} is larger than {MAX_FILE_BYTES} bytes, which no file of captions is")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid TOML ({' '.join(str(error).split())[:200]})") from error
