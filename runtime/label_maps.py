"""Label maps: pictures that say what is where, each label in a colour of its own, or as numbers in a grey picture.

A student that paints from label maps has a palette in its manifest, and is fed the map drawn in that palette. Label
maps are never interpolated: halfway between two labels is no third one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from runtime.errors import UserError
from runtime.framing import fitted_size
from runtime.image_files import Picture, PictureLike, as_picture, read_picture
from runtime.json_fields import Fields

MAX_LABELS = 256
#: A pixel may miss its colour by this in each channel, as after JPEG. One that misses it by more, as on smoothed
#: edges, goes to the nearest label.
TOLERANCE = 15
#: Refused is a map of which this part is in such colours, or of which the second is and lies in flat patches.
_STRANGE, _FLAT_STRANGE = 0.1, 0.001
_BAND_PIXELS = 1 << 16
_COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Label:
    """One label: its name and its colour in label maps, as in ``#4aa3ff``."""

    name: str
    colour: str

    @classmethod
    def read(cls, fields: Fields) -> Label:
        """The label of a JSON object; raises the fields' error where it is none."""
        colour = fields.text("colour", 7)
        if not _COLOUR.fullmatch(colour):
            raise fields.fail("colour", "must look like #4aa3ff")
        return cls(fields.text("name", 60), colour)

    def __str__(self) -> str:
        return f"{self.name} {self.colour}"


