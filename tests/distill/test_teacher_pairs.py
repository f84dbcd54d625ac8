"""`--teacher-pairs`: pictures before and after stay together, from the folder to the crop and the judgement."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from distill.checkpoint import load_student
from distill.data.before_after import aligned, require_pairs
from distill.distil import distil, open_sources, samples_of
from distill.evaluate import held_back_pairs
from distill.run import Request, settings_of
from distill.run_pictures import open_pairs
from distill.teachers import load_teacher
from distill.teachers.pairs import PairsTeacher
from runtime.errors import UserError
from tests.distill import tiny

SEPIA = np.array([0.9, 0.7, 0.4])


def sepia(picture: np.ndarray) -> np.ndarray:
    return (picture.mean(axis=2, keepdims=True) * SEPIA).round().astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, small: Path) -> Path:
    """Six photos before, and after in brown and of twice the size; tall and wide ones."""
    for side in ("before", "after"):
        (tmp_path / "pairs" / side).mkdir(parents=True)
    for i in range(6):
        photo = tiny.draw(i, 96)[: 96 if i % 2 else 80, : 90 if i % 2 else 96]
        Image.fromarray(photo).save(tmp_path / "pairs" / "before" / f"{i}.png")
        Image.fromarray(sepia(photo)).resize((2 * photo.shape[1], 2 * photo.shape[0])).save(
            tmp_path / "pairs" / "after" / f"{i}.jpg", quality=95
        )
    return tmp_path / "pairs"


def of(folder: Path, **options):
    return settings_of(Request(teacher_pairs=folder), preset="tiny", seed=5, **options)


def brownness(content: torch.Tensor, after: torch.Tensor) -> float:
    """How far ``after`` is from the brown print of ``content``: of pictures (3, H, W) in [0, 1]."""
    wanted = content.mean(0, keepdim=True) * torch.tensor(SEPIA, dtype=torch.float32)[:, None, None]
    return (after - wanted).abs().mean().item()


def test_the_option_stands_for_two_folders(folder):
    settings = of(folder)
    assert (settings.teacher, settings.student) == ("pairs", "frozen_painter")
    assert (settings.content, settings.style) == (str(folder / "before"), str(folder / "after"))


def test_crops_of_a_pair_show_the_same_place(folder):
    sources = open_sources(of(folder), lambda line: None)
    samples = samples_of(of(folder), sources, 1 << 30)
    for step in range(8):
        batch = samples.batch(step)
        assert batch.taught.all() and not batch.identity.any()
        for content, after in zip(batch.content, batch.teacher, strict=True):
            assert brownness(content, after) < 0.02
    assert brownness(batch.content[0], batch.teacher[0].flip(2)) > 0.03, "a mirrored one would be seen"


def test_held_back_pictures_stay_together(folder):
    pictures = open_pairs(of(folder), lambda line: None)
    for content, after in held_back_pairs(pictures.held_content, pictures.held_style, 5, 64, paired=True):
        assert brownness(content[0], after[0]) < 0.02


def test_a_student_learns_from_pairs(folder, tmp_path):
    console = Console(file=io.StringIO(), width=300)
    for steps in (2, 60):
        distil(of(folder, steps=steps), tmp_path / str(steps), "cpu", console=console)
    assert "pairs: " in console.file.getvalue()
    short, long = (json.loads((tmp_path / n / "evaluation.json").read_text())["scores"] for n in ("2", "60"))
    assert long["teacher"]["teacher_psnr"] == 100
    assert long["student"]["teacher_psnr"] > short["student"]["teacher_psnr"] + 1
    assert load_student(tmp_path / "60").provenance["data"]["style"]["name"] == str(folder / "after")


def test_what_belongs_to_no_pair_is_named(folder):
    (folder / "after" / "3.jpg").unlink()
    with pytest.raises(UserError, match="before/3 has no picture of that name on the other side"):
        open_pairs(of(folder), lambda line: None)
    (folder / "before" / "3.png").unlink()
    (folder / "after" / "4.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match="before/4 has no picture of that name on the other side that can be read"):
        open_pairs(of(folder), lambda line: None)


def test_options_that_contradict(folder, tmp_path):
    with pytest.raises(UserError, match="brings its own pictures: leave --content and --style out"):
        of(folder, content="photos")
    with pytest.raises(UserError, match="before is not a folder: --teacher-pairs DIR holds DIR/before/x.jpg"):
        of(tmp_path / "nowhere")
    with pytest.raises(UserError, match="--teacher pairs needs the pictures: give --teacher-pairs DIR"):
        settings_of(Request(), teacher="pairs", preset="tiny")


def test_the_teacher_paints_nothing_itself():
    teacher = load_teacher("pairs")
    assert isinstance(teacher, PairsTeacher) and teacher.paired and not teacher.takes_style
    after = torch.rand(1, 3, 8, 8)
    assert torch.equal(teacher.stylize(torch.rand(1, 3, 8, 8), after), after)
    with pytest.raises(UserError, match="paints none itself"):
        teacher.stylize(after)


@hypothesis_settings(max_examples=30)
@given(st.integers(4, 20), st.integers(4, 20), st.integers(-5, 5), st.integers(-5, 5))
def test_only_rounding_is_cut_off(height, width, higher, wider):
    before = np.zeros((height, width, 3), np.uint8)
    after = np.zeros((max(1, height + higher), max(1, width + wider), 3), np.uint8)
    if max(abs(before.shape[0] - after.shape[0]), abs(before.shape[1] - after.shape[1])) > 2:
        with pytest.raises(UserError, match="must have the same proportions"):
            aligned(before, after)
    else:
        one, other = aligned(before, after)
        assert one.shape == other.shape == (min(height, after.shape[0]), min(width, after.shape[1]), 3)


def test_names_match_whatever_the_suffix():
    require_pairs(["a.png", "b/c.jpg"], ["a.webp", "b/c.png"])
    with pytest.raises(UserError, match="after/d has no picture"):
        require_pairs(["a.png"], ["a.png", "d.png"])
    with pytest.raises(UserError, match="one name but for the suffix"):
        require_pairs(["a.png", "a.jpg"], ["a.png"])
