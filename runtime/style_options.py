"""From --style, --mask and the like to what is painted where."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.errors import UserError
from runtime.image_files import read_picture
from runtime.regions import DEFAULT_FEATHER, MAX_MASK_SIDE, Regions
from runtime.segmentation import Segmenter
from runtime.style_code import StyleCode
from runtime.styles.library import are_words
from runtime.stylizer import Stylizer

#: A small version of the photo, uint8 (h, w, 3) -> its style.
StyleOf = Callable[[np.ndarray], StyleCode | Regions | None]


@dataclass(frozen=True)
class StyleOptions:
    """What was asked for.

    Attributes:
        styles: pictures, saved codes or names, each with ``:weight`` behind it if it is to be mixed.
        masks: grey pictures, one per style; a style more is the rest's.
        labels: a picture whose colours take the styles in their order.
        segment: an ONNX model that finds the subject, which takes the first style; a second one is the background's.
    """

    styles: tuple[str, ...] = ()
    masks: tuple[Path, ...] = ()
    labels: Path | None = None
    segment: Path | None = None
    feather: float = DEFAULT_FEATHER

    @property
    def files(self) -> list[Path]:
        """Files that are read, which must not be written."""
        named = [Path(split_weight(style)[0]) for style in self.styles] + [Path(style) for style in self.styles]
        return [*named, *self.masks, *filter(None, (self.labels, self.segment))]

    def resolve(self, stylizer: Stylizer) -> StyleOf:
        """The style of each photo; everything that can be is read once, here.

        Raises:
            UserError: a style or file that is not there, or numbers of styles and regions that do not fit.
        """
        ways = [name for name in ("masks", "labels", "segment") if getattr(self, name)]
        if len(ways) > 1:
            raise UserError("--mask, --labels and --segment are three ways to say the same: choose one")
        stylizer.require_fitting(self.styles[0] if self.styles else None, 1)
        if stylizer.student.fixed_style:
            if ways:
                name = stylizer.bundle.manifest.name
                raise UserError(f"{name} paints in one style, which is part of it: leave --mask and the like out")
            return lambda photo: None
        if not ways:
            mixture = mix_named(stylizer, self.styles)
            return lambda photo: mixture
        named = [split_weight(style, stylizer.style_names) for style in self.styles]
        codes = [stylizer.style(name) for name, _ in named]
        if any(weight is not None for _, weight in named):
            raise UserError(
                "a weight mixes styles of one region: leave it out, or leave out --mask, --labels, --segment"
            )
        if self.labels:
            regions = Regions.of_labels(_read(self.labels), codes, None, self.feather)
            return lambda photo: regions
        if self.segment:
            return self._by_subject(Segmenter(self.segment), codes)
        masks = [_grey(_read(mask)) for mask in self.masks]
        styles, rest = _with_rest(codes, len(masks), f"{len(masks)} masks")
        regions = Regions(masks, styles, rest, self.feather)
        return lambda photo: regions

    def _by_subject(self, segmenter: Segmenter, codes: list[StyleCode]) -> StyleOf:
        styles, rest = _with_rest(codes, 1, "subject and background")
        return lambda photo: Regions([segmenter.mask(photo)], styles, rest, self.feather)


def mix_named(stylizer: Stylizer, styles: Sequence[str]) -> StyleCode:
    """The weighted mean of styles as they are named on a command line; one without a weight counts 1.

    Raises:
        UserError: a style that is not there, or weights that make no mixture.
    """
    named = [split_weight(style, stylizer.style_names) for style in styles]
    codes = [stylizer.style(name) for name, _ in named]
    weights = [1.0 if weight is None else weight for _, weight in named]
    return (
        codes[0] if len(codes) == 1 else StyleCode.mix(codes, weights, " and ".join(code.name for code in codes)[:200])
    )


def tell_words(stylizer: Stylizer, styles: Sequence[str]) -> None:
    """Print on standard error what styles that are described in words are taken for.

    Raises:
        UserError: no painting fits them.
    """
    for style in styles:
        name, _ = split_weight(style, stylizer.style_names)
        if name not in stylizer.style_names and are_words(name):
            print(f"style {stylizer.look_up(name)}", file=sys.stderr)


def split_weight(text: str, names: tuple[str, ...] = ()) -> tuple[str, float | None]:
    """A style and its weight: ``a.jpg:0.7`` unless a file, or one of `names`, is called just that.

    Raises:
        UserError: a weight below 0, or not finite.
    """
    name, colon, number = text.rpartition(":")
    if not colon or not name or text in names or _is_there(text):
        return text, None
    try:
        weight = float(number)
    except ValueError:
        return text, None
    if not (math.isfinite(weight) and weight >= 0):
        raise UserError(f"the weight of the style {name!r} must be 0 or more, not {number}")
    return name, weight


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # a name too long or with a NUL in it
        return False


def _with_rest(codes: list[StyleCode], regions: int, what: str) -> tuple[list[StyleCode], StyleCode | None]:
    if len(codes) not in (regions, regions + 1):
        raise UserError(f"{what} take {regions} styles, or {regions + 1} with one for the rest, not {len(codes)}")
    return codes[:regions], codes[regions] if len(codes) > regions else None


def _read(path: Path) -> np.ndarray:
    """A mask as it looks on white paper, at a size that masks are held at."""
    return read_picture(path, long_side=MAX_MASK_SIDE).on_white()


def _grey(rgb: np.ndarray) -> np.ndarray:
    return np.rint(rgb.mean(axis=2)).astype(np.uint8)
