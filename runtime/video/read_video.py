"""Read a video file: upright RGB frames with their times, and the packets of other tracks, in file order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from runtime.errors import UserError
from runtime.framing import fitted_size
from runtime.video.orientation import Orientation, orientation_of
from runtime.video.pixels import Colours, colours_of, to_rgb

#: 8K is 33 megapixels. A decoder keeps up to 17 frames, so this bounds its memory to about 1 GB.
MAX_FRAME_PIXELS = 40 * 10**6
# Formats that hold their pictures themselves: no playlists, which name other files and addresses.
_FORMATS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,flv,asf,ogg,mxf,dv,ivf,nut,av1,obu,rm"
_MISSING = 0.02  # a file may hold this part of its frames less than it says: edit lists leave some out


@dataclass(frozen=True)
class Frame:
    """A frame: `rgb` is uint8 (H, W, 3); `pts` and `duration` count the track's `time_base`; `seconds` is from 0."""

    rgb: np.ndarray
    pts: int
    duration: int
    seconds: float


class VideoReader:
    """A video file opened for reading; a context manager. Iterate for `Frame`s, and `av.Packet`s of `tracks`.

    Reading ends without an exception where the file does, though it be in the middle: `complete` tells afterwards.

    Args:
        path: the file.
        long_side: frames are scaled down to this, in pixels.
        hardware: decode on the GPU or media engine where there is one.
        max_pixels: larger frames are refused, whatever `long_side` says.

    Attributes:
        height, width: of the frames that come out.
        rate: frames per second on average, `Fraction`.
        time_base: seconds per tick of the frames' `pts`.
        frames: how many there should be; None where the file doesn't say.
        frames_read: how many have come out.
        tracks: PyAV's audio and subtitle streams.

    Raises:
        UserError: PyAV is not installed; no such file, not a video, no video track in it, or no frame that can be read.
    """

    def __init__(
        self,
        path: str | Path,
        long_side: int | None = None,
        hardware: bool = False,
        max_pixels: int = MAX_FRAME_PIXELS,
    ) -> None:
        self.path = Path(path)
        self._long_side, self._max_pixels = long_side, max_pixels
        self._damaged = False
        self.frames_read = 0
        self._container = _open(self.path, hardware)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        self._video = self._find_video()
        self._video.thread_type = "AUTO"
        self.tracks = [*self._container.streams.audio, *self._container.streams.subtitles]
        self.time_base = self._video.time_base or Fraction(1, 90000)
        self.rate = self._video.guessed_rate or self._video.average_rate or Fraction(25)
        self.frames = self._expected_frames()
        self.start = self._container.start_time or 0  # in microseconds; MPEG-TS starts anywhere
        self._items = self._decoded()
        self._packets_before, first = self._first_frame()
        self._first = first
        self.colours: Colours = colours_of(first, self._video.codec_context)
        self.bits = max(component.bits for component in first.format.components)
        self.orientation: Orientation = orientation_of(first)
        size = first.height, first.width
        if self._long_side is not None:
            size = fitted_size(*size, self._long_side)
        self._stored = size
        self.height, self.width = size[::-1] if self.orientation.sideways else size
        aspect = self._video.sample_aspect_ratio or Fraction(1)
        self.sample_aspect_ratio = 1 / aspect if aspect and self.orientation.sideways else aspect or Fraction(1)

    @property
    def metadata(self) -> dict[str, str]:
        """Title, date, place and the like, as the container holds them."""
        return dict(self._container.metadata)

    @property
    def complete(self) -> bool:
        """After reading: whether all came out that the file says it holds, undamaged."""
        return not self._damaged and self.frames_read >= (self.frames or 0) * (1 - _MISSING) - 2

    def __iter__(self) -> Iterator[Frame | Any]:
        import av

        yield from self._packets_before
        yield self._finished(self._first)
        for item in self._items:
            yield self._finished(item) if isinstance(item, av.VideoFrame) else item

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find_video(self) -> Any:
        from av.stream import Disposition

        pictures = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not pictures:
            raise UserError(f"{self.path} has no video track: there is nothing to paint")
        decoded = [stream for stream in pictures if stream.codec_context is not None]
        if not decoded:
            raise UserError(f"there is no decoder for the video track of {self.path}")
        video = max(decoded, key=lambda stream: (stream.width or 0) * (stream.height or 0))
        self._require_size(video.width, video.height)
        return video

    def _require_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            limit = f"{self._max_pixels / 1e6:.3g} million"
            raise UserError(f"cannot read {self.path}: its frames have {width}x{height} pixels, more than {limit}")

    def _expected_frames(self) -> int | None:
        if self._video.frames:
            return int(self._video.frames)
        seconds = None
        if self._video.duration:
            seconds = float(self._video.duration * self.time_base)
        elif "DURATION" in self._video.metadata:  # Matroska keeps each track's there
            seconds = _seconds(self._video.metadata["DURATION"])
        elif self._container.duration and not self.tracks:
            seconds = self._container.duration / 1e6
        return None if seconds is None else round(seconds * float(self.rate))

    def _decoded(self) -> Iterator[Any]:
        """PyAV's frames of the video track and packets of the other tracks, until the file ends in whatever way."""
        import av

        packets = iter(self._container.demux(self._video, *self.tracks))
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, EOFError):
                self._damaged = True
                packet = None
            if packet is None:
                return
            if packet.stream is not self._video:
                if packet.dts is not None:
                    yield packet
                continue
            self._damaged |= packet.is_corrupt
            try:
                frames = packet.decode()
            except (av.FFmpegError, EOFError):
                self._damaged = True
                continue
            yield from frames

    def _first_frame(self) -> tuple[list[Any], Any]:
        """The first frame, which tells colours and orientation, and the packets before it."""
        import av

        packets: list[Any] = []
        for item in self._items:
            if isinstance(item, av.VideoFrame):
                return packets, item
            packets.append(item)
        raise UserError(f"there is no frame in {self.path} that can be read: the file is damaged or incomplete")

    def _finished(self, frame: Any) -> Frame:
        self._require_size(frame.width, frame.height)  # a stream may change its size
        height, width = self._stored
        rgb = self.orientation.upright(to_rgb(frame, self.colours, width, height))
        base = frame.time_base or self.time_base
        ticks = frame.pts if frame.pts is not None else round(self.frames_read / self.rate / base)
        shift = round(Fraction(self.start, 10**6) / self.time_base)
        pts = round(ticks * base / self.time_base) - shift
        self.frames_read += 1
        return Frame(rgb, pts, int(getattr(frame, "duration", 0) or 0), float(pts * self.time_base))


