"""`runtime.colour`: embedded profiles lead to sRGB."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from runtime.image_files import picture_from_pil, read_picture


def swapped_profile() -> bytes:
    """An RGB profile whose red is sRGB's green and whose green is sRGB's red."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
    return profile.replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))


def linear_grey_profile() -> bytes:
    """A greyscale profile with gamma 1: white point and tone curve only."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(x * 65536) for x in (0.9642, 1.0, 0.8249)))
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    start = 128 + 4 + 2 * 12
    table = struct.pack(">I4sII4sII", 2, b"wtpt", start, len(white), b"kTRC", start + len(white), len(curve))
    size = start + len(white) + len(curve)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"GRAY", b"XYZ ") + bytes(12) + b"acsp"
    header += bytes(28) + struct.pack(">3i", *(round(x * 65536) for x in (0.9642, 1.0, 0.8249)))
    return header.ljust(128, b"\0") + table + white + curve


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp"])
def test_an_rgb_profile_is_applied(tmp_path: Path, suffix: str):
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[:, :, 0] = 255
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(rgb).save(tmp_path / f"x{suffix}", icc_profile=swapped_profile(), **options)
    assert np.abs(read_picture(tmp_path / f"x{suffix}").rgb[0, 0].astype(int) - [0, 255, 0]).max() <= 2


def test_a_profile_leaves_alpha_alone(tmp_path: Path):
    rgba = np.array([[[255, 0, 0, 7], [255, 0, 0, 200]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "x.png", icc_profile=swapped_profile())
    picture = read_picture(tmp_path / "x.png")
    assert picture.alpha.tolist() == [[7, 200]]
    assert picture.rgb[0, 0, 1] >= 253


def test_a_palette_goes_through_its_profile(tmp_path: Path):
    image = Image.new("P", (1, 1))
    image.putpalette([255, 0, 0])
    image.save(tmp_path / "x.png", icc_profile=swapped_profile())
    assert read_picture(tmp_path / "x.png").rgb[0, 0, 1] >= 253


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_grey_profile_is_applied(mode: str):
    image = Image.fromarray(np.full((2, 2), 55 * 257, np.uint16)) if mode == "I;16" else Image.new("L", (2, 2), 55)
    image = image if mode == "I;16" else image.convert(mode)
    image.info["icc_profile"] = linear_grey_profile()
    # Linear 55/255 is 0.2157; sRGB encodes that as 1.055 * 0.2157**(1/2.4) - 0.055 = 0.502.
    assert np.abs(picture_from_pil(image).rgb.astype(int) - 128).max() <= 1


def test_an_srgb_profile_changes_nothing(tmp_path: Path):
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(rgb).save(tmp_path / "x.png", icc_profile=profile)
    assert (read_picture(tmp_path / "x.png").rgb == rgb).all()


@pytest.mark.parametrize("profile", [b"no profile", bytes(200), linear_grey_profile()], ids=["text", "zeros", "grey"])
def test_a_profile_that_does_not_fit_is_ignored(tmp_path: Path, profile: bytes):
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "x.png", icc_profile=profile)
    assert (read_picture(tmp_path / "x.png").rgb == rgb).all()
