"""Picture files that are read, painted and written in strips, by libvips (pyvips, the extra "large").

Pillow holds a picture whole, twice while reading. libvips hands it out row by row where the format allows: PNG, TIFF
and JPEG do. Interlaced pictures (progressive JPEG) are decoded in memory and WebP is encoded there, both up to the size
that Pillow reads too; pictures that the camera has turned go over a temporary file.

What was painted goes to libvips through a pipe, as a PNG that is not compressed, and is encoded in a thread of its own.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from runtime.atomic_write import replacing
from runtime.errors import UserError
from runtime.image_files import MAX_PIXELS, has_pixels, write_format

#: Pictures from this size on are streamed where libvips is there: below, they fit into memory easily.
STREAM_PIXELS = 24 * 10**6
#: Bounds time and disk. A picture of this size takes hours.
MAX_STREAMED_PIXELS = 2**31
#: Pixels a side and in all that a format is written with; the sides are the formats' own limits.
_MOST_WRITTEN = {"WEBP": (16383, MAX_PIXELS), "JPEG": (65500, MAX_STREAMED_PIXELS)}
_STRIP_ROWS = 32
#: Loaders by the first bytes of a file. libvips has many more, which are not made for files from strangers.
_LOADERS = {b"\xff\xd8\xff": "jpegload", b"\x89PNG": "pngload", b"II*\0": "tiffload", b"MM\0*": "tiffload"}
_COLOURS = ("srgb", "b-w", "rgb16", "grey16")
_DAMAGED = "truncated"  # from this much damage on, a file is refused


class LargePicture:
    """A picture file that is read in strips, upright and in sRGB.

    Attributes:
        height, width: in pixels.
        alpha: whether it has transparency.
    """

    def __init__(self, path: Path, loader: str) -> None:
        self._vips = _import_vips()
        self._path, self._loader = path, loader
        image = self._open()
        self.height, self.width, self.alpha = image.height, image.width, image.hasalpha()

    def strips(self, size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
        """The picture from top to bottom, uint8 (n, W, 3) each, at another height and width if asked.

        Raises:
            UserError: the file is damaged.
        """
        image = self._resized(self.colours(), size or (self.height, self.width))
        with self._told():
            region = self._vips.Region.new(image)
        for top in range(0, image.height, _STRIP_ROWS):
            rows = min(_STRIP_ROWS, image.height - top)
            with self._told():
                pixels = region.fetch(0, top, image.width, rows)
            yield np.frombuffer(pixels, np.uint8).reshape(rows, image.width, 3)

    def reduced(self, long_side: int) -> np.ndarray:
        """The picture scaled down to a longer side of at least that, uint8 (h, w, 3), by averaging whole blocks."""
        block = max(1, max(self.height, self.width) // long_side)
        with self._told():
            small = self.colours().shrink(block, block)
            pixels = small.write_to_memory()
        return np.frombuffer(pixels, np.uint8).reshape(small.height, small.width, 3)

    def colours(self) -> Any:
        """The picture without its transparency, as a pyvips image."""
        image = self._open()
        return image[:3] if image.bands > 3 else image

    def transparency(self) -> Any:
        """Its transparency alone."""
        return self._open()[3]

    def with_detail(self, painted: Any, size: tuple[int, int]) -> Any:
        """`runtime.controls.with_detail` for pyvips images; `painted` has height and width `size`."""
        whole = self.height, self.width
        if size[0] >= whole[0]:
            return self._resized(painted, whole)
        coarse = self._resized(self._resized(self.colours(), size), whole)
        return (self._resized(painted, whole).cast("short") + self.colours() - coarse).cast("uchar")

    @staticmethod
    def _resized(image: Any, size: tuple[int, int]) -> Any:
        height, width = size
        if (image.height, image.width) == size:
            return image
        image = image.resize(width / image.width, vscale=height / image.height)
        return image.gravity("north-west", width, height, extend="copy")  # sizes are rounded

    def _open(self) -> Any:
        """The file from its beginning, upright, uint8 sRGB of 3 bands or 4."""
        load = getattr(self._vips.Image, self._loader)
        with self._told():
            image = load(str(self._path), access="sequential", fail_on=_DAMAGED)
            if image.get_typeof("orientation") and image.get("orientation") != 1:
                image = load(str(self._path), access="random", fail_on=_DAMAGED).autorot()
            if image.get_typeof("interlaced") and image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"cannot read {self._path}: it is interlaced (a progressive JPEG, say), so that all of its "
                    f"{image.width}x{image.height} pixels would have to be held: save it without interlacing"
                )
            if image.interpretation not in _COLOURS:
                raise NotStreamable(f"cannot read {self._path} in strips: it is a picture in {image.interpretation}")
            if image.get_typeof("icc-profile-data"):
                with contextlib.suppress(self._vips.Error):  # a damaged profile is ignored, as viewers do
                    image = image.icc_transform("srgb", embedded=True, intent="perceptual")
            if (image.interpretation, image.format) == ("srgb", "uchar"):
                return image  # each operation keeps rows of its own
            return image.colourspace("srgb").cast("uchar")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._vips.Error as error:
            raise UserError(
                f"cannot read {self._path}: the file is damaged or incomplete ({_reason(error)})"
            ) from error


def open_large(path: Path, size: int | None = None) -> LargePicture | None:
    """The picture if it is large enough to be streamed, and can be; None where it is Pillow's to read.

    Args:
        size: the longer side that is wanted; of pictures that fit into memory Pillow reads a smaller version well.

    Raises:
        UserError: it is of more pixels than anything here reads, or it is damaged.
    """
    least = STREAM_PIXELS if size is None else MAX_PIXELS + 1
    loader = _loader_of(path)
    if loader is None or not has_pixels(path, least):
        return None
    try:
        picture = LargePicture(path, loader)
    except NotStreamable:
        return None
    except ModuleNotFoundError as error:
        if not has_pixels(path, MAX_PIXELS + 1):
            return None
        hint = "scale it down, or read it in strips with pip install 'brushlet[large]'"
        raise UserError(f"cannot read {path}: it does not fit into memory ({hint})") from error
    if picture.height * picture.width > MAX_STREAMED_PIXELS:
        raise UserError(
            f"cannot read {path}: it has {picture.width}x{picture.height} pixels, more than is ever painted"
        )
    return picture


class NotStreamable(UserError):
    """A picture in colours that Pillow converts better."""


def _loader_of(path: Path) -> str | None:
    try:
        with open(path, "rb") as stream:
            start = stream.read(8)
    except (OSError, ValueError):  # `read_picture` says best what is wrong
        return None
    return next((loader for magic, loader in _LOADERS.items() if start.startswith(magic)), None)


def require_holds(path: Path, height: int, width: int) -> None:
    """Pass if the format of a file holds a picture of that size: to be asked before hours of painting.

    Raises:
        UserError: unknown suffix, or it does not.
    """
    kind = write_format(path)
    side, pixels = _MOST_WRITTEN.get(kind, (MAX_STREAMED_PIXELS, MAX_STREAMED_PIXELS))
    if max(height, width) > side or height * width > pixels:
        raise UserError(
            f"cannot write {path}: {kind} takes at most {side} pixels a side and {pixels / 1e6:.0f} million in all, "
            f"not {width}x{height}: write .png or .tiff"
        )


def write_strips(
    path: Path,
    size: tuple[int, int],
    strips: Iterator[np.ndarray],
    finish: Callable[[Any], Any] = lambda image: image,
    quality: int = 95,
) -> None:
    """Write a picture whose rows arrive in strips, whole or not at all; the format follows the suffix.

    Args:
        size: height and width.
        strips: uint8 (n, W, 3) each.
        finish: what is done with the pyvips image on its way to the file, such as joining transparency.

    Raises:
        UserError: unknown suffix, or the file cannot be written.
    """
    kind = write_format(path)
    with replacing(path) as temporary:
        save = _saver(kind, str(temporary), quality)
        with _StripEncoder(size, lambda image: save(finish(image)), path) as encoder:
            for strip in strips:
                encoder.write(strip)


class _StripEncoder:
    """Hands rows to libvips, which encodes them in another thread; leaving the block waits for the file's end."""

    def __init__(self, size: tuple[int, int], save: Callable[[Any], None], path: Path) -> None:
        self._vips = _import_vips()
        self._size, self._save, self._path = size, save, path
        self._error: Exception | None = None

    def __enter__(self) -> _StripEncoder:
        self._read_end, self._write_end = os.pipe()
        self._thread = threading.Thread(target=self._encode, name="encoder", daemon=True)
        self._thread.start()
        self._deflate = zlib.compressobj(0)
        height, width = self._size
        self._put(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        return self

    def write(self, rows: np.ndarray) -> None:
        """Add rows, uint8 (n, W, 3)."""
        for part in np.array_split(rows, -(-len(rows) // _STRIP_ROWS)):
            lines = np.zeros((len(part), 1 + part[0].size), np.uint8)  # a 0 before each row: no filter
            lines[:, 1:] = part.reshape(len(part), -1)
            self._chunk(b"IDAT", self._deflate.compress(lines.tobytes()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._chunk(b"IDAT", self._deflate.flush())
                self._chunk(b"IEND", b"")
        finally:
            os.close(self._write_end)  # without its end the picture is incomplete, and is not encoded further
            self._thread.join()
            os.close(self._read_end)
        if kind is None:
            self._raise()

    def _chunk(self, kind: bytes, data: bytes) -> None:
        self._put(struct.pack(">I", len(data)) + kind)
        self._put(data)
        self._put(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))

    def _put(self, data: bytes) -> None:
        self._raise()
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._write_end, rest) :]

    def _raise(self) -> None:
        if self._error is not None:
            raise UserError(f"cannot write {self._path}: {_reason(self._error)}") from self._error

    def _encode(self) -> None:
        try:
            source = self._vips.Source.new_from_descriptor(self._read_end)
            self._save(self._vips.Image.pngload_source(source, access="sequential", fail_on=_DAMAGED))
        except Exception as error:  # told by the thread that writes
            self._error = error
            while os.read(self._read_end, 2**16):  # lets it come to that
                pass


def _saver(kind: str, path: str, quality: int) -> Callable[[Any], None]:
    """What encodes a pyvips image into a file, with the settings of `runtime.image_files.write_picture`."""
    savers: dict[str, tuple[str, dict[str, Any]]] = {
        "PNG": ("pngsave", {"compression": 6}),
        "JPEG": ("jpegsave", {"Q": quality, "subsample_mode": "off" if quality >= 90 else "on", "background": 255}),
        "WEBP": ("webpsave", {"Q": quality}),
        "TIFF": ("tiffsave", {"compression": "lzw", "bigtiff": True}),
    }
    name, options = savers[kind]
    return lambda image: getattr(image, name)(path, **options)


def _import_vips() -> ModuleType:
    import pyvips

    pyvips.cache_set_max(0)  # it would keep files open and pixels in memory
    return pyvips


def _reason(error: Exception) -> str:
    """The last line that says something, without libvips' own names before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rpartition(": ")[2] if lines else type(error).__name__
