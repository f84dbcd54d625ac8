"""What a teacher's entry in the list says."""

from __future__ import annotations

from dataclasses import dataclass

#: The origin of the teachers that this package brings.
OWN = "brushlet"


@dataclass(frozen=True)
class Listing:
    """What is known of a teacher before its weights are there.

    Attributes:
        module: where its ``load`` is, imported when the teacher is asked for.
        paper: who described it, its title and its number at arXiv.
        year: of the paper; None for a stylizer from outside.
        weights: the files it reads.
        licence: what they are subject to.
        takes_style: it paints in the style of a picture; otherwise its one style is part of its weights.
        takes_label_map: its content is a map of labels instead of a photo.
        ships: it can do without weights that a user has to give.
        time: what a picture typically takes, in words; empty for networks that paint in one pass.
        trainer: the module whose ``teacher_of`` trains it from one painting, where there are no weights.
        options: names of what else can be chosen with ``--teacher-option``: the keyword arguments of its ``load``,
            or of ``teacher_of``.
        origin: the package that brings it, with its version; filled in for packages from outside.
    """

    module: str
    paper: str
    year: int | None
    weights: str
    licence: str
    takes_style: bool = True
    takes_label_map: bool = False
    ships: bool = False
    time: str = ""
    trainer: str = ""
    options: tuple[str, ...] = ()
    origin: str = OWN
