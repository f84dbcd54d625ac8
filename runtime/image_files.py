"""Picture files in and out: every common kind becomes 8-bit sRGB, and is written whole or not at all."""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from runtime.atomic_write import write_atomically
from runtime.colour import to_srgb_8_bit
from runtime.errors import UserError
from runtime.framing import fitted_size, resize

# Bounds the memory that reading takes: 128 Mpx are 384 MB as RGB. The largest phone sensors in use give 108 Mpx.
MAX_PIXELS = 128 * 2**20

# Only formats that Pillow decodes itself: no EPS (starts Ghostscript), no WMF, no vendor stubs.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "TGA", "QOI")
_READ_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff"),
    *(".bmp", ".gif", ".ppm", ".pgm", ".pnm", ".jp2", ".avif", ".tga", ".qoi"),
)
_WRITE_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}


@dataclass(frozen=True)
class Picture:
    """A picture: `rgb` is uint8 (H, W, 3) in sRGB, `alpha` is uint8 (H, W), 255 opaque, or None if all is opaque."""

    rgb: np.ndarray
    alpha: np.ndarray | None = None

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return self.rgb.shape[0]

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return self.rgb.shape[1]

    def on_white(self) -> np.ndarray:
        """uint8 (H, W, 3): the picture as it looks on white paper."""
        if self.alpha is None:
            return self.rgb
        alpha = self.alpha[:, :, None].astype(np.uint32)
        return ((self.rgb * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)

    def resized(self, height: int, width: int) -> Picture:
        """The picture at another size (LANCZOS)."""
        alpha = None if self.alpha is None else resize(self.alpha, height, width)
        return Picture(resize(self.rgb, height, width), alpha)

    def scaled_down(self, long_side: int) -> Picture:
        """The picture with its long side at most `long_side` pixels; a smaller one stays as it is."""
        return self.resized(*fitted_size(self.height, self.width, long_side))


PictureLike = Picture | np.ndarray | Image.Image | str | Path


def as_picture(content: PictureLike) -> Picture:
    """Any of the accepted forms of a picture as a `Picture`.

    Raises:
        UserError: a path that cannot be read.
        TypeError: neither a path nor a picture, or an array that is not uint8 (H, W), (H, W, 3) or (H, W, 4).
    """
    if isinstance(content, Picture):
        return content
    if isinstance(content, (str, Path)):
        return read_picture(content)
    if isinstance(content, Image.Image):
        return picture_from_pil(content)
    if not isinstance(content, np.ndarray) or content.dtype != np.uint8 or 0 in content.shape:
        raise TypeError("a picture is a path, a Pillow picture or a uint8 array (H, W, 3)")
    if content.ndim == 2:
        return Picture(np.repeat(content[:, :, None], 3, axis=2))
    if content.ndim != 3 or content.shape[2] not in (3, 4):
        raise TypeError(f"a picture array has the shape (H, W, 3), not {content.shape}")
    return Picture(content[:, :, :3], content[:, :, 3] if content.shape[2] == 4 else None)


def read_picture(path: str | Path, max_pixels: int = MAX_PIXELS, long_side: int | None = None) -> Picture:
    """Read a picture file, upright (EXIF orientation) and in sRGB (embedded profile); of an animation, the first frame.

    Greyscale, palette, CMYK and 16-bit pictures become 8-bit RGB. The size in the file's header is checked before
    anything is decoded, so a decompression bomb costs no memory.

    Args:
        max_pixels: larger pictures are refused, whatever `long_side` says.
        long_side: scale the picture down to this; large JPEG files then take far less time and memory.

    Raises:
        UserError: missing, empty, damaged, not a picture, or of more than `max_pixels` pixels.
    """
    path = Path(path)
    _require_file(path)
    try:
        return _decode(path, max_pixels, long_side)
    except UserError as error:
        raise UserError(f"cannot read {path}: {error}") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"cannot read {path}: {_too_large('far too many', max_pixels)}") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a picture that can be read (JPEG, PNG, WebP, TIFF and the like can)") from error
    except MemoryError as error:
        raise UserError(f"there is not enough memory to read {path}") from error
    except Exception as error:  # damaged files make the decoders raise almost anything
        raise UserError(f"cannot read {path}: the file is damaged or incomplete ({_first_line(error)})") from error


def picture_from_pil(image: Image.Image) -> Picture:
    """The same for a picture that is open in Pillow already: upright, sRGB, 8 bits.

    Raises:
        UserError: its values cannot be understood as brightness (a float picture outside 0..1, say).
    """
    image.load()
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # exif_transpose copies even an upright picture
        image = ImageOps.exif_transpose(image)
    if min(image.size) < 1:
        raise UserError("the picture has no pixels")
    rgb, alpha = to_srgb_8_bit(image)
    if alpha is not None and alpha.min() == 255:
        alpha = None
    return Picture(rgb, alpha)


