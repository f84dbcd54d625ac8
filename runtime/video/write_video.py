"""Write a video file: painted frames with the times of the original, beside its other tracks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from runtime.errors import UserError
from runtime.video.encoders import FrameFormat, choose_encoder, configure, container_for
from runtime.video.other_tracks import OtherTrack, add_track
from runtime.video.pixels import from_rgb, range_of
from runtime.video.read_video import Frame, VideoReader


class VideoWriter:
    """A video that takes over the original's times, colours and other tracks; a context manager.

    `path` gets the file's contents as they come, so it is the temporary name; `name` is the one it will have.

    Args:
        path: where to write.
        name: the final name, whose suffix chooses the container.
        original: the reader; open for as long as packets come from it.
        codec: see `encoders.choose_encoder`.

    Attributes:
        encoder: what encodes, an `encoders.Encoder`.
        notes: what could not be kept, a line each.

    Raises:
        UserError: the suffix or the codec cannot be used, or ffmpeg refuses what is written. The same goes for all
            methods but `close`, and all may raise an OSError, when the disk is full, say.
    """

    def __init__(self, path: Path, name: Path, original: VideoReader, codec: str = "auto") -> None:
        import av

        self._original = original
        container = container_for(name)
        self.notes: list[str] = []
        self._format = FrameFormat(*self._even_size(), original.rate, original.time_base)
        self.encoder = choose_encoder(codec, name, self._format)
        self._name = name
        with self._refusals_told():
            self._container = av.open(f"file:{path.absolute()}", "w", format=container)
        try:
            with self._refusals_told():
                self._container.metadata.update(_kept(original.metadata))
                self._stream = self._add_video()
                self._tracks = {track.index: self._add_track(track) for track in original.tracks}
        except BaseException:
            self.close()
            raise
        self._last_pts: int | None = None

    @property
    def width(self) -> int:
        """Columns of the frames that are written."""
        return self._format.width

    @property
    def height(self) -> int:
        """Rows of the frames that are written."""
        return self._format.height

    @property
    def audio(self) -> str:
        """What became of the sound: "copied", "encoded again" or "none"."""
        ways = [track.way for track in self._tracks.values() if track is not None and track.type == "audio"]
        return ways[0] if ways else "none"

    def write(self, frame: Frame) -> None:
        """Add a frame; times that do not go forward are set right."""
        rgb = np.ascontiguousarray(frame.rgb[: self._format.height, : self._format.width])
        picture = from_rgb(rgb, self._original.colours, self.encoder.pixel_format)
        pts = frame.pts if self._last_pts is None else max(frame.pts, self._last_pts + 1)
        self._last_pts = pts
        picture.pts, picture.time_base = pts, self._original.time_base
        picture.duration = frame.duration
        with self._refusals_told():
            self._container.mux(self._stream.encode(picture))

    def copy(self, packet: Any) -> None:
        """Add a packet of another track of the original."""
        track = self._tracks.get(packet.stream.index)
        if track is not None:
            with self._refusals_told():
                self._container.mux(track.packets(packet))

    def finish(self) -> None:
        """Write what the encoders still hold, and the end of the file."""
        with self._refusals_told():
            self._container.mux(self._stream.encode(None))
            for track in self._tracks.values():
                if track is not None:
                    self._container.mux(track.rest())
            self._container.close()

    def close(self) -> None:
        """Close the file, finished or not; never raises."""
        with suppress(Exception):
            self._container.close()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _refusals_told(self) -> Iterator[None]:
        import av

        try:
            yield
        except OSError:
            raise
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"cannot write {self._name} with {self.encoder.name}: {error}") from error

    def _even_size(self) -> tuple[int, int]:
        """Encoders of 4:2:0 video take even sides only."""
        height, width = self._original.height, self._original.width
        if height < 2 or width < 2:
            raise UserError(f"the frames have {width}x{height} pixels: a video has at least 2x2")
        if height % 2 or width % 2:
            self.notes.append(f"{width}x{height} becomes {width // 2 * 2}x{height // 2 * 2}: encoders take even sides")
        return width // 2 * 2, height // 2 * 2

    def _add_video(self) -> Any:
        original = self._original
        stream = self._container.add_stream(self.encoder.name, rate=original.rate, options=self.encoder.options)
        stream.time_base = original.time_base
        context = stream.codec_context
        configure(context, self.encoder, self._format)
        context.sample_aspect_ratio = original.sample_aspect_ratio
        colours = original.colours
        context.colorspace, context.color_range = colours.colorspace, range_of(self.encoder.pixel_format)
        context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        if original.bits > 8:
            self.notes.append(f"{original.bits}-bit video is painted and written with 8 bits")
        return stream

    def _add_track(self, stream: Any) -> OtherTrack | None:
        track = add_track(self._container, stream, self._original.start)
        if track is None:
            self.notes.append(f"{self._container.format.name} cannot hold the {stream.type} track: it is left out")
        elif track.way != "copied":
            self.notes.append(f"{self._container.format.name} cannot hold {stream.codec_context.name}: {track.way}")
        return track


def _kept(metadata: dict[str, str]) -> dict[str, str]:
    """Without what describes the original's container rather than the recording."""
    dropped = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
    return {key: value for key, value in metadata.items() if key.lower() not in dropped}
