"""Picture files and picture bytes to RGB arrays."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from runtime.errors import UserError
from runtime.image_files import MAX_PIXELS, picture_from_pil, read_picture

FORMATS = ("JPEG", "PNG", "WEBP")


def decode_file(path: Path, long_side: int | None = None) -> np.ndarray:
    """The picture as uint8 (H, W, 3) RGB, upright, transparency laid on white. Raises UserError with the reason.

    With `long_side` it is scaled down to that, which saves most of the time and memory that large photos take.
    """
    return read_picture(path, long_side=long_side).on_white()


def decode_bytes(content: bytes) -> np.ndarray:
    """The same for the content of a JPEG, PNG or WebP file; the size in its header is checked first."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's size warning: MAX_PIXELS is the limit here
            with Image.open(BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UserError(f"{image.width}x{image.height} pixels are too many")
                return picture_from_pil(image).on_white()
    except UserError:
        raise
    except Exception as error:  # damaged files make the decoders raise almost anything
        raise UserError(f"damaged, incomplete or not a picture ({error})") from error
