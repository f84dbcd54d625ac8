"""Pillow's picture modes and colour profiles become 8-bit sRGB and alpha."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from runtime.errors import UserError

# The profile's colour space that fits each mode that a profile is applied to.
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}


def to_srgb_8_bit(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """uint8 (H, W, 3) in sRGB and, where the picture has transparency, uint8 (H, W) alpha.

    Raises:
        UserError: an integer or float picture whose range is not that of brightness.
    """
    profile = image.info.get("icc_profile")
    image = _to_8_bit(image)
    alpha = None
    grey = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        image = image.convert("LA" if grey else "RGBA")
        alpha = np.array(image.getchannel("A"))
    plain = "L" if grey else "RGB"
    if image.mode not in (plain, "CMYK", "LAB"):  # the latter two convert after their profile
        image = image.convert(plain)
    rgb = _through_profile(image, profile) or image
    return np.array(rgb if rgb.mode == "RGB" else rgb.convert("RGB")), alpha


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Pictures of more than 8 bits per channel, which Pillow would clip, scaled to 8."""
    if image.mode.startswith("I;16"):
        return _scaled(np.asarray(image, dtype=np.uint32), 65535)
    if image.mode == "I":
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise UserError(f"an integer picture with values from {low} to {high}, save it with 8 or 16 bits")
        return _scaled(values.astype(np.uint32), 65535)
    if image.mode == "F":
        values = np.asarray(image)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise UserError("a float picture with values outside 0 to 1, save it with 8 or 16 bits")
        return Image.fromarray(np.rint(values * 255).astype(np.uint8))
    return image


def _scaled(values: np.ndarray, white: int) -> Image.Image:
    """uint32 (H, W) with 0..white as an 8-bit greyscale picture, rounded to nearest."""
    return Image.fromarray(((values * 255 + white // 2) // white).astype(np.uint8))


def _through_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The picture in sRGB through its embedded profile; None where there is none that can be used."""
    if not profile or image.mode not in _PROFILE_SPACES:
        return None
    try:
        from PIL import ImageCms
    except ImportError:  # a Pillow that was built without LittleCMS
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILE_SPACES[image.mode]:
            return None  # a palette or greyscale picture that kept the RGB original's profile, say
        if (source.profile.profile_description or "").startswith("sRGB"):
            return None  # exact instead of nearly so
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None  # a damaged profile is no reason to refuse the picture; viewers ignore it as well