def _open(path: Path, hardware: bool) -> Any:
    try:
        import av
    except ImportError as error:
        raise UserError(f"videos need PyAV ({error}): pip install 'brushlet[video]'") from error
    av.logging.set_level(av.logging.PANIC)  # errors reach the user as exceptions, not as log lines beside them
    if not path.exists():
        raise UserError(f"there is no file {path}")
    if not path.is_file():
        raise UserError(f"{path} is {'a folder' if path.is_dir() else 'not a plain file'}, not a video")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty (0 bytes)")
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    # "file:" keeps a name such as concat:x from being taken for a protocol.
    address = f"file:{path.absolute()}"
    if hardware:
        from av.codec.hwaccel import HWAccel, hwdevices_available

        for device in hwdevices_available():
            with suppress(av.FFmpegError, ValueError, RuntimeError, NotImplementedError):
                return av.open(address, options=options, hwaccel=HWAccel(device, allow_software_fallback=True))
    try:
        return av.open(address, options=options)
    except PermissionError as error:
        raise UserError(f"cannot read {path}: permission denied") from error
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        raise UserError(f"{path} is not a video that can be read, or it is damaged: {_reason(error)}") from error


def _seconds(clock: str) -> float | None:
    """Seconds of a "00:01:02.500000000"."""
    try:
        hours, minutes, seconds = (float(part) for part in clock.split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds


def _reason(error: BaseException) -> str:
    """What ffmpeg says, without its number before and the file's name behind."""
    return (getattr(error, "strerror", None) or str(error).splitlines()[0])[:200].lower()
