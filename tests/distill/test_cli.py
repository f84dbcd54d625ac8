"""`brushlet distill`, `distill` and `python -m distill`: options, errors and what is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

import brushlet
from distill import checkpoint
from distill.checkpoint import Trained, save_student
from distill.distil import distil
from distill.settings import Settings
from distill.students import build_student

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(brushlet.app, ["distill", *map(str, arguments)])


def refused(*arguments: object) -> str:
    """The one line of an error."""
    result = run("--device", "cpu", *arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.stderr.rstrip().endswith(error)
    return error


@pytest.fixture
def place(small, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def basics(place, pictures) -> list[object]:
    """Options of a tiny run in `out`."""
    folders = ["--content", pictures / "photos", "--style", pictures / "paintings"]
    return ["--teacher", "negative", "--preset", "tiny", "--width", 0.125, "--device", "cpu", *folders, "--out", "out"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--teacher", "adian"], "there is no teacher called 'adian'; did you mean 'adain'?"),
        (["--width", 0], "--width must be above 0 and at most 4, got 0"),
        (["--width", -0.25], "--width must be above 0 and at most 4, got -0.25"),
        (["--width", "nan"], "--width must be above 0 and at most 4, got nan"),
        (["--preset", "fast"], "there is no preset called 'fast'; choose from quick, standard, full, tiny"),
        (["--loss", "beauty=1"], "--loss beauty=1: known losses are content, style, teacher, "),
        (["--loss", "style"], "--loss style: write a name and a number, like style=2"),
        (["--steps", 0], "--steps, --batch and --pairs must be at least 1"),
        (["--size", 100], "--size must be a multiple of 16 between 64 and 1024, got 100"),
        (["--seed", -1], "--seed must be at least 0, got -1"),
        (["--vgg-share", 1.5], "--vgg-share must lie between 0 and 1, got 1.5"),
        (["--learning-rate", 0], "--learning-rate must be a number above 0, got 0"),
        (["--cache-gb", "nan"], "--cache-gb must be a number of at least 0, got nan"),
        (["--device", "tpu"], "--device is auto, cpu, cuda or mps, not 'tpu'"),
        (["--resume"], "there is no run in runs/adain-w025 to resume"),
        (["--content", "nowhere"], "nowhere does not exist (--content takes a directory or shards"),
        (["--weights", "nowhere"], "there is no weights file or directory nowhere"),
        (["--from-scratch", "--warm-start", "x"], "--from-scratch and --warm-start exclude each other"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(place, monkeypatch, arguments, reason):
    monkeypatch.setattr("distill.teachers.adain.compact_adain", lambda: pytest.fail("got as far as the teacher"))
    if arguments[0] == "--content":
        arguments = [*arguments, "--teacher", "negative"]
    assert reason in refused(*arguments)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("photo.jpg", b"\xff\xd8\xff\xe0", "can be read"),
        ("photo.png", b"", "can be read"),
        ("a.txt", b"", "no pictures"),
    ],
)
def test_folders_without_a_readable_picture(place, name, data, reason):
    (place / "photos").mkdir()
    (place / "photos" / name).write_bytes(data)
    error = refused("--teacher", "negative", "--content", "photos")
    assert "photos" in error and reason in error
    assert [path.name for path in place.iterdir()] == ["photos"]


def test_options_of_the_wrong_kind_are_usage_errors(place):
    result = run("--steps", "many")
    assert result.exit_code == 2 and "--steps" in result.stderr


def test_a_run_from_end_to_end(basics):
    result = run(*basics)
    assert result.exit_code == 0, result.output
    shown = result.stderr
    for line in ("teacher: a negative", "content: 2 pictures from", "style: 3 pictures from", "training from random"):
        assert line in shown
    assert "held-back pairs at 64 px, judged by compact" in result.stdout
    assert "next:     brushlet export out" in result.stdout
    assert Path("out/student.safetensors").is_file()
    assert Settings.from_json(json.loads(Path("out/config.json").read_text())).preset == "tiny"


def test_json_output(basics):
    result = run(*basics, "--json", "--steps", 2, "--loss", "style=2")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["out"] == "out" and set(record["scores"]) == {"photo", "teacher", "student"}
    config = json.loads(Path("out/config.json").read_text())
    assert config["steps"] == 2 and config["loss"]["style"] == 2.0


def test_a_run_that_exists_is_refused_and_resumed(basics):
    assert run(*basics, "--steps", 2).exit_code == 0
    result = run(*basics, "--steps", 4)
    assert result.exit_code == 1
    assert "error: out already holds a run: continue it with --resume, or choose another --out" in result.stderr
    result = run(*basics, "--steps", 4, "--resume", "--seed", 9)
    assert "started with other settings (seed)" in result.stderr
    result = run(*basics, "--steps", 4, "--resume")
    assert result.exit_code == 0 and "resuming after step 2" in result.stderr


@pytest.fixture
def shipped(place, monkeypatch) -> None:
    """A student of the negative ships, and the quick preset takes two steps."""
    folder = place / "shipped"
    folder.mkdir()
    student = build_student("haar_painter", width=0.125)
    save_student(folder / "negative-w0125.safetensors", Trained(student, {}, {}, {}))
    monkeypatch.setattr(checkpoint, "FOLDER", folder)


@pytest.mark.parametrize("scratch", [False, True])
def test_quick_starts_from_what_ships_and_says_so(basics, shipped, scratch):
    more = ["--from-scratch"] if scratch else []
    more += ["--preset", "quick", "--steps", 2, "--size", 64, "--batch", 2, "--pairs", 2]
    result = run(*basics, *more)
    assert result.exit_code == 0, result.output
    assert ("warm start from negative-w0125 (--from-scratch starts from random weights)" in result.stderr) != scratch
    assert ("training from random weights" in result.stderr) == scratch
    assert json.loads(Path("out/config.json").read_text())["warm_start"] == (None if scratch else "negative-w0125")


def test_a_hostile_checkpoint_is_refused_on_resume(basics, monkeypatch):
    class Code:
        def __reduce__(self):
            return os.mkdir, ("made-by-a-pickle",)

    assert run(*basics, "--steps", 2).exit_code == 0
    torch.save({"step": 1, "student": Code()}, "out/checkpoint.pt")
    config = Path("out/config.json").read_bytes()
    result = run(*basics, "--steps", 3, "--resume")
    assert result.exit_code == 1
    assert "error: the checkpoint out/checkpoint.pt cannot be read" in result.stderr
    assert not Path("made-by-a-pickle").exists()
    assert Path("out/config.json").read_bytes() == config


def test_the_interface_from_python_is_the_same_run(basics, pictures, monkeypatch):
    """What export calls."""
    assert run(*basics, "--steps", 2).exit_code == 0
    settings = Settings.from_json(json.loads(Path("out/config.json").read_text()))
    trained = distil(settings, Path("again"), "cpu")
    assert trained.quality == json.loads(Path("out/evaluation.json").read_text())


def start(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_help_needs_no_torch_and_shows_an_example():
    code = (
        "import runpy, sys; sys.modules['torch'] = sys.modules['numpy'] = None\n"
        "sys.argv = ['distill', '--help']; runpy.run_module('distill', run_name='__main__')"
    )
    result = start(code)
    assert result.returncode == 0, result.stderr
    assert "distill --teacher adain --width 0.25 --preset quick" in result.stdout
    for option in ("--teacher", "--width", "--content", "--resume", "--from-scratch", "--seed"):
        assert option in result.stdout


def test_the_module_ends_errors_in_one_line():
    code = "import runpy, sys; sys.argv = ['distill', '--width', '0']\nrunpy.run_module('distill', run_name='__main__')"
    result = start(code)
    assert result.returncode == 1
    assert result.stderr == "error: --width must be above 0 and at most 4, got 0\n"
