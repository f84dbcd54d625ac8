"""From whatever names a style - a code, a picture, a file, a name or words - to its code."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from runtime.bundle import Bundle
from runtime.errors import UserError
from runtime.image_files import Picture, PictureLike, as_picture, read_picture
from runtime.style_code import StyleCode
from runtime.styles.library import FoundStyle, StyleLibrary, are_words, library_for


class StyleReader:
    """Reads styles for one student.

    Args:
        encode: a style picture, uint8 (H, W, 3) -> its code, float32 (2, M).
        library: the file in which words are looked up; None takes the student's that ships, if there is one.
    """

    def __init__(
        self, bundle: Bundle, encode: Callable[[np.ndarray], np.ndarray], library: str | Path | None = None
    ) -> None:
        self._bundle, self._encode, self._library_path = bundle, encode, library

    def read(self, style: StyleCode | PictureLike) -> StyleCode:
        """See `Stylizer.style`."""
        if isinstance(style, StyleCode):
            return self.require_own(style)
        if isinstance(style, str):
            for held in self._bundle.manifest.styles:
                if style == held.name:
                    return self.require_own(StyleCode.load(self._bundle.path(held)))
            if are_words(style):
                return self.look_up(style).code
        if isinstance(style, (str, Path)):
            path = Path(style)
            if path.suffix.lower() == ".json":
                return self.require_own(StyleCode.load(path))
            return self._encoded(read_picture(path), path.stem)
        return self._encoded(as_picture(style), "style")

    def look_up(self, words: str) -> FoundStyle:
        """See `Stylizer.look_up`."""
        if self._library is None:
            names = [held.name for held in self._bundle.manifest.styles]
            listing = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            raise UserError(
                f"there is no file {words!r} and no style of that name in the bundle: it holds {listing or 'none'}. "
                "Words are looked up in a style library, and this student has none: "
                "'brushlet style library paintings/ -o library.json' makes one for --library"
            )
        found = self._library.find(words, self._bundle.manifest.name)
        self.require_own(found.code)
        return found

    def require_own(self, code: StyleCode) -> StyleCode:
        """The code, if it is one of this student's.

        Raises:
            UserError: it is another's.
        """
        manifest = self._bundle.manifest
        if code.student != manifest.name or code.values.shape[1] != manifest.student.channels:
            raise UserError(
                f"the style code {code.name!r} is for the student {code.student!r} ({code.values.shape[1]} channels), "
                f"not for {manifest.name!r} ({manifest.student.channels}): make it again from its picture"
            )
        return code

    @cached_property
    def _library(self) -> StyleLibrary | None:
        return library_for(self._bundle, self._library_path)

    def _encoded(self, picture: Picture, name: str) -> StyleCode:
        return StyleCode(self._encode(picture.on_white()), self._bundle.manifest.name, name)
