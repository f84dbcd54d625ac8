"""A style code optimised for a person's own pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distill import personalize as module
from distill import personalize_report
from distill.checkpoint import Trained, save_student
from distill.freeze import average_statistics, freeze_style
from distill.personalize import personalize, read_images
from distill.personalize_cli import app
from distill.students import HaarPainter
from runtime.errors import UserError
from runtime.style_code import StyleCode


@pytest.fixture(scope="module")
def student() -> HaarPainter:
    torch.manual_seed(0)
    return HaarPainter(0.125, blocks=1).eval().requires_grad_(False)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CROP", 64)
    monkeypatch.setattr(module, "EVALUATION_SIZE", 64)
    monkeypatch.setattr(module, "JUDGED_PHOTOS", 2)


@pytest.fixture
def image(pictures: Path) -> Path:
    return sorted((pictures / "paintings").iterdir())[0]


def test_the_code_scores_better_than_the_encoders(quick: None, student: HaarPainter, pictures: Path, image: Path):
    told: list[int] = []
    content = str(pictures / "photos")
    personal = personalize(student, read_images([image]), content, steps=12, weights="compact", progress=told.append)
    assert personal.better and personal.personal.style < 0.95 * personal.own.style
    assert personal.code.shape == (2, sum(site.channels for site in student.sites)) and np.isfinite(personal.code).all()
    measured = np.repeat([site.measured for site in student.sites], [site.channels for site in student.sites])
    assert personal.code[1, measured].min() > 0
    assert told == list(range(1, 13)) and personal.judge == "compact" and personal.photos >= 1


def test_the_same_seed_gives_the_same_code(quick: None, student: HaarPainter, pictures: Path, image: Path):
    codes = [
        personalize(student, read_images([image]), str(pictures / "photos"), 2, "compact", seed).code
        for seed in (1, 1, 2)
    ]
    assert (codes[0] == codes[1]).all() and (codes[0] != codes[2]).any()


def test_several_pictures_share_a_style(pictures: Path):
    net = module.compact_perception()
    images = read_images(sorted((pictures / "paintings").iterdir())[:2])
    both, one, other = (module.mean_style(net, some) for some in (images, images[:1], images[1:]))
    torch.testing.assert_close(both[2][0], (one[2][0] + other[2][0]) / 2)


def test_what_cannot_be(student: HaarPainter, image: Path, tmp_path: Path):
    images = read_images([image])
    for match, arguments in (
        ("from 1 to 16 pictures, not 0", ([],)),
        ("from 1 to 16 pictures, not 17", (images * 17,)),
        ("steps must be from 1", (images, None, 0)),
    ):
        with pytest.raises(UserError, match=match):
            personalize(student, *arguments)
    code = student.style(images[0])
    frozen = freeze_style(student, code, average_statistics(student, images))
    with pytest.raises(UserError, match="has its style folded in already"):
        personalize(frozen, images)
    with pytest.raises(UserError, match="there is no file"):
        read_images([tmp_path / "none.jpg"])


def run(*arguments: object) -> None:
    app([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def saved(student: HaarPainter, tmp_path: Path) -> Path:
    folder = tmp_path / "tiny-student"
    folder.mkdir()
    save_student(folder / "student.safetensors", Trained(student, {}, {}, {}))
    return folder


def test_the_command_writes_a_code_and_says_what_it_scores(
    quick: None, saved: Path, pictures: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out, photos = tmp_path / "mine.json", pictures / "photos"
    options = ["--model", saved, "--content", photos, "--steps", 8, "--weights", "compact", "-o", out]
    run("--images", image, *options, "--json")
    record = json.loads(capsys.readouterr().out)
    assert record["better"] and record["personal"]["style"] < record["own"]["style"] and record["model"] == saved.name
    code = StyleCode.load(out)
    assert (code.student, code.name) == ("tiny-student", "mine")
    run(image, *options, "--name", "Mine")  # without --images too
    assert "style loss" in capsys.readouterr().out and StyleCode.load(out).name == "Mine"


def test_a_code_that_is_no_better_is_not_written(
    quick: None, saved: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scores = module.Scores(1.0, 1.0)
    worse = module.Personal(np.ones((2, 4), np.float32), "compact", 2, scores, replace(scores, style=1.1))
    monkeypatch.setattr(personalize_report, "personalize", lambda *_, **__: worse)
    with pytest.raises(UserError, match="own code is as good .style loss 1.000, after optimising 1.100."):
        run(image, "--model", saved, "-o", tmp_path / "mine.json")
    assert not (tmp_path / "mine.json").exists()
    with pytest.raises(UserError, match="must end in .json"):
        run(image, "--model", saved, "-o", tmp_path / "mine.png")
