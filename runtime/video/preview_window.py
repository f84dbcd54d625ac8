"""A window with the newest picture, through OpenCV."""

from __future__ import annotations

import os
import sys
from types import TracebackType

import numpy as np

_TITLE = "brushlet (q to stop)"
_STOP_KEYS = (ord("q"), 27)


def window_works() -> bool:
    """Whether OpenCV is installed and there is a screen to open a window on; asked before PyAV is imported.

    Both packages bring X11 libraries of the same names. With PyAV's in place, OpenCV waits for its window for ever; the
    other way round both work (seen with PyAV 18.1 and OpenCV 5.0 on Linux).
    """
    if "av" in sys.modules and "cv2" not in sys.modules:
        return False
    # OpenCV ends the process where it finds no screen, so it has to be known before.
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        import cv2

        cv2.namedWindow(_TITLE, cv2.WINDOW_AUTOSIZE)
    except (ImportError, AttributeError):
        return False
    except cv2.error:  # a build without windows
        return False
    cv2.destroyWindow(_TITLE)
    return True


class PreviewWindow:
    """Shows pictures until q, Escape or the window's own button; a context manager."""

    def __init__(self) -> None:
        self.closed = False
        self._shown = False

    def show(self, picture: np.ndarray) -> None:
        """Show a picture, uint8 (H, W, 3); `closed` tells whether the window was closed since."""
        import cv2

        if self._shown and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            self.closed = True
            return
        cv2.imshow(_TITLE, picture[:, :, ::-1])
        self._shown = True
        self.closed = cv2.waitKey(1) & 0xFF in _STOP_KEYS

    def __enter__(self) -> PreviewWindow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown and not self.closed:
            import cv2

            cv2.destroyWindow(_TITLE)
