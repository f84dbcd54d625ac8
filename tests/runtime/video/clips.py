"""Tiny video files, made with PyAV, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

FULL, LIMITED = 2, 1
BT709 = 1


def drawn(frames: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """A block that walks over a gradient: smooth enough to come through a codec nearly as it was."""
    y, x = np.mgrid[:height, :width]
    shots = []
    for t in range(frames):
        shot = np.stack([60 + 2 * x, 40 + 3 * y, np.full_like(x, 120)], axis=2).clip(0, 255).astype(np.uint8)
        shot[8:24, 2 * t % (width - 16) : 2 * t % (width - 16) + 16] = (200, 60, 40)
        shots.append(shot)
    return shots


def make_clip(
    path: Path,
    frames: Sequence[np.ndarray] | None = None,
    *,
    rate: Fraction = Fraction(24),
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 24),
    sound: str | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    colorspace: int = 2,
    color_range: int = 0,
    rotation: float | None = None,
    title: str | None = None,
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video; `times` are the frames' in ticks of `time_base`, `sound` a codec of a tone beside it."""
    import av

    frames = drawn(12) if frames is None else frames
    with av.open(str(path), "w", format=container, options=options or {}) as out:
        if title:
            out.metadata["title"] = title
        stream = out.add_stream(codec, rate=rate, options={"crf": "4"} if codec == "libx264" else {})
        context = stream.codec_context
        context.height, context.width, context.pix_fmt = *frames[0].shape[:2], pixel_format
        context.time_base = stream.time_base = time_base
        context.colorspace, context.color_range = colorspace, color_range
        if rotation is not None:
            stream.set_display_rotation(rotation)
        track = out.add_stream(sound, rate=44100 if sound != "libopus" else 48000, layout="mono") if sound else None
        if track:
            for packet in _tone(track, len(frames) / float(rate)):
                out.mux(packet)
        for index, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
                format=pixel_format,
                src_color_range=FULL,
                dst_color_range=color_range or LIMITED,
                src_colorspace=colorspace if colorspace == BT709 else 5,
                dst_colorspace=colorspace if colorspace == BT709 else 5,
                interpolation=2 | 0x40000 | 0x2000,
            )
            frame.colorspace, frame.color_range = colorspace, color_range
            frame.pts, frame.time_base = (index if times is None else times[index]), time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def _tone(track: Any, seconds: float) -> list[Any]:
    import av

    rate = track.codec_context.sample_rate
    wave = np.sin(np.arange(int(rate * seconds)) * 2 * np.pi * 440 / rate).astype(np.float32)[None] * 0.3
    packets = []
    for start in range(0, wave.shape[1] - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[:, start : start + 1024]), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        packets += track.encode(frame)
    return packets + list(track.encode(None))


def packets_of(path: Path, kind: str) -> list[bytes]:
    """The contents of all packets of a track: equal where it was copied."""
    import av

    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.dts is not None]


def times_of(path: Path) -> list[float]:
    """The times of the frames, in seconds."""
    import av

    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


class Untouched:
    """A stylizer that paints nothing: what comes out differs by what reading and writing do."""

    class student:
        sites = ()
        thumbnail, size_multiple = 32, 4

    palette = None

    def __init__(self) -> None:
        self.painted = 0

    def begin(self, frame: np.ndarray) -> Callable[[object], np.ndarray]:
        return lambda affine: self.paint(frame)

    def paint(self, frame: np.ndarray) -> np.ndarray:
        self.painted += 1
        return frame
