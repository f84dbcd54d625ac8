"""A style library: codes of many paintings with captions, in which styles are found by words.

It keeps codes and captions, not pictures. What is found is mixed; nothing is generated from the words themselves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from runtime.atomic_write import write_atomically
from runtime.bundle import Bundle
from runtime.errors import UserError
from runtime.json_fields import Fields, read_json
from runtime.style_code import StyleCode, read_rows
from runtime.styles.word_search import Hit, WordSearch

SCHEMA = 1
MAX_FILE_BYTES = 64 * 2**20
MAX_ENTRIES = 10_000
#: Libraries that ship, one for each style encoder that ships.
SHIPPED = Path(__file__).parent / "libraries"
#: As many paintings are mixed, if they fit at least this well beside the best: more would blur what each is.
MOST_MIXED, LEAST_FIT = 3, 0.6
#: Digits that are kept of a code's numbers: far finer than one level of a picture.
_DIGITS = 5


@dataclass(frozen=True, eq=False)
class Entry:
    """A painting: what is said of it, and its style code."""

    name: str
    title: str
    artist: str
    caption: str
    code: StyleCode

    def __str__(self) -> str:
        return f"{self.title} ({self.artist})" if self.artist else self.title


@dataclass(frozen=True, eq=False)
class Part:
    """A painting in a mixture: its weight, all weights having the sum 1, and which of the words it fits."""

    entry: Entry
    weight: float
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FoundStyle:
    """What words were understood as.

    Attributes:
        text: the words.
        code: the mixture.
        parts: what is mixed, the most first.
        further: what fits less well and is not mixed: weight 0.
        unknown: words that no painting is described with; behind each the nearest one that is, or "".
    """

    text: str
    code: StyleCode
    parts: tuple[Part, ...]
    further: tuple[Part, ...]
    unknown: dict[str, str]

    def __str__(self) -> str:
        mixed = ", ".join(f"{part.weight:.0%} {part.entry}, for {' '.join(part.words)}" for part in self.parts)
        return f"{self.text!r} is {mixed}" + (f"; no painting is described as {self.missing}" if self.unknown else "")

    @property
    def missing(self) -> str:
        """The unknown words for a sentence."""
        return ", ".join(f"{word!r}" + (f" (nearest: {near!r})" if near else "") for word, near in self.unknown.items())


@dataclass(frozen=True, eq=False)
class StyleLibrary:
    """Paintings whose codes come from one style encoder.

    Attributes:
        encoder: SHA-256 of the style graph (ONNX, fp32) that made the codes, which only its student understands.
        entries: the paintings.
    """

    encoder: str
    entries: tuple[Entry, ...]

    @classmethod
    def load(cls, path: str | Path) -> StyleLibrary:
        """Read a library file.

        Raises:
            UserError: the file is missing, too large, not JSON, of another schema, or holds something else.
        """
        path = Path(path)
        fields = Fields(read_json(path, MAX_FILE_BYTES), str(path))
        schema = fields.integer("schema", 1, 10**6)
        if schema != SCHEMA:
            raise UserError(f"{path} has schema {schema}, not {SCHEMA}: update brushlet or make the library again")
        student = fields.text("student", 100)
        entries = tuple(_read_entry(item, student) for item in fields.each("entries", MAX_ENTRIES))
        if len({entry.code.values.shape for entry in entries}) != 1:
            raise fields.fail("entries", "must be codes of one length, and one at least")
        return cls(fields.text("encoder", 64), entries)

    def save(self, path: str | Path) -> None:
        """Write the library file, whole or not at all; each painting is a line.

        Raises:
            UserError: the file cannot be written.
        """
        head = f'{{"schema": {SCHEMA}, "student": {json.dumps(self.entries[0].code.student)}, '
        head += f'"encoder": {json.dumps(self.encoder)}, "entries": [\n'
        lines = (json.dumps(_entry_json(entry), ensure_ascii=False, allow_nan=False) for entry in self.entries)
        write_atomically(path, (head + ",\n".join(lines) + "\n]}\n").encode())

    def find(self, text: str, student: str) -> FoundStyle:
        """Mix the codes of the paintings that fit the words best, each as much as it fits.

        Args:
            student: whose codes they are, by the bundle's name.

        Raises:
            UserError: no painting fits any word.
        """
        found = self._search.find(text)
        if not found.hits:
            near = " ".join(found.unknown[word] or word for word in found.unknown)
            hint = (
                f"did you mean {near!r}?" if any(found.unknown.values()) else "try sea, night, gold, dots or portrait"
            )
            raise UserError(f"{text!r} is no file, no style's name, and like no painting in the style library: {hint}")
        best = [hit for hit in found.hits[:MOST_MIXED] if hit.score >= LEAST_FIT * found.hits[0].score]
        total = sum(hit.score for hit in best)
        parts = tuple(self._part(hit, hit.score / total) for hit in best)
        further = tuple(self._part(hit, 0.0) for hit in found.hits[len(best) :])
        mixture = StyleCode.mix([part.entry.code for part in parts], [part.weight for part in parts])
        return FoundStyle(text, StyleCode(mixture.values, student, _plain(text)), parts, further, found.unknown)

    def _part(self, hit: Hit, weight: float) -> Part:
        return Part(self.entries[hit.index], weight, hit.words)

    @cached_property
    def _search(self) -> WordSearch:
        return WordSearch([f"{entry.title} {entry.artist} {entry.caption}" for entry in self.entries])


def library_for(bundle: Bundle, path: str | Path | None = None) -> StyleLibrary | None:
    """The library of a bundle's student: the file at `path`, else the one that ships; None where none does.

    Raises:
        UserError: the file cannot be read, or is another student's.
    """
    encoder = bundle.graph("style").sha256
    if path is not None:
        library = StyleLibrary.load(path)
        if library.encoder != encoder:
            student = library.entries[0].code.student
            raise UserError(
                f"{path} was made with the style encoder of {student}, not with this {bundle.manifest.name}'s: "
                "make it again with 'brushlet style library'"
            )
        return library
    shipped = (StyleLibrary.load(file) for file in sorted(SHIPPED.glob("*.json")))
    return next((library for library in shipped if library.encoder == encoder), None)


def are_words(text: str) -> bool:
    """Whether a style is described rather than named as a file: no folder, no suffix, and no file is called so."""
    suffix = Path(text).suffix
    if "/" in text or "\\" in text or (suffix and " " not in suffix):
        return False
    try:
        return not Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return True


def _read_entry(fields: Fields, student: str) -> Entry:
    rows, name = read_rows(fields), fields.text("name", 200)
    try:
        code = StyleCode(np.array(rows, dtype=np.float64), student, name)
    except (OverflowError, UserError) as error:
        raise fields.fail("code", f"is not a style code: {error}") from error
    artist, caption = (fields.text(field, 2000, optional=True) for field in ("artist", "caption"))
    return Entry(name, fields.text("title", 200), artist, caption, code)


def _entry_json(entry: Entry) -> dict[str, object]:
    said = {"name": entry.name, "title": entry.title, "artist": entry.artist, "caption": entry.caption}
    return {**said, "code": [[float(f"{x:.{_DIGITS}g}") for x in row] for row in entry.code.values.tolist()]}


def _plain(text: str) -> str:
    """The words as a style's name: printable, on one line, not too long."""
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip() or "words"
