"""Students of a teacher that has one style: they see its pictures alone, and need no painting ever after."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from distill.checkpoint import Trained, load_student, save_student
from distill.distil import distil, start
from distill.evaluate import held_back_pairs
from distill.framed import paint_framed
from distill.losses import LossWeights, style_loss
from distill.objective import Objective
from distill.run import ONE_STYLE_LOSS, Request, settings_of
from distill.run_pictures import open_all
from distill.samples import Batch
from distill.settings import Settings
from distill.students import FrozenPainter, HaarPainter
from runtime.errors import UserError
from runtime.image_files import read_picture
from tests.distill import tiny


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


@pytest.fixture(scope="module")
def settings(tmp_path_factory, pictures) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        tiny.install(patch.setattr)
        patch.setenv("BRUSHLET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield settings_of(Request(), teacher="sepia", preset="tiny", content=str(pictures / "photos"), seed=5)


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "finished"
    distil(settings, out, "cpu", console=quiet())
    return out


def test_every_sample_is_taught_and_none_is_painted_at_strength_0(settings):
    assert (settings.student, settings.teacher_share, settings.identity_share) == ("frozen_painter", 1.0, 0.0)
    assert settings.loss == ONE_STYLE_LOSS and settings.loss.content == 0
    asked = settings_of(Request(losses=["content=0.5"]), teacher="sepia", preset="tiny")
    assert asked.loss == replace(ONE_STYLE_LOSS, content=0.5)
    assert settings_of(Request(), teacher="negative", preset="tiny").student == "haar_painter"


def test_the_student_paints_without_a_style(finished):
    trained = load_student(finished)
    assert isinstance(trained.student, FrozenPainter) and trained.student.sites == ()
    assert trained.provenance["frozen"] == {"style": "brown"}
    assert set(trained.provenance["data"]) == {"content"}
    assert trained.student(torch.rand(1, 3, 32, 32)).shape == (1, 3, 32, 32)


def test_training_brings_it_nearer_to_the_teacher(finished, settings, tmp_path):
    """Sixty steps against a dozen."""
    distil(replace(settings, steps=60), tmp_path / "longer", "cpu", console=quiet())
    psnr = [json.loads((out / "evaluation.json").read_text())["scores"] for out in (finished, tmp_path / "longer")]
    assert psnr[1]["student"]["teacher_psnr"] > psnr[0]["student"]["teacher_psnr"] + 1
    assert psnr[1]["teacher"]["style"] == 0, "the style that is wanted is the teacher's"
    assert psnr[1]["student"]["style"] < psnr[0]["student"]["style"]


def test_the_contact_sheet_has_no_column_of_paintings(finished):
    sheet = read_picture(finished / "sheets" / "final.png").rgb
    assert sheet.shape[1] == 3 * 64 + 2 * 4
    photo, teacher = (sheet[22:86, left : left + 64].astype(float) for left in (0, 68))
    assert abs(teacher[..., 0] * 7 - teacher[..., 1] * 9).max() < 9, "brown: red to green as nine to seven"
    assert abs(teacher[..., 0] - photo.mean(axis=2) * 0.9).max() <= 1


def test_the_style_of_the_loss_is_the_teachers(settings):
    """A batch's style picture is not looked at, and its teacher pictures are."""
    torch.manual_seed(0)
    content, style, teacher = torch.rand(3, 2, 3, 32, 32)
    everyone = torch.ones(2, dtype=torch.bool)
    batch = Batch(content, style, teacher, everyone, ~everyone, 1)
    see = tiny.small_perception()
    step = Objective(FrozenPainter(0.125), {"compact": see}, LossWeights(content=0))
    losses = step(batch, "compact")
    wanted = style_loss(see(paint_framed(step.student, content, ())), see(teacher))
    assert losses["style"].item() == pytest.approx(wanted.item(), rel=1e-4)
    others = step(replace(batch, style=1 - style), "compact")
    assert all(torch.equal(losses[name], others[name]) for name in losses)


def test_a_style_of_ones_own_is_refused(settings, pictures, tmp_path):
    with pytest.raises(UserError, match="sepia paints in one style, 'brown': leave --style out"):
        distil(replace(settings, style=str(pictures / "paintings")), tmp_path / "run", "cpu", console=quiet())
    with pytest.raises(UserError, match="a haar_painter cannot learn from sepia: one of them has one style"):
        distil(replace(settings, student="haar_painter"), tmp_path / "run", "cpu", console=quiet())
    with pytest.raises(UserError, match="a frozen_painter cannot learn from negative"):
        distil(replace(settings, teacher="negative"), tmp_path / "run", "cpu", console=quiet())
    assert not (tmp_path / "run").exists()


def test_a_student_of_any_style_is_a_start(settings, tmp_path):
    """What it paints at strength 0, where it gives back the photo."""
    torch.manual_seed(0)
    adaptive, content = HaarPainter(0.125), torch.rand(1, 3, 32, 32)
    save_student(tmp_path / "student.safetensors", Trained(adaptive, {}, {}, {}))
    warm = replace(settings, warm_start=str(tmp_path))
    student = start(warm, None, lambda line: None)
    neutral = [(torch.ones(1, s.channels, 1, 1), torch.zeros(1, s.channels, 1, 1)) for s in adaptive.sites]
    assert torch.allclose(student(content), adaptive.paint(content, neutral), atol=1e-6)
    assert student.training and all(p.requires_grad for p in student.parameters())
    with pytest.raises(UserError, match="width 0.125: it cannot start a frozen_painter of width 0.0625"):
        start(replace(warm, width=0.0625), None, lambda line: None)


def test_without_paintings_a_photo_stands_for_its_own(settings):
    sets = open_all(settings, lambda line: None, takes_style=False)
    assert sets.style is None and sets.held_style is None
    pairs = list(held_back_pairs(sets.held_content, None, 2, 64))
    assert len(pairs) == 2 and not torch.equal(pairs[0][0], pairs[1][0])
