"""What ``brushlet teachers`` prints: every teacher that is known, with what it needs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from distill.teachers import TEACHERS, Listing
from distill.teachers.listing import OWN
from distill.teachers.plug_ins import origin_of, plug_in_listing, plug_in_points
from runtime.errors import UserError


def print_teachers(as_json: bool) -> None:
    """All teachers by year, as text or as a JSON array of objects; on stderr, what is wrong with those from outside."""
    known, broken = everyone()
    for line in broken:
        print(f"warning: {line}", file=sys.stderr)
    if as_json:
        print(json.dumps([record(name, listing) for name, listing in known], indent=2))
        return
    for name, listing in known:
        year = f" ({listing.year})" if listing.year else ""
        origin = "" if listing.origin == OWN else f", from {listing.origin}"
        wanted = f", needs {needs(listing)}" if needs(listing) else ""
        print(f"{name}{year}{wanted}{origin}")
        print(f"    {listing.paper}")
        print(f"    weights: {listing.weights}")
        if listing.options:
            print(f"    options: {', '.join(listing.options)} (--teacher-option NAME=VALUE)")
        if listing.time:
            print(f"    time per picture: {listing.time}")
        print(f"    licence: {listing.licence}")
        if listing.trainer:
            print(f"    without weights it is trained from one painting: --style FILE, or brushlet teach-{name}")


def everyone() -> tuple[list[tuple[str, Listing]], list[str]]:
    """All teachers by year, and a line for each of another package that cannot be used."""
    known, broken = dict(TEACHERS), []
    for name, point in plug_in_points().items():
        if name in TEACHERS:
            broken.append(f"the teacher '{name}' of {origin_of(point)} is not used: brushlet has one of that name")
            continue
        try:
            known[name] = plug_in_listing(point)
        except UserError as error:
            broken.append(str(error))
    return sorted(known.items(), key=lambda entry: entry[1].year or 0), broken


def record(name: str, listing: Listing) -> dict[str, Any]:
    """A teacher as plain JSON data."""
    fields = asdict(listing)
    del fields["module"], fields["trainer"]
    return {"name": name, **fields, "needs_weights": not listing.ships}


def needs(listing: Listing) -> str:
    """What a user has to give beside photos."""
    wanted = {
        "weights": not listing.ships,
        "style picture": listing.takes_style,
        "label map": listing.takes_label_map,
    }
    return " and ".join(what for what, needed in wanted.items() if needed)