class Palette:
    """Labels in the order of their numbers.

    Attributes:
        colours: uint8 (K, 3), row k of label k.

    Raises:
        UserError: no labels, more than `MAX_LABELS`, or two of one colour.
    """

    def __init__(self, labels: Iterable[Label]) -> None:
        self.labels = tuple(labels)
        if not 1 <= len(self.labels) <= MAX_LABELS:
            raise UserError(f"a palette has 1 to {MAX_LABELS} labels, not {len(self.labels)}")
        twice = [colour for colour, times in Counter(label.colour for label in self.labels).items() if times > 1]
        if twice:
            raise UserError(f"two labels of the palette have the colour {twice[0]}")
        self.colours = np.array([list(bytes.fromhex(label.colour[1:])) for label in self.labels], np.uint8)
        packed = _packed(self.colours)
        self._order = np.argsort(packed).astype(np.uint8)
        self._sorted = packed[self._order]

    @classmethod
    def of_number(cls, count: int) -> Palette:
        """Labels without names of their own, in the colours of the PASCAL VOC challenge's label maps.

        There bits 0, 3, 6 of a label's number are the highest of red, bits 1, 4, 7 of green, bits 2, 5 of blue.
        """
        bits = [
            [sum((number >> 3 * i + c & 1) << 7 - i for i in range(3)) for c in range(3)] for number in range(count)
        ]
        return cls(Label(f"label {number}", "#" + bytes(rgb).hex()) for number, rgb in enumerate(bits))

    def __len__(self) -> int:
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Palette) and self.labels == other.labels

    def __hash__(self) -> int:
        return hash(self.labels)

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.labels[:12]))
        return shown + (f" and {len(self) - 12} more" if len(self) > 12 else "")

    def to_json(self) -> list[dict[str, str]]:
        """What `palette_of` reads."""
        return [asdict(label) for label in self.labels]

    def draw(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers (H, W) of labels as the map's picture, uint8 (H, W, 3).

        Raises:
            UserError: a number that no label has.
        """
        highest = int(numbers.max(initial=0))
        if highest >= len(self):
            raise UserError(f"the label map holds the number {highest}, and there are labels 0 to {len(self) - 1}")
        return self.colours[numbers]

    def numbers(self, rgb: np.ndarray, strict: bool = True) -> np.ndarray:
        """The labels of a map's picture, uint8 (H, W, 3): their numbers, uint8 (H, W).

        Args:
            strict: refuse a picture that is not in the palette's colours; otherwise all goes to the nearest label.

        Raises:
            UserError: the picture holds other colours, beyond JPEG's noise and smoothed edges.
        """
        found, strange = np.empty(rgb.shape[:2], np.uint8), np.zeros(rgb.shape[:2], bool)
        rows = max(1, _BAND_PIXELS // rgb.shape[1])
        for top in range(0, len(rgb), rows):
            band = slice(top, top + rows)
            found[band], strange[band] = self._nearest(_packed(rgb[band]))
        if strict and strange.any():
            self._require_edges(rgb, strange)
        return found

    def _nearest(self, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest labels' numbers of packed colours, and whether they are far even so."""
        place = np.searchsorted(self._sorted, packed).clip(max=len(self) - 1)
        found, other = self._order[place], self._sorted[place] != packed
        far = np.zeros(packed.shape, bool)
        if other.any():
            colours, inverse = np.unique(packed[other], return_inverse=True)
            apart = np.abs(_unpacked(colours)[:, None] - self.colours.astype(np.int16))
            nearest = np.square(apart, dtype=np.int32).sum(2).argmin(1)
            found[other] = nearest[inverse]
            far[other] = (apart[np.arange(len(colours)), nearest].max(1) > TOLERANCE)[inverse]
        return found, far

    def _require_edges(self, rgb: np.ndarray, strange: np.ndarray) -> None:
        """Pass if pixels of ``strange`` colours are few, and no areas."""
        corner = rgb[:-1, :-1]
        flat = strange[:-1, :-1].copy()
        for beside in (rgb[1:, :-1], rgb[:-1, 1:], rgb[1:, 1:]):
            flat &= (corner == beside).all(2)
        if strange.mean() < _STRANGE and flat.sum() < _FLAT_STRANGE * strange.size:
            return
        colours, counts = np.unique(_packed(corner[flat] if flat.any() else rgb[strange]), return_counts=True)
        raise UserError(
            f"this is no label map in the palette: {100 * strange.mean():.3g} % of it are in other colours, "
            f"such as #{colours[counts.argmax()]:06x}. The labels are {self}"
        )


def palette_of(record: Mapping[str, Any]) -> Palette | None:
    """The palette in field ``labels`` of JSON data, such as a student's provenance; None where there is none.

    Raises:
        UserError: the field holds something else.
    """
    labels = Fields(dict(record), "palette").each("labels", MAX_LABELS, optional=True)
    return Palette(map(Label.read, labels)) if labels else None


def as_label_map(content: PictureLike, palette: Palette) -> Picture:
    """A label map drawn in the palette, whatever it comes as: a grey picture, or an array (H, W), holds numbers.

    Raises:
        UserError: it holds other colours or numbers than the palette's, or cannot be read.
        TypeError: it is no picture.
    """
    if isinstance(content, (str, Path)):
        return read_label_map(content, palette)
    if isinstance(content, Image.Image):
        numbered = content.mode == "L"
    else:
        numbered = isinstance(content, np.ndarray) and content.ndim == 2
    return _drawn(as_picture(content), palette, numbered)


def read_label_map(path: str | Path, palette: Palette, long_side: int | None = None) -> Picture:
    """The same for a file; ``long_side`` scales it down to that, label by label."""
    picture, mode = read_picture(path), _mode(path)
    if mode.startswith(("I", "F")):
        raise UserError(f"cannot read {path}: label numbers are read from grey pictures of 8 bits, this has more")
    try:
        drawn = _drawn(picture, palette, mode == "L")
    except UserError as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if long_side is None:
        return drawn
    return Picture(nearest(drawn.rgb, *fitted_size(drawn.height, drawn.width, long_side)))


def nearest(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 (H, W, 3) or (H, W) at another size, each pixel that of the old one below its centre."""
    if rgb.shape[:2] == (height, width):
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.NEAREST))


def _drawn(picture: Picture, palette: Palette, numbered: bool) -> Picture:
    numbers: np.ndarray = picture.rgb[..., 0] if numbered else palette.numbers(picture.rgb)
    return Picture(palette.draw(numbers), picture.alpha)


def _mode(path: str | Path) -> str:
    with Image.open(path) as image:
        return image.mode


def _packed(rgb: np.ndarray) -> np.ndarray:
    red, green, blue = (rgb[..., channel].astype(np.uint32) for channel in range(3))
    return red << 16 | green << 8 | blue


def _unpacked(colours: Sequence[int] | np.ndarray) -> np.ndarray:
    """(n,) -> int16 (n, 3)."""
    packed = np.asarray(colours, np.uint32)
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], 1).astype(np.int16)
