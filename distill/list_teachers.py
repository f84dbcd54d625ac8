"""What ``brushlet teachers`` prints: every teacher that is known, with what it needs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from distill.teachers import TEACHERS, Listing


def print_teachers(as_json: bool) -> None:
    """All teachers by year, as text or as a JSON array of objects."""
    known = sorted(TEACHERS.items(), key=lambda entry: entry[1].year or 0)
    if as_json:
        print(json.dumps([record(name, listing) for name, listing in known], indent=2))
        return
    for name, listing in known:
        year = f" ({listing.year})" if listing.year else ""
        print(f"{name}{year}, needs {needs(listing) or 'pictures before and after'}")
        print(f"    {listing.paper}")
        print(f"    weights: {listing.weights}")
        if listing.options:
            print(f"    options: {', '.join(listing.options)} (--teacher-option NAME=VALUE)")
        if listing.time:
            print(f"    time per picture: {listing.time}")
        print(f"    licence: {listing.licence}")


def record(name: str, listing: Listing) -> dict[str, Any]:
    """A teacher as plain JSON data."""
    fields = asdict(listing)
    del fields["module"]
    return {"name": name, **fields, "needs_weights": not listing.ships}


def needs(listing: Listing) -> str:
    """What a user has to give beside photos."""
    wanted = {
        "weights": not listing.ships,
        "style picture": listing.takes_style,
        "label map": listing.takes_label_map,
    }
    return " and ".join(what for what, needed in wanted.items() if needed)
