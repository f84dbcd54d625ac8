"""A camera through PyAV: the newest frame, upright and RGB, while older ones that nobody took are dropped.

Linux cameras are opened with Video4Linux2, those of a Mac with AVFoundation. Not yet seen on a real camera; a video
file in place of a camera is played at its own speed.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from runtime.errors import UserError
from runtime.framing import fitted_size
from runtime.video.pixels import colours_of, to_rgb
from runtime.video.read_video import Frame, VideoReader


class Camera:
    """Frames as they come, uint8 (H, W, 3); a context manager. Iterate for the newest frame each time.

    A slow taker gets fewer frames, not older ones; `dropped` counts those that nobody took. The iteration ends when the
    source does: a video file's end, or a camera that was unplugged, which `error` tells.
    """

    def __init__(self, frames: Iterator[np.ndarray]) -> None:
        self._frames = frames
        self._newest: np.ndarray | None = None
        self._ended = self._stopped = False
        self._changed = threading.Condition()
        self.error: Exception | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, name: str, long_side: int | None = None) -> Camera:
        """Open a camera by its number or device, or a video file in its place.

        Args:
            long_side: frames are scaled down to this, in pixels.

        Raises:
            UserError: PyAV is not installed, there is no such camera, or it cannot be opened.
        """
        path = Path(name)
        frames = _played(path, long_side) if path.is_file() else _captured(name, long_side)
        first = next(frames)  # opens it, in the caller's thread

        def all_of_them() -> Iterator[np.ndarray]:
            yield first
            yield from frames

        return cls(all_of_them())

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            with self._changed:
                while self._newest is None and not self._ended:
                    self._changed.wait()
                frame, self._newest = self._newest, None
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """Let the camera go."""
        self._stopped = True
        self._thread.join(timeout=5)  # a camera that hangs must not keep the program

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        try:
            for frame in self._frames:
                if self._stopped:
                    break
                with self._changed:
                    self.dropped += self._newest is not None
                    self._newest = frame
                    self._changed.notify_all()
        except Exception as error:
            self.error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()


def _played(path: Path, long_side: int | None) -> Iterator[np.ndarray]:
    """The frames of a video file at the speed at which they are meant to be seen."""
    with VideoReader(path, long_side) as reader:
        begun = None
        for item in reader:
            if isinstance(item, Frame):
                begun = time.monotonic() - item.seconds if begun is None else begun
                time.sleep(max(0.0, begun + item.seconds - time.monotonic()))
                yield item.rgb


def _captured(name: str, long_side: int | None) -> Iterator[np.ndarray]:
    try:
        import av
    except ImportError as error:
        raise UserError(f"cameras need PyAV ({error}): pip install 'brushlet[video]'") from error
    av.logging.set_level(av.logging.PANIC)
    address, kind = _device(name)
    try:
        container = av.open(address, format=kind, options={"framerate": "30"})
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"the camera {name} cannot be opened ({address}): {reason.lower()}") from error
    with container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            yield _rgb(frame, stream, long_side)


def _device(name: str) -> tuple[str, str]:
    """Where ffmpeg finds the camera, and through what.

    Raises:
        UserError: neither the number of a camera nor a device nor a video.
    """
    if sys.platform == "darwin":
        return name, "avfoundation"
    if name.isdecimal():
        return f"/dev/video{int(name)}", "v4l2"
    if name.startswith("/dev/"):
        return name, "v4l2"
    raise UserError(f"there is no camera {name!r}: give its number, such as 0, its device, or a video file")


def _rgb(frame: Any, stream: Any, long_side: int | None) -> np.ndarray:
    size = (frame.height, frame.width) if long_side is None else fitted_size(frame.height, frame.width, long_side)
    return to_rgb(frame, colours_of(frame, stream.codec_context), *size[::-1])
