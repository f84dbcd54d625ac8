"""`runtime.large_files` and `runtime.stylize_large`: from file to file in strips, as the whole picture would be."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from runtime import Stylizer, UserError, large_files, read_picture, write_picture
from runtime.controls import Controls
from runtime.large_files import LargePicture, open_large, require_holds, write_strips
from runtime.stylize_large import paint_large
from tests.smooth_picture import smooth_picture
from tests.tiny_bundle import make_tiny_bundle

pytest.importorskip("pyvips", reason="needs the extra 'large'")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_files, "STREAM_PIXELS", 1000)


def opened(path: Path) -> LargePicture:
    picture = open_large(path)
    assert picture is not None
    return picture


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tiff"])
def test_strips_are_the_picture(tmp_path: Path, name: str):
    write_picture(tmp_path / name, smooth_picture(300, 0)[:, :220])
    picture = opened(tmp_path / name)
    strips = np.concatenate(list(picture.strips()))
    assert (picture.height, picture.width, picture.alpha) == (300, 220, False)
    assert np.abs(strips.astype(int) - read_picture(tmp_path / name).rgb).max() <= (2 if name == "x.jpg" else 0)
    small = picture.reduced(75)
    assert small.shape == (75, 55, 3)
    blocks = strips.reshape(75, 4, 55, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - blocks).max() <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "I;16"])
def test_other_kinds_of_picture(tmp_path: Path, mode: str):
    if mode == "I;16":
        grey = (np.arange(60 * 50, dtype=np.uint16) * 20).reshape(60, 50)
        Image.fromarray(grey).save(tmp_path / "x.png")
    else:
        Image.fromarray(smooth_picture(60, 0)).convert(mode).save(tmp_path / "x.png")
    picture, whole = opened(tmp_path / "x.png"), read_picture(tmp_path / "x.png")
    assert picture.alpha == ("A" in mode)
    assert np.abs(np.concatenate(list(picture.strips())).astype(int) - whole.rgb).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright(tmp_path: Path, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(smooth_picture(80, 0)[:50]).save(tmp_path / "x.jpg", exif=exif, quality=95)
    whole = read_picture(tmp_path / "x.jpg").rgb
    strips = np.concatenate(list(opened(tmp_path / "x.jpg").strips()))
    assert strips.shape == whole.shape and np.abs(strips.astype(int) - whole).mean() < 1


@pytest.mark.parametrize("source", ["x.png", "x.jpg"])
@pytest.mark.parametrize("target", ["out.png", "out.tiff", "out.jpg", "out.webp"])
def test_from_file_to_file_is_as_in_memory(tmp_path: Path, tiny: Path, source: str, target: str):
    write_picture(tmp_path / source, smooth_picture(200, 0)[:, :150])
    with Stylizer.load(tiny, tile=64) as stylizer:
        paint_large(
            stylizer, lambda photo: stylizer.style("warm"), opened(tmp_path / source), tmp_path / target, Controls()
        )
        whole = stylizer(tmp_path / source, "warm")
    assert sorted(os.listdir(tmp_path)) == sorted([source, target])
    write_picture(tmp_path / f"whole{target[3:]}", whole)
    found, expected = (read_picture(tmp_path / name).rgb for name in (target, f"whole{target[3:]}"))
    assert np.abs(found.astype(int) - expected).mean() < 1


@pytest.mark.parametrize("name", ["x.jpg", "x.png"])
def test_interlaced_pictures_are_read_up_to_what_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    import pyvips

    image = pyvips.Image.new_from_array(smooth_picture(120, 0))
    image.write_to_file(str(tmp_path / name), interlace=True)
    assert np.concatenate(list(opened(tmp_path / name).strips())).shape == (120, 120, 3)
    monkeypatch.setattr(large_files, "MAX_PIXELS", 120 * 120 - 1)
    with pytest.raises(UserError, match="it is interlaced .* 120x120 pixels .*: save it without interlacing"):
        open_large(tmp_path / name)
    image.write_to_file(str(tmp_path / name), interlace=False)
    assert opened(tmp_path / name).height == 120


@pytest.mark.parametrize(
    ("name", "size"),
    [("x.webp", (20, 16384)), ("x.webp", (16384, 20)), ("x.webp", (12000, 12000)), ("x.jpg", (20, 65501))],
)
def test_more_than_a_format_holds_is_refused(name: str, size: tuple[int, int]):
    with pytest.raises(UserError, match=r"takes at most \d+ pixels a side and \d+ million in all, not .* or .tiff"):
        require_holds(Path(name), *size)
    require_holds(Path(name), 11547, 8660)
    require_holds(Path("x.png"), *size)


def test_what_the_format_does_not_hold_is_not_painted(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch):
    write_picture(tmp_path / "x.png", smooth_picture(200, 0))
    monkeypatch.setattr(large_files, "_MOST_WRITTEN", {"WEBP": (150, 10**6)})
    painted: list[int] = []
    with Stylizer.load(tiny) as stylizer, pytest.raises(UserError, match="not 200x200"):
        halved = Controls(stroke=2)  # painted at 100 pixels, and written at 200
        paint_large(
            stylizer,
            lambda photo: stylizer.style("warm"),
            opened(tmp_path / "x.png"),
            tmp_path / "x.webp",
            halved,
            lambda done, count: painted.append(done),
        )
    assert not painted and not (tmp_path / "x.webp").exists()


@pytest.mark.parametrize("stroke", [0.5, 1.7])
def test_strokes_scale_while_streaming(tmp_path: Path, tiny: Path, stroke: float):
    write_picture(tmp_path / "x.png", smooth_picture(200, 0)[:, :150])
    with Stylizer.load(tiny, tile=64) as stylizer:
        style, controls = stylizer.style("warm"), Controls(stroke=stroke)
        paint_large(stylizer, lambda photo: style, opened(tmp_path / "x.png"), tmp_path / "out.png", controls)
        whole = stylizer(tmp_path / "x.png", style, stroke=stroke)
    found = read_picture(tmp_path / "out.png").rgb
    assert found.shape == whole.shape and np.abs(found.astype(int) - whole).mean() < 2.5


def test_transparency_is_kept_where_the_format_can(tmp_path: Path, tiny: Path):
    alpha = np.tile(np.arange(50, dtype=np.uint8) * 5, (60, 1))
    write_picture(tmp_path / "x.png", smooth_picture(60, 0)[:, :50], alpha)
    with Stylizer.load(tiny) as stylizer:
        for name in ("out.png", "out.jpg"):
            paint_large(
                stylizer, lambda _: stylizer.style("warm"), opened(tmp_path / "x.png"), tmp_path / name, Controls()
            )
    assert (read_picture(tmp_path / "out.png").alpha == alpha).all()
    assert read_picture(tmp_path / "out.jpg").alpha is None


def test_a_picture_that_is_cut_off_is_refused_and_leaves_nothing(tmp_path: Path, tiny: Path):
    write_picture(tmp_path / "x.png", smooth_picture(400, 0))
    data = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(data[: len(data) * 2 // 3])
    with Stylizer.load(tiny) as stylizer, pytest.raises(UserError, match="x.png: the file is damaged or incomplete"):
        paint_large(
            stylizer, lambda _: stylizer.style("warm"), opened(tmp_path / "x.png"), tmp_path / "o.png", Controls()
        )
    assert os.listdir(tmp_path) == ["x.png"]


def test_an_interrupt_leaves_nothing(tmp_path: Path):
    def strips():
        yield smooth_picture(64, 0)
        raise KeyboardInterrupt

    (tmp_path / "out.png").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_strips(tmp_path / "out.png", (128, 64), strips())
    assert os.listdir(tmp_path) == ["out.png"] and (tmp_path / "out.png").read_bytes() == b"old"


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path):
    import resource

    noise = np.random.default_rng(0).integers(0, 256, (2000, 500, 3), dtype=np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))
    try:
        with pytest.raises(UserError, match="cannot write .*out.png"):
            write_strips(tmp_path / "out.png", noise.shape[:2], iter(np.split(noise, 20)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_small_pictures_and_other_formats_are_pillows(tmp_path: Path):
    write_picture(tmp_path / "small.png", smooth_picture(20, 0))
    write_picture(tmp_path / "x.webp", smooth_picture(200, 0))
    Image.fromarray(smooth_picture(200, 0)).convert("CMYK").save(tmp_path / "cmyk.jpg")
    (tmp_path / "no.png").write_bytes(b"\x89PNG no picture")
    for name in ("small.png", "x.webp", "cmyk.jpg", "no.png", "none.png"):
        assert open_large(tmp_path / name) is None
    write_picture(tmp_path / "x.png", smooth_picture(200, 0))
    assert open_large(tmp_path / "x.png", size=64) is None


def test_what_neither_can_read_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_picture(tmp_path / "x.png", smooth_picture(200, 0))
    monkeypatch.setattr(large_files, "MAX_STREAMED_PIXELS", 30_000)
    with pytest.raises(UserError, match="it has 200x200 pixels, more than is ever painted"):
        open_large(tmp_path / "x.png")
    monkeypatch.setitem(__import__("sys").modules, "pyvips", None)
    assert open_large(tmp_path / "x.png") is None
    monkeypatch.setattr(large_files, "MAX_PIXELS", 30_000)
    with pytest.raises(UserError, match="does not fit into memory .*pip install 'brushlet.large.'"):
        open_large(tmp_path / "x.png")


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_give_a_picture_or_one_line(tmp_path: Path, data: st.DataObject):
    suffix = data.draw(st.sampled_from(["png", "jpg", "tiff"]))
    source = tmp_path / f"whole.{suffix}"
    if not source.exists():
        write_picture(source, smooth_picture(64, 0))
    damaged = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x").write_bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    try:
        picture = open_large(tmp_path / "x")
        if picture is not None and picture.height * picture.width < 10**6:
            rows = sum(len(strip) for strip in picture.strips())
            assert rows == picture.height and picture.reduced(32).ndim == 3
    except UserError as error:
        assert len(str(error).splitlines()) == 1