def write_picture(path: str | Path, rgb: np.ndarray, alpha: np.ndarray | None = None, quality: int = 95) -> None:
    """Write a picture, whole or not at all; the format follows the suffix: png, jpg, webp or tiff.

    JPEG has no transparency (`keeps_alpha` tells): the picture is then laid on white.

    Args:
        rgb: uint8 (H, W, 3).
        alpha: uint8 (H, W), 255 opaque.
        quality: 1..100, of JPEG and WebP.

    Raises:
        UserError: unknown suffix, a picture too large for the format, or the file cannot be written (no space,
            no such folder, no permission); nothing is left behind then.
    """
    path = Path(path)
    kind = write_format(path)
    picture = Picture(rgb, alpha)
    if alpha is not None and kind != "JPEG":
        image = Image.fromarray(np.dstack([rgb, alpha]))
    else:
        image = Image.fromarray(np.ascontiguousarray(picture.on_white()))
    options = {
        "PNG": {},
        "JPEG": {"quality": quality, "subsampling": 0 if quality >= 90 else 2},
        "WEBP": {"quality": quality, "exact": True},
        "TIFF": {"compression": "tiff_lzw"},
    }[kind]
    encoded = io.BytesIO()
    try:
        image.save(encoded, format=kind, **options)
    except (OSError, ValueError, MemoryError) as error:
        raise UserError(f"cannot write {path} as {kind}: {_first_line(error)}") from error
    write_atomically(path, encoded.getvalue())


def keeps_alpha(path: str | Path) -> bool:
    """Whether a picture written under this name keeps its transparency.

    Raises:
        UserError: unknown suffix.
    """
    return write_format(Path(path)) != "JPEG"


def write_format(path: Path) -> str:
    """Pillow's name of the format that a picture of that name is written in.

    Raises:
        UserError: unknown suffix.
    """
    kind = _WRITE_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"cannot write {path}: the name must end in .png, .jpg, .webp or .tiff")
    return kind


def has_pixels(path: str | Path, least: int) -> bool:
    """Whether the header of a picture file tells of that many pixels or more; not where it is no picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_readable_formats()) as image:
                return image.width * image.height >= least
    except Image.DecompressionBombError:  # more than Pillow opens: twice `Image.MAX_IMAGE_PIXELS`
        return True
    except Exception:  # damaged files make the decoders raise almost anything
        return False


def list_pictures(directory: str | Path, recursive: bool = True) -> list[Path]:
    """The picture files in a folder by suffix, sorted; hidden files and folders are left out, links are followed.

    Raises:
        UserError: the folder is missing, is not a folder, or cannot be read.
    """
    directory = Path(directory)
    if not directory.exists():
        raise UserError(f"there is no folder {directory}")
    if not directory.is_dir():
        raise UserError(f"{directory} is not a folder")
    try:
        found = _walk(directory, recursive)
    except OSError as error:
        raise UserError(f"cannot read the folder {error.filename or directory}: {error.strerror or error}") from error
    return sorted(found, key=lambda path: path.relative_to(directory).parts)


def _walk(directory: Path, recursive: bool) -> list[Path]:
    def fail(error: OSError) -> None:
        raise error

    found: list[Path] = []
    visited: set[tuple[int, int]] = set()  # a link to a parent folder must not go round for ever
    for folder, folders, files in os.walk(directory, followlinks=True, onerror=fail):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if recursive else []
        names = (name for name in files if not name.startswith(".") and Path(name).suffix.lower() in _READ_SUFFIXES)
        found.extend(Path(folder, name) for name in names)
    return [path for path in found if path.is_file()]


def _require_file(path: Path) -> None:
    try:
        if not path.exists():
            raise UserError(f"there is no file {path}")
        if path.is_dir():
            raise UserError(f"{path} is a folder, not a picture")
        if not path.is_file():
            raise UserError(f"{path} is not a plain file")
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty (0 bytes)")
    except (OSError, ValueError) as error:  # no permission, a name too long or with a NUL in it
        raise UserError(f"cannot read {path}: {_first_line(error)}") from error


def _decode(path: Path, max_pixels: int, long_side: int | None) -> Picture:
    formats = _readable_formats()
    with warnings.catch_warnings():
        # Pillow warns of its own pixel limit (ours is below) and of damaged EXIF data, which nobody needs.
        warnings.simplefilter("ignore")
        with Image.open(path, formats=formats) as image:
            if image.width * image.height > max_pixels:
                raise UserError(_too_large(f"{image.width}x{image.height}", max_pixels))
            if long_side is None:
                return picture_from_pil(image)
            return _decode_small(image, long_side)


def _decode_small(image: Image.Image, long_side: int) -> Picture:
    size = image.height, image.width
    # JPEG decodes at 1/2, 1/4 or 1/8; twice the final size leaves the resampling filter its work.
    image.draft(None, fitted_size(*size, 2 * long_side)[::-1])
    drafted = (image.height, image.width) != size
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    picture = picture_from_pil(image)
    if not drafted:
        return picture.scaled_down(long_side)
    # The draft's sides are rounded up; the final ones follow from the whole picture.
    height, width = fitted_size(*size, long_side)
    return picture.resized(width, height) if turned else picture.resized(height, width)


@lru_cache(maxsize=1)
def _readable_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)  # AVIF and QOI are newer than some Pillows


def _too_large(size: str, max_pixels: int) -> str:
    return f"it has {size} pixels, more than the {max_pixels / 1e6:.3g} million that are read: scale it down first"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
