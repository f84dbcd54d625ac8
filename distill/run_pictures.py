"""The pictures of a run: what it trains on, and what it is judged on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from distill.data import PictureSet, open_pictures
from distill.data.before_after import require_pairs
from distill.settings import Settings
from runtime.errors import UserError
from runtime.label_maps import Palette

#: Tells the person at the keyboard one line.
Say = Callable[[str], None]
#: Pictures are kept this much larger than the crops, so that a crop is a part of the scene, as at run time.
SHORT_SIDE_OVER_CROP = 1.6
#: Side of the squares that a student is judged on, in pixels.
EVALUATION_SIZE = 256


@dataclass(frozen=True)
class Pictures:
    """Training and held-back pictures of both kinds; no paintings for a teacher that has one style."""

    content: PictureSet
    style: PictureSet | None
    held_content: PictureSet
    held_style: PictureSet | None


def open_all(settings: Settings, say: Say, takes_style: bool = True, maps_in: Palette | None = None) -> Pictures:
    """Open training and held-back pictures; a source too small to hold any back is judged on what ships.

    The contents are label maps where ``maps_in`` is their palette.
    """
    short = round(settings.size * SHORT_SIDE_OVER_CROP)
    sets: dict[str, PictureSet | None] = dict.fromkeys(("style", "held_style"))
    for kind in ("content", "style") if takes_style else ("content",):
        source, palette = getattr(settings, kind), maps_in if kind == "content" else None
        train = open_pictures(source, kind, short, "train", palette)
        held, skipped = open_held_back(source, kind, palette)
        for path, reason in dict.fromkeys([*train.skipped, *skipped]):
            say(f"skipped {path}: {reason}")
        say(f"{kind}: {len(train)} pictures from {train.name}, judged on {len(held)} held back")
        sets[kind], sets[f"held_{kind}"] = train, held
    return Pictures(**sets)


def open_pairs(settings: Settings, say: Say) -> Pictures:
    """Pictures before and after, in the places of photos and paintings; too few to hold any back are judged on all."""
    short, sets = round(settings.size * SHORT_SIDE_OVER_CROP), {}
    for kind in ("content", "style"):
        source = getattr(settings, kind)
        sets[kind] = open_pictures(source, kind, short, "train")
        held = open_pictures(source, kind, EVALUATION_SIZE, "held-back")
        sets[f"held_{kind}"] = held or open_pictures(source, kind, EVALUATION_SIZE, "all")
    for part in ("", "held_"):
        require_pairs(sets[f"{part}content"].names, sets[f"{part}style"].names)
    say(f"pairs: {len(sets['content'])} from {settings.content}, judged on {len(sets['held_content'])}")
    return Pictures(**sets)


def open_held_back(
    source: str | None, kind: str, palette: Palette | None = None
) -> tuple[PictureSet, list[tuple[str, str]]]:
    """The pictures of a source that training never sees, or what ships where there are none; and what was skipped."""
    try:
        held = open_pictures(source, kind, EVALUATION_SIZE, "held-back", palette)
        skipped = held.skipped
    except UserError as error:  # none of the few can be read, which is no reason not to train
        held, skipped = (), [(f"what {source} holds back", str(error))]
    return held or open_pictures(None, kind, EVALUATION_SIZE, "held-back", palette), skipped
