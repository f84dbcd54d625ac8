"""The adversary: it learns beside the student, and neither trains the other by accident."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from distill.adversary import Adversary
from distill.distil import distil
from distill.losses import LossWeights
from distill.objective import Objective
from distill.run import Request, settings_of
from distill.students import FrozenPainter
from distill.teachers.cyclegan import CycleGanTeacher, initial_weights
from distill.teachers.patch_gan import PatchGan
from runtime.errors import UserError
from tests.distill import tiny
from tests.distill.test_intermediate import batch


@pytest.fixture
def adversary() -> Adversary:
    torch.manual_seed(0)
    return Adversary(PatchGan.initial(4))


def copied(adversary: Adversary) -> list[torch.Tensor]:
    return [p.clone() for p in adversary.parameters()]


def test_the_student_wants_to_be_taken_for_the_teacher(adversary):
    pictures = torch.rand(3, 3, 32, 32, requires_grad=True)
    scores = adversary.discriminator(pictures)
    loss = adversary(pictures)
    assert torch.allclose(loss, (scores - 1).square().mean((1, 2, 3)))
    loss.sum().backward()
    assert pictures.grad.abs().max() > 0 and all(p.grad is None for p in adversary.parameters())


def test_it_learns_to_tell_them_apart(adversary):
    torch.manual_seed(1)
    teacher, painted = torch.rand(4, 3, 32, 32) * 0.5 + 0.5, torch.rand(4, 3, 32, 32) * 0.5
    everyone = torch.ones(4, dtype=torch.bool)
    for _ in range(60):
        adversary.learn(painted, teacher, everyone)
    scores = [adversary.discriminator(pictures).mean().item() for pictures in (teacher, painted)]
    assert scores[0] > scores[1] + 0.5, "1 is for the teacher's"
    assert not any(p.requires_grad for p in adversary.parameters())


def test_it_hears_of_taught_rows_only(adversary):
    teacher, painted = torch.rand(2, 2, 3, 32, 32)
    before = copied(adversary)
    adversary.learn(painted, teacher, torch.zeros(2, dtype=torch.bool))
    assert all(torch.equal(p, q) for p, q in zip(before, adversary.parameters(), strict=True))
    other = Adversary(PatchGan(adversary.discriminator.weights.tensors()))
    first = torch.tensor([True, False])
    adversary.learn(painted, teacher, first)
    other.learn(torch.cat([painted[:1], 1 - painted[1:]]), torch.cat([teacher[:1], 1 - teacher[1:]]), first)
    assert all(torch.allclose(p, q) for p, q in zip(adversary.parameters(), other.parameters(), strict=True))


def test_its_state_is_the_network_and_the_optimiser(adversary):
    teacher, painted, everyone = *torch.rand(2, 2, 3, 32, 32), torch.ones(2, dtype=torch.bool)
    adversary.learn(painted, teacher, everyone)
    again = Adversary(PatchGan.initial(4))
    again.load_state_dict(copy.deepcopy(adversary.state_dict()))
    for one in (adversary, again):
        one.learn(painted, teacher, everyone)
    assert all(torch.equal(p, q) for p, q in zip(adversary.parameters(), again.parameters(), strict=True))


def test_a_step_of_the_objective_is_its_step_too(adversary):
    student = FrozenPainter(0.125)
    weights = LossWeights(**dict.fromkeys(vars(LossWeights()), 0.0) | {"adversarial": 3.0})
    step, before = Objective(student, {"compact": tiny.small_perception()}, weights, None, adversary), copied(adversary)
    losses = step(batch(), "compact")
    painted = step.paint(batch(), None)
    assert losses["adversarial"].item() == pytest.approx(3 * adversary(painted).mean().item(), rel=1e-4)
    assert not any(torch.equal(p, q) for p, q in zip(before, adversary.parameters(), strict=True) if p.dim() == 4)
    sum(losses.values()).backward()
    assert student.head.weight.grad.abs().max() > 0
    kept = copied(adversary)
    with torch.no_grad():
        step(batch(), "compact")
    assert all(torch.equal(p, q) for p, q in zip(kept, adversary.parameters(), strict=True)), "where nothing trains"


def test_the_teachers_discriminator_is_kept_where_there_is_one(tmp_path):
    torch.manual_seed(0)
    kept = PatchGan.initial(6)
    save_file(kept.weights.tensors(), tmp_path / "net_D.safetensors")
    weights = initial_weights(2, 6)
    with_one = CycleGanTeacher(weights, "", "", "", tmp_path / "net_D.safetensors")
    found = Adversary.of(with_one).discriminator.weights.tensors()
    assert all(torch.equal(value, found[name]) for name, value in kept.weights.tensors().items())
    fresh = Adversary.of(CycleGanTeacher(weights, "", "", "")).discriminator.weights.tensors()
    assert fresh["model.0.weight"].shape == (32, 3, 4, 4), "half of the paper's"


@pytest.fixture
def compressed(tmp_path, pictures, small):
    """Settings of a run in the manner of GAN Compression, with a small CycleGAN that brings its discriminator."""
    torch.manual_seed(0)
    save_file(initial_weights(2, 3).tensors(), tmp_path / "spots_net_G.safetensors")
    save_file(PatchGan.initial(4).weights.tensors(), tmp_path / "spots_net_D.safetensors")
    return settings_of(
        Request(losses=["intermediate=0.5", "adversarial=0.2"]),
        teacher="cyclegan",
        weights=str(tmp_path / "spots_net_G.safetensors"),
        preset="tiny",
        content=str(pictures / "photos"),
        seed=5,
    )


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


def test_a_resumed_run_has_the_same_adversary_and_maps(compressed, tmp_path):
    """Whole, and stopped after half; what learns beside the student is in the checkpoint, not in the student."""
    distil(compressed, tmp_path / "whole", "cpu", console=quiet())
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("distill.train.Trainer.in_any_process", lambda trainer, flag: trainer.step == 6)
        distil(compressed, tmp_path / "parts", "cpu", console=quiet())
    distil(compressed, tmp_path / "parts", "cpu", resume=True, console=quiet())
    one, other = (load_file(tmp_path / name / "student.safetensors") for name in ("whole", "parts"))
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)
    assert not any("maps" in name or "discriminator" in name for name in one)
    rows = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert all(row["intermediate"] > 0 and row["adversarial"] > 0 for row in rows)


def test_a_teacher_without_activations_is_told_before_anything_is_written(compressed, tmp_path):
    wrong = replace(compressed, teacher="sepia", weights=None)
    with pytest.raises(UserError, match="--loss intermediate: sepia shows no activations"):
        distil(wrong, tmp_path / "run", "cpu", console=quiet())
    assert not Path(tmp_path / "run").exists()
