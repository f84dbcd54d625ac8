"""The pictures of the page: a row for each photo and style, a column for each graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.report.comparison import RAN, Painted, Shot, is_reference
from export.report.pictures import Photo, Style, as_data_uri, difference, without_border
from export.report.tables import label_of


@dataclass(frozen=True)
class Encoding:
    """How pictures are put into the page: longest side in pixels, and quality of JPEG, 1 to 100."""

    side: int
    quality: int

    def __call__(self, rgb: np.ndarray) -> str:
        return as_data_uri(rgb, self.side, self.quality)


#: Best first; the first with which the page is small enough is taken.
ENCODINGS = (Encoding(384, 88), Encoding(320, 85), Encoding(256, 80), Encoding(192, 70), Encoding(128, 60))


def gallery(
    painted: Sequence[Painted], photos: Sequence[Photo], styles: Sequence[Style], encode: Encoding
) -> list[dict[str, Any]]:
    """Rows for the page; none if no graph painted."""
    ran = [item for item in painted if item.status == RAN]
    pairs = [(photo, style) for photo in photos for style in styles]
    return [_row(index, photo, style, ran, encode) for index, (photo, style) in enumerate(pairs) if ran]


def _row(index: int, photo: Photo, style: Style, ran: Sequence[Painted], encode: Encoding) -> dict[str, Any]:
    reference = next((item.shots[index] for item in ran if is_reference(item.graph)), None)
    originals = [{"label": "photo", "picture": encode(without_border(photo.rgb))}]
    if style.rgb is not None:
        originals.append({"label": "style", "picture": encode(style.rgb)})
    return {
        "title": f"{photo.name} in the style {style.name}" if style.code is not None else photo.name,
        "reference": encode(reference.rgb) if reference is not None else "",
        "originals": originals,
        "shots": [_shown(item, item.shots[index], reference, encode) for item in ran],
    }


def _shown(item: Painted, shot: Shot, reference: Shot | None, encode: Encoding) -> dict[str, str]:
    compared = reference is not None and shot is not reference
    return {
        "label": label_of(item.graph),
        "note": f"{shot.psnr:.1f} dB" if shot.psnr is not None else "the reference" if reference is shot else "",
        "picture": encode(shot.rgb),
        "change": encode(difference(shot.rgb, reference.rgb)) if compared else "",
    }
