"""Which encoder writes a video, and how: by the file's suffix, by name, or what the hardware offers."""

from __future__ import annotations

from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from runtime.errors import UserError

#: The container for each suffix that can be written, in ffmpeg's words, and its encoders in order of preference.
CONTAINERS: dict[str, tuple[str, tuple[str, ...]]] = {
    ".mp4": ("mp4", ("libx264", "libopenh264", "mpeg4")),
    ".m4v": ("mp4", ("libx264", "libopenh264", "mpeg4")),
    ".mov": ("mov", ("libx264", "libopenh264", "mpeg4")),
    ".mkv": ("matroska", ("libx264", "libopenh264", "mpeg4")),
    ".ts": ("mpegts", ("libx264", "mpeg2video")),
    ".webm": ("webm", ("libvpx-vp9", "libvpx", "libsvtav1")),
}
#: H.264 in hardware: Apple, NVIDIA, Intel, AMD, and the video engines of Linux boards.
HARDWARE = ("h264_videotoolbox", "h264_nvenc", "h264_qsv", "h264_amf", "h264_v4l2m2m")
# Near the source's quality, at a speed that leaves the processor to the painter.
_OPTIONS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "20", "preset": "veryfast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"crf": "28", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
    "libvpx": {"crf": "10", "deadline": "realtime", "cpu-used": "6"},
    "libsvtav1": {"crf": "28", "preset": "10"},
}
_BITS_PER_PIXEL = 0.2  # for encoders without a constant quality
_MOST_BITS = 60_000_000


class FrameFormat(NamedTuple):
    """What an encoder is given: `rate` frames per second on average, with times in ticks of `time_base` seconds."""

    width: int
    height: int
    rate: Fraction
    time_base: Fraction


class Encoder(NamedTuple):
    """An encoder that was opened once to see that it works here."""

    name: str
    pixel_format: str
    bit_rate: int
    options: dict[str, str]
    hardware: bool = False


def container_for(path: Path) -> str:
    """ffmpeg's name of the container for a file name.

    Raises:
        UserError: a suffix that cannot be written.
    """
    if path.suffix.lower() not in CONTAINERS:
        raise UserError(f"cannot write {path}: the name of a video must end in {', '.join(CONTAINERS)}")
    return CONTAINERS[path.suffix.lower()][0]


def choose_encoder(codec: str, path: Path, frames: FrameFormat) -> Encoder:
    """The encoder for `codec`, tried out on this machine.

    Args:
        codec: "auto" for the container's usual one, "hardware" for the first that works, else one by ffmpeg's name.

    Raises:
        UserError: no such encoder, it does not work here, or not for this container.
    """
    usual = CONTAINERS[path.suffix.lower()][1]
    names = {"auto": usual, "hardware": HARDWARE}.get(codec, (codec,))
    refusals = []
    for name in names:
        try:
            return _tried(name, frames)
        except UserError as error:
            refusals.append(str(error))
    if codec == "hardware":
        raise UserError("no hardware encoder works here: leave out --codec hardware")
    raise UserError(refusals[0])


def _tried(name: str, frames: FrameFormat) -> Encoder:
    import av

    try:
        codec = av.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        near = get_close_matches(name, av.codecs_available, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else "libx264, libx265, libvpx-vp9 and libsvtav1 are usual ones"
        raise UserError(f"this PyAV has no encoder {name!r}: {hint}") from None
    if codec.type != "video":
        raise UserError(f"{name!r} is not an encoder of videos")
    formats = [found.name for found in codec.video_formats or ()]
    pixel_format = next((f for f in ("yuv420p", "nv12", "yuvj420p") if f in formats), formats[0] if formats else "")
    pixels_per_second = frames.width * frames.height * float(frames.rate)
    bit_rate = 0 if name in _OPTIONS else min(_MOST_BITS, max(500_000, int(_BITS_PER_PIXEL * pixels_per_second)))
    encoder = Encoder(name, pixel_format or "yuv420p", bit_rate, dict(_OPTIONS.get(name, {})), name in HARDWARE)
    context = av.CodecContext.create(codec, "w")
    context.options = encoder.options
    configure(context, encoder, frames)
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        size = f"{frames.width}x{frames.height}"
        raise UserError(f"the encoder {name} does not work here for {size} at {float(frames.rate):g} fps") from error
    return encoder


def configure(context: Any, encoder: Encoder, frames: FrameFormat) -> None:
    """Set an encoder's context to the frames it will get."""
    context.width, context.height, context.pix_fmt = frames.width, frames.height, encoder.pixel_format
    context.bit_rate = encoder.bit_rate
    context.time_base, context.framerate = frames.time_base, frames.rate
