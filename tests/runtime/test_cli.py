"""``brushlet stylize`` and ``python -m runtime``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime import Stylizer, UserError, read_picture, write_picture
from runtime.cli import app
from tests.tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo and a painting in the current directory."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("photo.png", "painting.png")):
        write_picture(name, np.random.default_rng(seed).integers(0, 256, (30, 50, 3), dtype=np.uint8))
    return Path("photo.png")


def run(*arguments: object) -> None:
    app([str(argument) for argument in arguments], standalone_mode=False)


def refused(match: str, *arguments: object) -> None:
    """The command fails with one line, and nothing appears or changes in the current directory."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    with pytest.raises(UserError, match=match) as raised:
        run(*arguments)
    assert len(str(raised.value).splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_a_photo_and_a_painting(photo: Path, tiny: Path, capsys: pytest.CaptureFixture[str]):
    run(photo, "--style", "painting.png", "--model", tiny, "--strength", 0.8, "-o", "out.png")
    with Stylizer.load(tiny) as stylizer:
        assert (read_picture("out.png").rgb == stylizer(photo, "painting.png", 0.8)).all()
    out, err = capsys.readouterr()
    assert out.startswith("out.png  50x30  ") and out.endswith(" s\n") and out.count("\n") == 1
    assert err == ""


def test_the_default_output_is_in_the_current_directory(photo: Path, tiny: Path):
    Path("sub").mkdir()
    (Path("sub") / "cat.jpg").write_bytes(photo.read_bytes())
    run("sub/cat.jpg", "--style", "warm", "--model", tiny)
    assert Path("cat-stylized.png").exists()
    assert os.listdir("sub") == ["cat.jpg"]


def test_size_scales_down_and_keeps_alpha(photo: Path, tiny: Path):
    Image.new("RGBA", (100, 40), (10, 200, 30, 99)).save("clear.png")
    run("clear.png", "--style", "warm", "--model", tiny, "--size", 50, "-o", "out.png")
    picture = read_picture("out.png")
    assert picture.rgb.shape == (20, 50, 3) and (picture.alpha == 99).all()
    run("clear.png", "--style", "warm", "--model", tiny, "--size", 5000, "-o", "large.png")
    assert read_picture("large.png").rgb.shape == (40, 100, 3)


def test_jpeg_says_that_transparency_is_lost(photo: Path, tiny: Path, capsys: pytest.CaptureFixture[str]):
    Image.new("RGBA", (10, 10), (10, 200, 30, 0)).save("clear.png")
    run("clear.png", "--style", "warm", "--model", tiny, "-o", "out.jpg")
    assert read_picture("out.jpg").rgb.min() >= 253
    assert "cannot hold transparency" in capsys.readouterr().err


def test_several_photos_go_to_a_folder(photo: Path, tiny: Path, capsys: pytest.CaptureFixture[str]):
    run(photo, "painting.png", "--style", "warm", "--model", tiny, "-o", "new/folder")
    assert sorted(os.listdir("new/folder")) == ["painting-stylized.png", "photo-stylized.png"]
    assert capsys.readouterr().out.count("\n") == 2


def test_one_photo_goes_to_a_folder_that_is_there(photo: Path, tiny: Path):
    Path("folder").mkdir()
    run(photo, "--style", "warm", "--model", tiny, "-o", "folder")
    assert os.listdir("folder") == ["photo-stylized.png"]


def test_a_bad_photo_among_several_is_skipped(photo: Path, tiny: Path, capsys: pytest.CaptureFixture[str]):
    Path("bad.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match="1 of 3 pictures could not be stylized"):
        run("bad.jpg", photo, "painting.png", "--style", "warm", "--model", tiny, "-o", "out")
    assert sorted(os.listdir("out")) == ["painting-stylized.png", "photo-stylized.png"]
    assert capsys.readouterr().err.startswith("skipped: bad.jpg is not a picture")


def test_json(photo: Path, tiny: Path, capsys: pytest.CaptureFixture[str]):
    run(photo, "--style", "warm", "--model", tiny, "--json")
    record = json.loads(capsys.readouterr().out)
    seconds = record["pictures"][0].pop("seconds")
    assert 0 < seconds < 60
    assert record == {
        "model": "tiny",
        "engine": "onnxruntime",
        "precision": "fp32",
        "styles": ["warm"],
        "strength": 1.0,
        "exact": False,
        "stroke": 1.0,
        "preserve_color": "",
        "pictures": [
            {
                "content": "photo.png",
                "output": "photo-stylized.png",
                "width": 50,
                "height": 30,
                "transparency_lost": False,
            }
        ],
        "skipped": [],
        "failed": [],
    }


def test_models_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for module in ("shipped", "shipped_table"):
        monkeypatch.setattr(f"runtime.{module}.SHIPPED", tmp_path)
    run("--list-models")
    assert "no student ships" in capsys.readouterr().out
    make_tiny_bundle(tmp_path / "tiny")
    run("--list-models")
    table = capsys.readouterr().out
    assert "tiny" in table and "warm" in table
    run("--list-models", "--json")
    assert [(m["name"], m["styles"]) for m in json.loads(capsys.readouterr().out)] == [("tiny", ["warm"])]


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("name a photo", []),
        ("name a style", ["photo.png"]),
        ("strength must be from 0 to 1, not 1.5", ["photo.png", "--style", "warm", "--strength", 1.5]),
        ("strength must be", ["photo.png", "--style", "warm", "--strength", "nan"]),
        ("--size must be", ["photo.png", "--style", "warm", "--size", 0]),
        ("--size must be", ["photo.png", "--style", "warm", "--size", 10**9]),
        ("--threads must be", ["photo.png", "--style", "warm", "--threads", 0]),
        ("no engine 'warp'", ["photo.png", "--style", "warm", "--engine", "warp"]),
        ("there is no file none.png", ["none.png", "--style", "warm"]),
        ("no style of that name", ["photo.png", "--style", "cold"]),
        ("the name must end in", ["photo.png", "--style", "warm", "-o", "out.xyz"]),
        ("the folder does not exist", ["photo.png", "--style", "warm", "-o", "none/out.png"]),
        ("would be overwritten", ["photo.png", "--style", "warm", "-o", "photo.png"]),
        ("would be overwritten", ["photo.png", "--style", "warm", "-o", "./link.png"]),
        ("would be overwritten", ["photo.png", "--style", "painting.png", "-o", "painting.png"]),
        ("several pictures need a folder", ["photo.png", "painting.png", "--style", "warm", "-o", "painting.png"]),
        ("both be written to photo-stylized.png", ["photo.png", "sub/photo.png", "--style", "warm"]),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(photo: Path, tiny: Path, match: str, arguments: list[object]):
    Path("link.png").symlink_to("photo.png")
    refused(match, *arguments, "--model", tiny)


def test_a_bad_model_changes_nothing(photo: Path, tmp_path: Path):
    refused("no bundle or shipped student 'none'", photo, "--style", "warm", "--model", "none")
    bundle = make_tiny_bundle(tmp_path / "tiny")
    (bundle / "paint.onnx").write_bytes(b"cut")
    refused("paint.onnx has 3 bytes instead of", photo, "--style", "warm", "--model", bundle)


def test_a_disk_that_is_full_leaves_nothing(photo: Path, tiny: Path):
    import resource

    Image.effect_noise((300, 300), 99).save("large.png")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**14, hard))
    try:
        refused("cannot write out.png", "large.png", "--style", "warm", "--model", tiny, "-o", "out.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "runtime", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment)


def test_the_command_prints_errors_in_one_line(photo: Path, tiny: Path):
    result = command("none.jpg", "--style", "warm", "--model", tiny)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "error: there is no file none.jpg\n")


def test_the_command_paints(photo: Path, tiny: Path):
    result = command(photo, "--style", "warm", "--model", tiny)
    assert result.returncode == 0, result.stderr
    assert read_picture("photo-stylized.png").rgb.shape == (30, 50, 3)


def test_help_says_what_there_is():
    result = command("--help")
    assert result.returncode == 0
    for option in ("--style", "--model", "--strength", "--size", "--output", "--json", "--list-models"):
        assert option in result.stdout
