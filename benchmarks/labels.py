"""What to call each of several subjects, by what tells them apart, and numbers of threads and pictures at once."""

from __future__ import annotations

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
    """A text for each subject: its name, engine and precision, as far as bundles differ in them.

    Teachers and peers go by their names, which say what they are.
    """
    bundles = [subject for subject in subjects if subject.kind == "bundle"]
    shown = [name for name in ("engine", "precision") if len({getattr(each, name) for each in bundles}) > 1]
    if not shown or len({subject.name for subject in subjects}) > 1:
        shown.insert(0, "name")
    return [
        " ".join(getattr(subject, name) for name in shown) if subject.kind == "bundle" else subject.name
        for subject in subjects
    ]


def counted(threads: int, batch: int = 1) -> str:
    """ "1 thread", "2 threads", "2 threads, 4 pictures at once"."""
    text = "1 thread" if threads == 1 else f"{threads} threads"
    return text if batch == 1 else f"{text}, {batch} pictures at once"
