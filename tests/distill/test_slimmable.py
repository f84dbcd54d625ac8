"""One training for every width: what each width learns from, that it resumes, and what is cut out of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from distill.checkpoint import Trained, load_student, save_student
from distill.distil import distil
from distill.losses import LossWeights
from distill.objective import paint_batch
from distill.run import Request, settings_of
from distill.samples import Batch
from distill.settings import Settings
from distill.slimmable import SlimmableObjective, cut_trained, on_grid, taught_by, widths_below
from distill.students import HaarPainter
from distill.students.widths import cut
from distill.train import Trainer
from runtime.errors import UserError
from tests.distill import tiny


def make_batch(draw: float = 0.0) -> Batch:
    torch.manual_seed(1)
    content, style, teacher = torch.rand(3, 3, 3, 32, 32)
    identity = torch.arange(3) == 0
    style[0] = teacher[0] = content[0]
    return Batch(content, style, teacher, torch.arange(3) < 2, identity, 2, draw)


def made(width: float) -> HaarPainter:
    torch.manual_seed(0)
    student = HaarPainter(width)
    torch.nn.init.normal_(student.style.out.weight, 0, 0.3)
    return student


def objective(student: HaarPainter, **weights: float) -> SlimmableObjective:
    return SlimmableObjective(student, {"compact": tiny.small_perception()}, LossWeights(**weights))


def test_widths_stand_on_a_grid():
    assert widths_below(0.25) == (0.125, 0.1875)
    assert widths_below(1.0)[0] == 0.125 and len(widths_below(1.0)) == 14
    assert [on_grid(w) for w in (0.01, 0.125, 0.2, 0.26, 0.5)] == [0.125, 0.125, 0.1875, 0.25, 0.5]


def test_every_step_trains_the_narrowest_and_every_width_comes_up():
    step = objective(made(0.5))
    widths = [[n.painting.student.width for n in step.chosen(draw)] for draw in torch.linspace(0, 0.999, 40).tolist()]
    assert {first for first, _ in widths} == {0.125}
    assert {second for _, second in widths} == {0.1875, 0.25, 0.3125, 0.375, 0.4375}
    assert len(objective(made(0.1875)).chosen(0.5)) == 1


def test_losses_are_the_mean_over_widths_and_the_narrow_ones_learn_from_the_whole():
    student, batch = made(0.25), make_batch()
    step = objective(student, content=2, style=3, teacher=5)
    losses = step(batch, "compact")
    see = step.perceptions["compact"]
    wanted, statistics = step.wanted(batch, see)
    whole = step.paint(batch, statistics)
    taught = taught_by(batch, whole.detach())
    expected = [step.losses(whole, batch, see, wanted)]
    for width in (0.125, 0.1875):
        expected.append(step.losses(paint_batch(cut(student, width), taught, statistics), taught, see, wanted))
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(sum(each[name].item() for each in expected) / 3, rel=1e-4)
    assert losses["teacher"] > 0 and losses["style"] > 0


def test_the_narrow_ones_teacher_is_the_whole_everywhere_but_at_strength_0():
    batch = make_batch()
    pictures = torch.full_like(batch.content, 0.5)
    taught = taught_by(batch, pictures)
    assert taught.taught.all()
    assert torch.equal(taught.teacher[0], batch.content[0])
    assert torch.equal(taught.teacher[1:], pictures[1:])


def test_the_front_is_trained_by_all_widths_and_the_back_by_the_widest():
    student = made(0.25)
    step = objective(student)
    sum(step(make_batch(), "compact").values()).backward()
    gradient = student.blocks[0].inner.weight.grad
    assert (gradient[:16, :16].abs().sum((2, 3)) > 0).all() and (gradient[24:].abs().sum((1, 2, 3)) > 0).all()
    assert {name for name, p in student.named_parameters() if p.requires_grad and p.grad is None} == set()
    assert set(dict(step.named_parameters())) == {
        *(f"student.{name}" for name, _ in student.named_parameters()),
        *(f"perceptions.{name}" for name, _ in step.perceptions.named_parameters()),
    }, "narrower students have nothing of their own to train"


@pytest.fixture(scope="module")
def settings(pictures, tmp_path_factory) -> Iterator[Settings]:
    folders = {"content": str(pictures / "photos"), "style": str(pictures / "paintings")}
    with pytest.MonkeyPatch.context() as patch:
        tiny.install(patch.setattr)
        patch.setenv("BRUSHLET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield settings_of(
            Request(), teacher="negative", preset="tiny", width=0.25, slimmable=True, seed=5, steps=4, **folders
        )


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "slimmable"
    distil(settings, out, "cpu", console=Console(file=io.StringIO()))
    return out


def test_a_run_judges_its_widths(run):
    scores = json.loads((run / "evaluation.json").read_text())["scores"]
    assert list(scores) == ["photo", "teacher", "student", "width 0.125"]
    assert scores["student"] != scores["width 0.125"]


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(run, settings, tmp_path, monkeypatch):
    quiet, advance = Console(file=io.StringIO()), Trainer.advance

    def interrupted(self, batch):
        if self.step == 3:  # a checkpoint was written after three steps
            raise KeyboardInterrupt
        return advance(self, batch)

    monkeypatch.setattr(Trainer, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        distil(settings, tmp_path / "run", "cpu", console=quiet)
    monkeypatch.setattr(Trainer, "advance", advance)
    distil(settings, tmp_path / "run", "cpu", resume=True, console=quiet)
    first, second = (load_file(out / "student.safetensors") for out in (run, tmp_path / "run"))
    assert all(torch.allclose(first[name], second[name], rtol=0, atol=1e-6) for name in first)


def test_what_is_cut_is_an_ordinary_student(run, tmp_path):
    whole = load_student(run)
    narrow = cut_trained(whole, 0.125)
    save_student(tmp_path / "narrow.safetensors", narrow)
    back = load_student(tmp_path / "narrow.safetensors")
    assert back.student.width == 0.125 and back.config["slimmable"] is False
    assert back.provenance["cut"] == {"width": 0.125, "from": 0.25}
    assert back.quality["scores"]["student"] == whole.quality["scores"]["width 0.125"]
    assert torch.equal(back.student.head.weight, whole.student.head.weight[:, :8])
    with pytest.raises(UserError, match="--slimmable can be cut"):
        cut_trained(back, 0.125)


def test_a_width_that_was_not_judged_has_no_scores(run):
    assert cut_trained(load_student(run), 0.1875).quality == {}


@pytest.mark.parametrize("width", [0.1, 0.3, float("nan"), -1])
def test_widths_it_does_not_have(run, width):
    with pytest.raises(UserError, match="from 0.125 to 0.25"):
        cut_trained(load_student(run), width)


def test_a_student_of_irregular_channels_has_no_widths(run):
    whole = load_student(run)
    channels = {**vars(whole.student.channels), "encode": 8}
    pruned = Trained(HaarPainter(0.25, channels=channels), whole.config, {}, {})
    with pytest.raises(UserError, match="was pruned"):
        cut_trained(pruned, 0.125)


def test_a_slimmable_student_starts_a_narrower_one_and_a_narrow_one_starts_a_wider(run, settings, tmp_path):
    quiet = Console(file=io.StringIO())
    narrow = replace(settings, width=0.125, slimmable=False, warm_start=str(run), steps=1)
    distil(narrow, tmp_path / "narrow", "cpu", console=quiet)
    assert load_student(tmp_path / "narrow").student.width == 0.125
    wide = replace(settings, slimmable=False, warm_start=str(tmp_path / "narrow"), steps=1)
    told = io.StringIO()
    distil(wide, tmp_path / "wide", "cpu", console=Console(file=told, width=200))
    assert load_student(tmp_path / "wide").student.width == 0.25
    assert "channels are added that change nothing at first" in told.getvalue()
    with pytest.raises(UserError, match="cannot start"):
        distil(replace(narrow, warm_start=str(tmp_path / "wide")), tmp_path / "refused", "cpu", console=quiet)


@pytest.mark.parametrize("width", [0.125, 0.26, 0.1])
def test_widths_that_cannot_be_slimmed(width):
    with pytest.raises(UserError, match="--slimmable needs a --width above 0.125"):
        Settings(width=width, slimmable=True)
