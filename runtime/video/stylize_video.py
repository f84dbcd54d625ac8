"""A video file becomes a painted video file: read, painted and written at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.atomic_write import replacing
from runtime.errors import UserError
from runtime.style_code import StyleCode
from runtime.video.frame_stylizer import FrameStylizer, StyleOverTime
from runtime.video.overlap import overlap
from runtime.video.read_video import Frame, VideoReader
from runtime.video.steadiness import Steadiness
from runtime.video.write_video import VideoWriter

if TYPE_CHECKING:
    from runtime.stylizer import Stylizer

#: Called after every painted frame with how many are done, how many there are (None: unknown), and the painter.
Progress = Callable[[int, "int | None", FrameStylizer], None]


@dataclass(frozen=True)
class VideoSummary:
    """What was written.

    Attributes:
        frames: painted and written.
        expected_frames: how many the original says it has; None if it doesn't.
        complete: whether the original was read whole.
        painting_fps: frames per second of the painting alone, with measuring and steadying.
        fps: frames per second from file to file.
        seconds: from file to file.
        cuts: scenes after the first.
        audio: "copied", "encoded again" or "none".
        encoder: ffmpeg's name of it.
        notes: what could not be kept, a line each.
    """

    content: str
    output: str
    width: int
    height: int
    frames: int
    expected_frames: int | None
    complete: bool
    painting_fps: float
    fps: float
    seconds: float
    cuts: int
    audio: str
    encoder: str
    notes: tuple[str, ...]


class VideoInterrupted(KeyboardInterrupt):
    """Ctrl-C came; what was painted before is a video that plays, and `summary` says what is in it."""

    def __init__(self, summary: VideoSummary) -> None:
        super().__init__()
        self.summary = summary


def stylize_video(
    stylizer: Stylizer,
    content: str | Path,
    style: StyleCode | None,
    output: str | Path,
    strength: float = 1.0,
    *,
    style_to: StyleCode | None = None,
    long_side: int | None = None,
    steadiness: Steadiness | None = None,
    codec: str = "auto",
    progress: Progress | None = None,
) -> VideoSummary:
    """Paint a video into `output`, whole or not at all; a video that ends too early is painted as far as it goes.

    Args:
        style_to: the style at the end; from `style` to this one it changes evenly.
        long_side: frames are scaled down to this, in pixels.
        codec: see `encoders.choose_encoder`; "hardware" also decodes there.

    Raises:
        UserError: a video that cannot be read, an output that cannot be written, a codec that does not work here.
        VideoInterrupted: Ctrl-C after the first frame. `output` holds the frames until then. A second Ctrl-C while they
            are written ends in a plain KeyboardInterrupt, and `output` is as it was.
    """
    output, begun = Path(output), time.perf_counter()
    with VideoReader(content, long_side, hardware=codec == "hardware") as reader:
        painter = FrameStylizer(stylizer, _over_time(style, style_to, reader), strength, steadiness)
        with replacing(output) as temporary, VideoWriter(temporary, output, reader, codec) as writer:
            done = _Painted(painter, writer, reader.frames, progress)
            interrupted = False
            try:
                overlap(reader, done.paint, done.write)
            except KeyboardInterrupt:
                if not done.written:
                    raise
                interrupted = True
            writer.finish()
        seconds = time.perf_counter() - begun
        summary = VideoSummary(
            content=str(content),
            output=str(output),
            width=writer.width,
            height=writer.height,
            frames=done.written,
            expected_frames=reader.frames,
            complete=reader.complete and not interrupted,
            painting_fps=round(done.painted / max(painter.painting_seconds, 1e-9), 2),
            fps=round(done.written / seconds, 2),
            seconds=round(seconds, 3),
            cuts=max(painter.cuts, 0),
            audio=writer.audio,
            encoder=writer.encoder.name,
            notes=tuple(writer.notes),
        )
    if interrupted:
        raise VideoInterrupted(summary)
    return summary


class _Painted:
    """The work between reading and writing, and how far it has come."""

    def __init__(
        self, painter: FrameStylizer, writer: VideoWriter, expected: int | None, progress: Progress | None
    ) -> None:
        self._painter, self._writer, self._expected, self._progress = painter, writer, expected, progress
        self.painted = self.written = 0

    def paint(self, item: Any) -> Any:
        """A frame painted; a packet of another track as it is."""
        if not isinstance(item, Frame):
            return item
        painted = replace(item, rgb=self._painter(item.rgb, item.seconds))
        self.painted += 1
        if self._progress is not None:
            self._progress(self.painted, self._expected, self._painter)
        return painted

    def write(self, item: Any) -> None:
        """A frame or packet into the file."""
        if isinstance(item, Frame):
            self._writer.write(item)
            self.written += 1
        else:
            self._writer.copy(item)


def _over_time(style: StyleCode | None, style_to: StyleCode | None, reader: VideoReader) -> StyleOverTime:
    if style is None or style_to is None:
        return style
    if not reader.frames:
        raise UserError(f"{reader.path} does not say how long it is, so the style cannot change over its length")
    length = max(reader.frames - 1, 1) / float(reader.rate)

    def mixture(seconds: float) -> StyleCode:
        share = min(max(seconds / length, 0.0), 1.0)
        return StyleCode.mix([style, style_to], [1 - share, share])

    return mixture
