"""Tell a cut from motion: small pictures of two frames differ everywhere, and in what colours they hold."""

from __future__ import annotations

import numpy as np

_LEVELS = 6  # per channel of the colour histogram
_LEAST_CHANGE = 0.06  # mean change of a pixel, of full scale
_LEAST_COLOUR_CHANGE = 0.3  # part of the pixels whose colour went elsewhere in the histogram


class SceneCuts:
    """Compares each frame with the one before."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._colours = np.zeros(0)

    def is_cut(self, small: np.ndarray) -> bool:
        """Whether a new scene begins with this frame; the first one and one of another size count.

        Args:
            small: uint8 (h, w, 3), the frame scaled down so far that noise and detail are gone.
        """
        colours = _histogram(small)
        before, colours_before = self._before, self._colours
        self._before, self._colours = small.astype(np.int16), colours
        if before is None or before.shape != small.shape:
            return True
        change = np.abs(self._before - before).mean() / 255
        colour_change = np.abs(colours - colours_before).sum() / 2
        return bool(change > _LEAST_CHANGE and colour_change > _LEAST_COLOUR_CHANGE)


def _histogram(small: np.ndarray) -> np.ndarray:
    bins = (small.astype(np.int32) * _LEVELS) >> 8
    index = (bins[:, :, 0] * _LEVELS + bins[:, :, 1]) * _LEVELS + bins[:, :, 2]
    return np.bincount(index.ravel(), minlength=_LEVELS**3) / index.size
