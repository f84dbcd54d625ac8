"""`brushlet teachers` and `brushlet teach-demo`: what is listed is what loads, and the teacher itself paints."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import brushlet
from distill import teachers
from distill.teachers import TEACHERS, Teacher
from runtime.image_files import read_picture, write_picture
from tests.distill import tiny


def run(*arguments: object) -> Result:
    return CliRunner().invoke(brushlet.app, [*map(str, arguments)])


def test_the_list_is_what_scripts_read():
    result = run("teachers", "--json")
    assert result.exit_code == 0, result.output
    listed = {entry.pop("name"): entry for entry in json.loads(result.stdout)}
    assert set(listed) == {"adain", "microast", "johnson", "cyclegan", "styleswin", "pairs"}
    assert [name for name, entry in listed.items() if not entry["takes_style"]] == ["pairs", "johnson", "cyclegan"]
    assert [name for name, entry in listed.items() if not entry["needs_weights"]] == ["pairs", "adain"]
    assert listed["microast"]["year"] == 2023 and listed["microast"]["licence"] == "MIT"
    assert all(entry["paper"] and entry["weights"] for entry in listed.values())


def test_the_list_is_what_people_read():
    shown = run("teachers").stdout
    assert "adain (2017), needs style picture" in shown and "microast (2023), needs weights and style picture" in shown
    assert shown.index("johnson") < shown.index("adain") < shown.index("microast"), "by year"
    assert max(map(len, shown.splitlines())) <= 120


@pytest.mark.parametrize("name", TEACHERS)
def test_what_is_listed_is_what_the_class_says(name):
    module = importlib.import_module(TEACHERS[name].module)
    (kind,) = {c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Teacher) and c.name == name}
    assert kind.takes_style is TEACHERS[name].takes_style


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo of 80 by 60 pixels, and tiny teachers."""
    monkeypatch.setattr(
        teachers, "TEACHERS", {**teachers.TEACHERS, "negative": tiny.LISTING, "sepia": tiny.SEPIA}, raising=True
    )
    write_picture(tmp_path / "photo.png", tiny.draw(1, 80)[:60])
    return tmp_path / "photo.png"


def test_the_teacher_paints(photo, tmp_path):
    result = run("teach-demo", "negative", photo, photo, "-o", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == f"{tmp_path / 'out.png'}: painted by a negative"
    inverted = read_picture(tmp_path / "out.png").rgb.astype(int)
    assert np.array_equal(inverted, 255 - read_picture(photo).rgb.astype(int))


def test_one_style_needs_no_second_picture(photo, tmp_path):
    result = run("teach-demo", "sepia", photo, "-o", tmp_path / "out.png", "--size", 48)
    assert result.exit_code == 0, result.output
    painted = read_picture(tmp_path / "out.png").rgb.astype(float)
    assert painted.shape == (36, 48, 3)
    assert abs(painted[..., 0] * 7 - painted[..., 1] * 9).max() < 9


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["negative", "PHOTO"], "negative paints in the style of a picture: give one after the photo"),
        (["sepia", "PHOTO", "PHOTO"], "sepia has one style, which is part of its weights: leave"),
        (["sepai", "PHOTO"], "there is no teacher called 'sepai'; did you mean 'sepia'?"),
        (["sepia", "PHOTO", "--size", 5], "--size must be from 32 to 4096, not 5"),
        (["sepia", "PHOTO", "--size", 40], "photo.png is 40x30 pixels here; a teacher needs 32 on each side"),
        (["sepia", "nowhere.png"], "there is no file nowhere.png"),
        (["sepia", "PHOTO", "-o", "out.gif"], "cannot write out.gif: the name must end in"),
        (["johnson", "PHOTO", "--weights", "PHOTO"], "photo.png is refused|photo.png is damaged"),
    ],
)
def test_what_cannot_be_painted_is_one_line(photo, arguments, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("teach-demo", *(photo if a == "PHOTO" else a for a in arguments))
    assert result.exit_code == 1 and result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and any(part in line for part in reason.split("|"))
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png"}
