"""Sound and subtitles: copied packet by packet where the container allows it, sound else encoded again."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

_OPUS_RATE = 48000


class OtherTrack(Protocol):
    """A track of the output that takes an original's packets; `way` says how, `type` is "audio" or "subtitle"."""

    way: str
    type: str

    def packets(self, packet: Any) -> list[Any]:
        """What to write for a packet of the original."""
        ...

    def rest(self) -> list[Any]:
        """What is left to write at the end."""
        ...


def add_track(container: Any, original: Any, start: int) -> OtherTrack | None:
    """Add a track for an original's audio or subtitle stream to an output container; None if it can hold neither.

    Args:
        start: the original container's first time, in microseconds, which becomes 0.
    """
    import av

    refusals = (ValueError, av.FFmpegError, NotImplementedError)
    if original.codec_context is None:
        return None
    try:
        return CopiedTrack(container, original, start)
    except refusals:
        pass
    if original.type != "audio":
        return None
    try:
        return EncodedSound(container, original, start)
    except refusals:
        return None


class CopiedTrack:
    """A track whose packets are taken over as they are."""

    way = "copied"

    def __init__(self, container: Any, original: Any, start: int) -> None:
        self._stream = container.add_stream_from_template(original)
        self.type = original.type
        if original.metadata.get("language"):
            self._stream.metadata["language"] = original.metadata["language"]
        self._shift = round(Fraction(start, 10**6) / original.time_base)

    def packets(self, packet: Any) -> list[Any]:
        """The same packet, under the output's track."""
        packet.stream = self._stream
        packet.pts = None if packet.pts is None else packet.pts - self._shift
        packet.dts = None if packet.dts is None else packet.dts - self._shift
        return [packet]

    def rest(self) -> list[Any]:
        """Nothing: every packet was written."""
        return []


class EncodedSound:
    """A sound track in a codec that the container can hold."""

    way = "encoded again"
    type = "audio"

    def __init__(self, container: Any, original: Any, start: int) -> None:
        codec = container.default_audio_codec
        rate = _OPUS_RATE if "opus" in codec else original.rate
        self._stream = container.add_stream(codec, rate=rate, layout=original.layout)
        self._shift = round(Fraction(start, 10**6) * rate)
        self._rate = rate

    def packets(self, packet: Any) -> list[Any]:
        """The packet's sound in the other codec; a damaged one is left out."""
        return [coded for frame in self._frames(packet) for coded in self._stream.encode(frame)]

    def rest(self) -> list[Any]:
        """What the encoder still holds."""
        return list(self._stream.encode(None))

    def _frames(self, packet: Any) -> Iterator[Any]:
        import av

        try:
            frames = packet.decode()
        except (av.FFmpegError, EOFError):
            return
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(Fraction(self._shift, self._rate) / frame.time_base)
            yield frame
