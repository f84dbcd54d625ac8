"""Tell a video file from a picture."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".vob"),
    *(".3gp", ".3g2", ".flv", ".wmv", ".asf", ".ogv", ".mxf"),
)
_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska and WebM
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG video
    b"FLV\x01",
    b"0&\xb2u\x8ef\xcf\x11",  # ASF, which WMV is
)
_PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heif", b"mif1", b"msf1")


def is_video(path: str | Path) -> bool:
    """Whether a file is a video, by its first bytes; by its suffix where they say nothing or there is no such file."""
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            start = stream.read(400)
    except (OSError, ValueError):  # whoever opens it says what is wrong
        start = b""
    if start[4:8] == b"ftyp":
        return start[8:12] not in _PICTURE_BRANDS
    if start.startswith(_STARTS) or (start.startswith(b"RIFF") and start[8:12] == b"AVI "):
        return True
    if start[:1] == b"G" and start[188:189] == b"G" and start[376:377] == b"G":  # MPEG transport stream
        return True
    return path.suffix.lower() in SUFFIXES
