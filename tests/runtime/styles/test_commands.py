"""``brushlet style``: codes saved, sheets and strips painted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime import StyleCode, Stylizer, UserError, read_picture, write_picture
from runtime.styles.cli import app
from runtime.styles.picture_grid import grid
from tests.runtime.test_stylizer import fixed_style_bundle
from tests.smooth_picture import smooth_picture
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    styles = {
        "warm": np.array([[0.7, 0.5, 0.3, 0.05], [0.2, 0.1, 0.1, 1.0]]),
        "cold": np.array([[0.2, 0.3, 0.7, -0.05], [0.1, 0.2, 0.2, 1.0]]),
    }
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"), styles=styles)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_picture("photo.png", smooth_picture(64, 0)[:48])
    write_picture("painting.png", smooth_picture(64, 1))


def run(*arguments: object) -> None:
    app([str(argument) for argument in arguments], standalone_mode=False)


def test_a_painting_is_saved_and_used(tiny: Path, capsys: pytest.CaptureFixture[str]):
    run("save", "painting.png", "-o", "mine.json", "--model", tiny)
    assert capsys.readouterr().out == "mine.json  mine, for tiny\n"
    with Stylizer.load(tiny) as stylizer:
        assert (stylizer("photo.png", "mine.json") == stylizer("photo.png", "painting.png")).all()


def test_a_mixture_is_saved_under_its_name(tiny: Path, capsys: pytest.CaptureFixture[str]):
    run("save", "painting.png:3", "warm", "-o", "m.json", "--name", "both", "--model", tiny, "--json")
    assert json.loads(capsys.readouterr().out)["name"] == "both"
    with Stylizer.load(tiny) as stylizer:
        expected = StyleCode.mix([stylizer.style("painting.png"), stylizer.style("warm")], [3, 1])
    np.testing.assert_allclose(StyleCode.load("m.json").values, expected.values, atol=1e-6)


def test_a_sheet_shows_the_photo_in_every_style(tiny: Path, capsys: pytest.CaptureFixture[str]):
    run("sheet", "photo.png", "-o", "sheet.png", "--columns", 3, "--model", tiny, "--json")
    assert json.loads(capsys.readouterr().out) == {"output": "sheet.png", "pictures": ["warm", "cold"]}
    sheet, photo = read_picture("sheet.png").rgb, read_picture("photo.png").rgb
    with Stylizer.load(tiny) as stylizer:
        for index, picture in enumerate([photo, stylizer(photo, "warm"), stylizer(photo, "cold")]):
            left = 8 + index * 72
            assert (sheet[8:56, left : left + 64] == picture).all()


def test_a_strip_begins_and_ends_with_its_styles(tiny: Path):
    run("strip", "warm", "cold", "photo.png", "-o", "strip.png", "--steps", 3, "--model", tiny)
    strip, photo = read_picture("strip.png").rgb, read_picture("photo.png").rgb
    with Stylizer.load(tiny) as stylizer:
        middle = StyleCode.mix([stylizer.style("warm"), stylizer.style("cold")], [1, 1])
        for index, style in enumerate(["warm", middle, "cold"]):
            left = 8 + index * 72
            assert (strip[8:56, left : left + 64] == stylizer(photo, style)).all()


def test_a_gif_goes_there_and_back(tiny: Path):
    run("strip", "warm", "cold", "photo.png", "-o", "strip.gif", "--steps", 4, "--model", tiny)
    with Image.open("strip.gif") as gif:
        assert (gif.format, gif.n_frames, gif.size, gif.info["loop"]) == ("GIF", 6, (64, 48), 0)


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("x.png must end in .json", ["save", "painting.png", "-o", "x.png"]),
        ("there is no file", ["save", "none.png", "-o", "x.json"]),
        ("there is no file", ["sheet", "none.png"]),
        ("the name must end in", ["sheet", "photo.png", "-o", "x.gif"]),
        ("--columns must be", ["sheet", "photo.png", "--columns", 0, "-o", "x.png"]),
        ("--columns must be", ["sheet", "photo.png", "--columns", -3, "-o", "x.png"]),
        ("--size must be", ["sheet", "photo.png", "--size", 9999, "-o", "x.png"]),
        ("--steps must be from 2 to 120", ["strip", "warm", "cold", "photo.png", "--steps", 1]),
        ("strength must be", ["strip", "warm", "cold", "photo.png", "--strength", 2]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tiny: Path, match: str, arguments: list[object]):
    before = set(Path().iterdir())
    with pytest.raises(UserError, match=match):
        run(*arguments, "--model", tiny)
    assert set(Path().iterdir()) == before


def test_a_student_with_one_style_says_so(tmp_path: Path):
    bundle = fixed_style_bundle(tmp_path / "negative")
    for arguments in (["save", "painting.png", "-o", "x.json"], ["sheet", "photo.png"]):
        with pytest.raises(
            UserError, match="negative paints in one style, which is part of it: choose another --model"
        ):
            run(*arguments, "--model", bundle)


def test_a_grid_too_large_for_memory_is_refused():
    with pytest.raises(UserError, match="200 pictures of 2000x2000 pixels are too much"):
        grid([np.zeros((2000, 2000, 3), np.uint8)] * 200, ["x"] * 200, 10)
