"""Strangers' text as one printable line; escaping it for HTML, Markdown or CSV is for whoever writes it."""

from __future__ import annotations

from typing import Any

MOST_CHARACTERS = 300


def plain(value: object, most: int = MOST_CHARACTERS) -> str:
    """At most ``most`` characters without line breaks, control, direction or surrogate ones; "" for what is no text.

    Numbers count as text, true and false do not.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    line = " ".join(str(value).split())
    line = "".join(character for character in line[: 4 * most] if character.isprintable())
    return line if len(line) <= most else line[: most - 1] + "…"


def inner(value: object, name: str) -> dict[str, Any]:
    """The JSON object in field ``name`` of a JSON object; an empty one where either is something else."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
