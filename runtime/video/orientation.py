"""Frames as the camera was held: the display matrix of a video, applied to pixels.

A phone stores a portrait video as landscape frames and a matrix. Frames are turned upright before they are painted, as
ffmpeg does, so that every container and every player shows the result the right way up.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

_MATRIX = struct.Struct("=9i")


class Orientation(NamedTuple):
    """Quarter turns counter-clockwise after an optional mirroring left to right."""

    turns: int = 0
    mirrored: bool = False

    def upright(self, frame: np.ndarray) -> np.ndarray:
        """The frame (H, W, ...) as it is meant to be seen; a contiguous array."""
        if self.mirrored:
            frame = frame[:, ::-1]
        return np.ascontiguousarray(np.rot90(frame, self.turns))

    @property
    def sideways(self) -> bool:
        """Whether height and width change places."""
        return self.turns % 2 == 1


def orientation_of(frame: Any) -> Orientation:
    """The orientation of an `av.VideoFrame`; upright where it says nothing."""
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)
    return Orientation() if data is None else orientation_from_matrix(bytes(data))


def orientation_from_matrix(data: bytes) -> Orientation:
    """The nearest of the eight orientations for a display matrix, nine int32 (libavutil/display.h).

    The first two rows map a stored pixel's (x, y), with y downwards, to where it is shown: ``(a x + c y, b x + d y)``.
    """
    if len(data) < _MATRIX.size:
        return Orientation()
    a, b, _, c, d, *_ = _MATRIX.unpack_from(data)
    mirrored = a * d - b * c < 0
    if mirrored:  # without the mirroring, which comes first and negates x
        a, b = -a, -b
    if abs(a) >= abs(b):
        return Orientation(0 if a >= 0 else 2, mirrored)
    return Orientation(3 if b > 0 else 1, mirrored)
