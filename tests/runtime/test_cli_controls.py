"""``brushlet stylize``: mixtures, regions, colours, sizes and folders, as they are typed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from runtime import Regions, StyleCode, Stylizer, UserError, large_files, read_picture, write_picture
from runtime.cli import app
from tests.smooth_picture import smooth_picture
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_picture("photo.png", smooth_picture(64, 0)[:48])
    write_picture("painting.png", smooth_picture(64, 1))
    left = np.zeros((48, 64, 3), np.uint8)
    left[:, :32] = 255
    write_picture("left.png", left)


@pytest.fixture
def folder() -> Path:
    for index, name in enumerate(("in/a.png", "in/b.png", "in/deep/c.png")):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(name, smooth_picture(32, index))
    return Path("in")


def run(*arguments: object) -> None:
    app([str(argument) for argument in arguments], standalone_mode=False)


def painted(tiny: Path, *options: object) -> np.ndarray:
    run("photo.png", *options, "--model", tiny, "-o", "out.png")
    return read_picture("out.png").rgb


def test_controls_reach_the_stylizer(tiny: Path):
    with Stylizer.load(tiny) as stylizer:
        mixture = StyleCode.mix([stylizer.style("warm"), stylizer.style("painting.png")], [3, 1])
        assert (painted(tiny, "--style", "warm:3", "--style", "painting.png:1") == stylizer("photo.png", mixture)).all()
        for options, controls in (
            (["--strength", 0, "--exact"], {"strength": 0, "exact": True}),
            (["--stroke", 2], {"stroke": 2.0}),
            (["--preserve-color", "luminance"], {"preserve_color": "luminance"}),
            (["--preserve-color", "histogram", "--strength", 0.5], {"preserve_color": "histogram", "strength": 0.5}),
            (["--tile", 64], {}),
        ):
            expected = stylizer("photo.png", "warm", **controls)
            assert (painted(tiny, "--style", "warm", *options) == expected).all(), options
    assert (painted(tiny, "--style", "warm", "--strength", 0, "--exact") == read_picture("photo.png").rgb).all()


def test_regions_reach_the_stylizer(tiny: Path):
    mask = read_picture("left.png").rgb[:, :, 0]
    with Stylizer.load(tiny) as stylizer:
        for feather in (0.0, 0.1):
            expected = stylizer("photo.png", Regions([mask], ["warm"], "painting.png", feather))
            options = ["--style", "warm", "--style", "painting.png", "--feather", feather]
            assert (painted(tiny, *options, "--mask", "left.png") == expected).all()
        expected = stylizer("photo.png", Regions([255 - mask, mask], ["painting.png", "warm"], feather=0))
        options = ["--style", "painting.png", "--style", "warm", "--feather", 0]
        assert (painted(tiny, *options, "--labels", "left.png") == expected).all()


def test_a_folder_once_and_again(tiny: Path, folder: Path, capsys: pytest.CaptureFixture[str]):
    run(folder, "--style", "warm", "--model", tiny, "-o", "out", "--recursive")
    files = ["out/a-stylized.png", "out/b-stylized.png", "out/deep/c-stylized.png"]
    assert sorted(str(path) for path in Path("out").rglob("*.png")) == files
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == files
    with Stylizer.load(tiny) as stylizer:
        assert (read_picture(files[2]).rgb == stylizer("in/deep/c.png", "warm")).all()
    Path(files[1]).unlink()
    before = os.stat(files[0]).st_mtime_ns
    run(folder, "--style", "warm", "--model", tiny, "-o", "out", "--recursive", "--json")
    record = json.loads(capsys.readouterr().out)
    assert [picture["output"] for picture in record["pictures"]] == [files[1]]
    assert record["skipped"] == [files[0], files[2]] and record["failed"] == []
    assert os.stat(files[0]).st_mtime_ns == before
    run(folder, "--style", "warm", "--model", tiny, "-o", "out", "--overwrite")
    assert os.stat(files[0]).st_mtime_ns > before


def test_failures_in_a_folder_are_listed(tiny: Path, folder: Path, capsys: pytest.CaptureFixture[str]):
    Path("in/bad.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="1 of 3 pictures could not be stylized"):
        run(folder, "--style", "warm", "--model", tiny, "-o", "out", "--json")
    record = json.loads(capsys.readouterr().out)
    assert len(record["pictures"]) == 2
    assert record["failed"][0]["content"] == "in/bad.png" and "is not a picture" in record["failed"][0]["error"]


def test_photos_that_masks_do_not_fit_are_failures_of_theirs(tiny: Path, folder: Path):
    with pytest.raises(UserError, match="2 of 3 pictures could not be stylized"):
        run(folder, "photo.png", "--style", "warm", "--mask", "left.png", "--model", tiny, "-o", "out")
    assert os.listdir("out") == ["photo-stylized.png"]


def test_a_large_picture_streams_to_the_same_file(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("pyvips", reason="needs the extra 'large'")
    write_picture("large.png", smooth_picture(256, 0))
    run("large.png", "--style", "warm", "--model", tiny, "-o", "held.png")
    monkeypatch.setattr(large_files, "STREAM_PIXELS", 1000)
    streamed = []
    monkeypatch.setattr("runtime.stylize_files.paint_large", _seen(streamed))
    run("large.png", "--style", "warm", "--model", tiny, "--tile", 96, "-o", "streamed.png")
    assert streamed == ["streamed.png"]
    held, found = (read_picture(name).rgb.astype(int) for name in ("held.png", "streamed.png"))
    assert np.abs(held - found).max() <= 1


def _seen(names: list[str]):
    from runtime.stylize_large import paint_large

    def paint(stylizer, style_of, picture, output, *rest):
        names.append(str(output))
        paint_large(stylizer, style_of, picture, output, *rest)

    return paint


@pytest.mark.parametrize(
    ("match", "options"),
    [
        ("--tile must be", ["--style", "warm", "--tile", 1]),
        ("--provider is for the engine onnxruntime", ["--style", "warm", "--provider", "cuda", "--engine", "openvino"]),
        ("no execution provider 'cudda': did you mean 'cuda'", ["--style", "warm", "--provider", "cudda"]),
        ("stroke must be", ["--style", "warm", "--stroke", 99]),
        ("preserve_color must be", ["--style", "warm", "--preserve-color", "all"]),
        ("feather must be", ["--style", "warm", "--mask", "left.png", "--feather", 2]),
        ("there is no model none.onnx", ["--style", "warm", "--segment", "none.onnx"]),
        ("does not fit a picture of 64x48", ["--style", "warm", "--mask", "painting.png"]),
        ("left.png is one of the inputs", ["--style", "warm", "--mask", "left.png", "-o", "left.png"]),
        ("painting.png is one of the inputs", ["--style", "painting.png:1", "-o", "painting.png"]),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(tiny: Path, match: str, options: list[object]):
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    with pytest.raises(UserError, match=match) as raised:
        run("photo.png", "--model", tiny, *options)
    assert len(str(raised.value).splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
