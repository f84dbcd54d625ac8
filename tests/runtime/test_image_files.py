"""`runtime.image_files`: every kind of file becomes 8-bit sRGB, and a bad one a clear line."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from runtime.errors import UserError
from runtime.image_files import keeps_alpha, list_pictures, picture_from_pil, read_picture, write_picture

GRADIENT = np.full((16, 24, 3), 90, np.uint8)
GRADIENT[:, :, 0], GRADIENT[:, :, 1] = np.meshgrid(np.arange(24) * 10, np.arange(16) * 15)
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
pixels = hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))
reuse_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG file from raw rows, for kinds that Pillow cannot write. Each row starts with its filter byte 0."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_16(values: np.ndarray, colour: int) -> bytes:
    """A 16-bit PNG of uint16 (H, W, C)."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], 16, colour, rows)


def refused(path: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as raised:
        read_picture(path)
    assert path.name in str(raised.value) and len(str(raised.value).splitlines()) == 1


@given(pixels)
@reuse_folder
@pytest.mark.parametrize("suffix", [".png", ".tiff", ".TIF"])
def test_lossless_files_bring_every_pixel_back(tmp_path: Path, suffix: str, rgb: np.ndarray):
    write_picture(tmp_path / f"x{suffix}", rgb)
    picture = read_picture(tmp_path / f"x{suffix}")
    assert (picture.rgb == rgb).all() and picture.alpha is None
    assert picture.rgb.dtype == np.uint8
    assert (picture.height, picture.width) == rgb.shape[:2]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_lossy_files_come_back_nearly(tmp_path: Path, suffix: str):
    write_picture(tmp_path / f"x{suffix}", GRADIENT)
    error = np.abs(read_picture(tmp_path / f"x{suffix}").rgb.astype(int) - GRADIENT)
    assert error.mean() < 2 and error.max() < 16


@given(pixels, st.data())
@reuse_folder
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_alpha_survives(tmp_path: Path, suffix: str, rgb: np.ndarray, data: st.DataObject):
    alpha = data.draw(hnp.arrays(np.uint8, rgb.shape[:2]))
    write_picture(tmp_path / f"x{suffix}", rgb, alpha)
    picture = read_picture(tmp_path / f"x{suffix}")
    assert (picture.rgb == rgb).all()
    assert picture.alpha is None if (alpha == 255).all() else (picture.alpha == alpha).all()


def test_jpeg_lies_on_white(tmp_path: Path):
    rgb = np.zeros((16, 16, 3), np.uint8)
    alpha = np.zeros((16, 16), np.uint8)
    alpha[:, 8:] = 128
    write_picture(tmp_path / "x.jpg", rgb, alpha)
    picture = read_picture(tmp_path / "x.jpg")
    assert picture.alpha is None
    assert np.abs(picture.rgb[:, :8].astype(int) - 255).max() <= 2
    assert np.abs(picture.rgb[:, 8:].astype(int) - 127).max() <= 2
    assert not keeps_alpha("x.jpg") and keeps_alpha("x.png") and keeps_alpha("x.webp")


STORED = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
UPRIGHT = {
    1: STORED,
    2: STORED[:, ::-1],
    3: STORED[::-1, ::-1],
    4: STORED[::-1],
    5: STORED.transpose(1, 0, 2),
    6: np.rot90(STORED, -1),
    7: STORED[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(STORED, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_exif_orientation(tmp_path: Path, suffix: str, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(STORED).save(tmp_path / f"x{suffix}", exif=exif)
    assert np.array_equal(read_picture(tmp_path / f"x{suffix}").rgb, UPRIGHT[orientation])


def test_exif_orientation_of_a_jpeg_turns_alpha_and_colour_alike(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GRADIENT).save(tmp_path / "x.jpg", exif=exif, quality=95)
    picture = read_picture(tmp_path / "x.jpg")
    assert picture.rgb.shape == (24, 16, 3)
    assert np.abs(picture.rgb.astype(int) - np.rot90(GRADIENT, -1)).mean() < 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exif", [b"", b"no header", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_is_ignored(tmp_path: Path, exif: bytes):
    Image.fromarray(GRADIENT).save(tmp_path / "x.jpg", exif=b"Exif\0\0" + exif)
    assert read_picture(tmp_path / "x.jpg").rgb.shape == GRADIENT.shape


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path):
    levels = np.array([[0, 128, 129, 257, 1000, 32768, 65406, 65535]], np.uint16)
    (tmp_path / "x.png").write_bytes(png_16(levels[:, :, None], 0))
    picture = read_picture(tmp_path / "x.png")
    expected = np.rint(levels / 257).astype(int)
    assert picture.rgb[0, :, 0].tolist() == expected[0].tolist() == [0, 0, 1, 1, 4, 128, 254, 255]
    assert (picture.rgb[:, :, 0] == picture.rgb[:, :, 2]).all()


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4), (4, 2)], ids=["rgb", "rgba", "grey-alpha"])
def test_16_bit_colour_is_scaled_not_clipped(tmp_path: Path, colour: int, channels: int):
    values = np.random.default_rng(1).integers(0, 65536, (6, 5, channels), dtype=np.uint16)
    (tmp_path / "x.png").write_bytes(png_16(values, colour))
    picture = read_picture(tmp_path / "x.png")
    expected = values / 257
    shown = expected[:, :, :3] if channels > 2 else expected[:, :, :1]
    assert np.abs(picture.rgb - shown).max() <= 1
    if channels in (2, 4):
        assert np.abs(picture.alpha - expected[:, :, -1]).max() <= 1


def test_16_bit_tiff(tmp_path: Path):
    levels = np.array([[0, 1000, 40000, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "x.tiff")
    assert read_picture(tmp_path / "x.tiff").rgb[0, :, 1].tolist() == [0, 4, 156, 255]


def test_integer_pictures_hold_16_bit_levels():
    picture = picture_from_pil(Image.fromarray(np.array([[0, 32768, 65535]], np.int32)))
    assert picture.rgb[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("bad", [-1, 65536])
def test_integer_pictures_beyond_16_bits_are_refused(tmp_path: Path, bad: int):
    Image.fromarray(np.array([[0, bad]], np.int32)).save(tmp_path / "x.tiff")
    refused(tmp_path / "x.tiff", "save it with 8 or 16 bits")


def test_float_pictures_hold_0_to_1(tmp_path: Path):
    Image.fromarray(np.array([[0, 0.5, 1]], np.float32)).save(tmp_path / "x.tiff")
    assert read_picture(tmp_path / "x.tiff").rgb[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("bad", [-0.5, 255, float("nan"), float("inf")])
def test_float_pictures_of_another_range_are_refused(tmp_path: Path, bad: float):
    Image.fromarray(np.array([[0, bad]], np.float32)).save(tmp_path / "x.tiff")
    refused(tmp_path / "x.tiff", "save it with 8 or 16 bits")


def test_greyscale_and_two_levels(tmp_path: Path):
    grey = GRADIENT[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert (read_picture(tmp_path / "grey.png").rgb == grey[:, :, None]).all()
    Image.fromarray(grey > 100).save(tmp_path / "two.png")
    assert (read_picture(tmp_path / "two.png").rgb == np.where(grey > 100, 255, 0)[:, :, None]).all()


def test_grey_with_alpha(tmp_path: Path):
    values = np.array([[[10, 0], [200, 255]]], np.uint8)
    Image.fromarray(values, "LA").save(tmp_path / "x.png")
    picture = read_picture(tmp_path / "x.png")
    assert picture.rgb[0].tolist() == [[10] * 3, [200] * 3] and picture.alpha.tolist() == [[0, 255]]


def test_palette_with_and_without_transparency(tmp_path: Path):
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "opaque.png")
    picture = read_picture(tmp_path / "opaque.png")
    assert picture.rgb[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]] and picture.alpha is None
    image.save(tmp_path / "holes.png", transparency=1)
    assert read_picture(tmp_path / "holes.png").alpha.tolist() == [[255, 0, 255]]
    image.save(tmp_path / "holes.gif", transparency=2)
    assert read_picture(tmp_path / "holes.gif").alpha.tolist() == [[255, 255, 0]]


def test_one_transparent_colour(tmp_path: Path):
    Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)).save(tmp_path / "x.png", transparency=(4, 5, 6))
    assert read_picture(tmp_path / "x.png").alpha.tolist() == [[255, 0]]


@pytest.mark.parametrize("suffix", [".jpg", ".tiff"])
def test_cmyk(tmp_path: Path, suffix: str):
    inks = [(0, 0, 0, 0), (0, 0, 0, 255), (255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0)]
    colours = [(255, 255, 255), (0, 0, 0), (0, 255, 255), (255, 0, 255), (255, 255, 0)]
    image = Image.new("CMYK", (80, 16))
    for index, ink in enumerate(inks):
        image.paste(ink, (index * 16, 0, index * 16 + 16, 16))
    image.save(tmp_path / f"x{suffix}", **({"quality": 100} if suffix == ".jpg" else {}))
    middles = read_picture(tmp_path / f"x{suffix}").rgb[8, 8::16]
    assert np.abs(middles.astype(int) - colours).max() <= 4


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_pillow(mode: str):
    picture = picture_from_pil(Image.new(mode, (3, 2)))
    assert picture.rgb.shape == (2, 3, 3) and picture.rgb.dtype == np.uint8
    assert picture.alpha is None or picture.alpha.shape == (2, 3)


def test_an_animation_gives_its_first_frame(tmp_path: Path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "x.gif").rgb[0, 0].tolist() == [255, 0, 0]


def test_missing_empty_folder_and_not_a_picture(tmp_path: Path):
    refused(tmp_path / "none.jpg", "there is no file")
    (tmp_path / "empty.jpg").touch()
    refused(tmp_path / "empty.jpg", r"empty \(0 bytes\)")
    (tmp_path / "folder.jpg").mkdir()
    refused(tmp_path / "folder.jpg", "is a folder")
    (tmp_path / "text.jpg").write_text("no picture at all")
    refused(tmp_path / "text.jpg", "is not a picture that can be read")


def test_impossible_names():
    for name in ("nul\0.png", "x" * 5000 + ".png"):
        with pytest.raises(UserError):
            read_picture(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "not a plain file")


def test_formats_that_start_other_programs_are_not_pictures(tmp_path: Path):
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    refused(tmp_path / "x.png", "is not a picture")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_truncated_files(tmp_path: Path, kind: str):
    encoded = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(encoded, kind)
    (tmp_path / "cut").write_bytes(encoded.getvalue()[: len(encoded.getvalue()) // 2])
    refused(tmp_path / "cut", "damaged or incomplete|not a picture")


@given(st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM"]), st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path, kind: str, data: st.DataObject):
    encoded = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(GRADIENT).save(encoded, kind, **({"exif": exif} if kind in ("PNG", "JPEG", "TIFF") else {}))
    damaged = bytearray(encoded.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x").write_bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    try:
        picture = read_picture(tmp_path / "x", max_pixels=10**6)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert picture.rgb.ndim == 3 and picture.rgb.dtype == np.uint8


@pytest.mark.parametrize("side", [16_000, 60_000, 2**31 - 1])
def test_decompression_bombs_are_refused_undecoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int):
    (tmp_path / "bomb.png").write_bytes(png(side, side, 8, 2, bytes(2**20)))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    start = time.perf_counter()
    refused(tmp_path / "bomb.png", "pixels, more than the 134 million that are read")
    assert time.perf_counter() - start < 1


def test_the_limit_is_the_callers(tmp_path: Path):
    write_picture(tmp_path / "x.png", np.zeros((20, 50, 3), np.uint8))
    assert read_picture(tmp_path / "x.png", max_pixels=1000).width == 50
    with pytest.raises(UserError, match="it has 50x20 pixels, more than the 0.000999 million"):
        read_picture(tmp_path / "x.png", max_pixels=999)


@pytest.mark.filterwarnings("error")
def test_large_but_allowed_pictures_come_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Image.fromarray(GRADIENT).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16 * 24 - 1)  # Pillow warns from here and raises from twice that
    assert read_picture(tmp_path / "large.png").rgb.shape == (16, 24, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16 * 24 // 2 - 1)
    refused(tmp_path / "large.png", "far too many pixels")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("size", [(100, 800), (900, 50), (640, 640), (30, 60)])
def test_pictures_are_scaled_down_while_they_are_read(tmp_path: Path, suffix: str, size: tuple[int, int]):
    ramp = np.linspace(0, 255, size[0] * size[1]).reshape(*size, 1).repeat(3, axis=2).astype(np.uint8)
    write_picture(tmp_path / f"x{suffix}", ramp, ramp[:, :, 0])
    picture = read_picture(tmp_path / f"x{suffix}", long_side=80)
    whole = read_picture(tmp_path / f"x{suffix}").scaled_down(80)
    assert picture.rgb.shape == whole.rgb.shape and max(picture.rgb.shape[:2]) == min(80, max(size))
    assert np.abs(picture.rgb.astype(int) - whole.rgb).max() <= (0 if suffix == ".png" else 4)
    assert suffix == ".jpg" or picture.alpha.shape == picture.rgb.shape[:2]


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_turned_pictures_are_scaled_down_alike(tmp_path: Path, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (900, 50)).save(tmp_path / "x.jpg", exif=exif)
    expected = (4, 80, 3) if orientation < 5 else (80, 4, 3)
    assert read_picture(tmp_path / "x.jpg", long_side=80).rgb.shape == expected


def test_unknown_suffixes_are_answered_with_the_known_ones(tmp_path: Path):
    for name in ("x.bmp", "x", "x.png.tmp", ".png"):
        with pytest.raises(UserError, match=r"\.png, \.jpg, \.webp or \.tiff"):
            write_picture(tmp_path / name, GRADIENT)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_too_large_for_its_format(tmp_path: Path):
    with pytest.raises(UserError, match="cannot write .* as WEBP"):
        write_picture(tmp_path / "x.webp", np.zeros((1, 17_000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path: Path):
    with pytest.raises(UserError, match="the folder does not exist"):
        write_picture(tmp_path / "none" / "x.png", GRADIENT)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match="it is a folder"):
        write_picture(tmp_path / "folder.png", GRADIENT)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_pictures_of_a_folder_are_sorted_and_the_rest_is_left_out(tmp_path: Path):
    pictures = ("b.PNG", "a.jpg", "sub/c.webp", "sub/deep/d.tiff", "a/z.gif")
    for name in (*pictures, "notes.txt", ".hidden.png", ".cache/e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").symlink_to("nowhere.png")
    found = [path.relative_to(tmp_path).as_posix() for path in list_pictures(tmp_path)]
    assert found == ["a/z.gif", "a.jpg", "b.PNG", "sub/c.webp", "sub/deep/d.tiff"]
    assert [path.name for path in list_pictures(tmp_path, recursive=False)] == ["a.jpg", "b.PNG"]


def test_links_between_folders_do_not_go_round(tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").touch()
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    assert len(list_pictures(tmp_path)) == 1


def test_folders_that_are_none(tmp_path: Path):
    assert list_pictures(tmp_path) == []
    with pytest.raises(UserError, match="there is no folder"):
        list_pictures(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is not a folder"):
        list_pictures(tmp_path / "file")


def test_photos_and_paintings_of_the_data_folder(shared_data: Path):
    for path in list_pictures(shared_data)[::200]:
        assert min(read_picture(path).rgb.shape[:2]) > 0
