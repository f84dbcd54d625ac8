"""What to call each of several subjects, by what tells them apart, and numbers of threads and pictures at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol


class Named(Protocol):
    """A subject of a record, or what is going to be one."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def engine(self) -> str: ...

    @property
    def precision(self) -> str: ...


def labels(subjects: Sequence[Named]) -> list[str]:
    """A text for each subject: its name, engine and precision, as far as bundles, and peers of several rows, differ.

    Teachers, and peers of one row, go by their names, which say what they are.
    """
    rows = Counter((subject.kind, subject.name) for subject in subjects)
    several = [each for each in subjects if each.kind == "bundle" or rows[each.kind, each.name] > 1]
    shown = [name for name in ("engine", "precision") if len({getattr(each, name) for each in several}) > 1]
    if not shown or len({subject.name for subject in subjects}) > 1:
        shown.insert(0, "name")
    return [
        " ".join(getattr(subject, name) for name in shown) if subject in several else subject.name
        for subject in subjects
    ]


def counted(threads: int, batch: int = 1) -> str:
    """ "1 thread", "2 threads", "2 threads, 4 pictures at once"."""
    text = "1 thread" if threads == 1 else f"{threads} threads"
    return text if batch == 1 else f"{text}, {batch} pictures at once"
