"""One step's losses: which rows count for what."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from distill.framed import paint_framed
from distill.losses import LossWeights, content_loss, range_loss, style_loss, variation_loss
from distill.objective import Objective, frame_of, mean_over
from distill.samples import Batch
from distill.students import build_student
from tests.distill.tiny import small_perception


@pytest.fixture(scope="module")
def student() -> torch.nn.Module:
    torch.manual_seed(0)
    student = build_student("haar_painter", width=0.125)
    torch.nn.init.normal_(student.style.out.weight, 0, 1)  # styles matter from the start
    return student


def make_batch(rows: int = 4, ratio: int = 2) -> Batch:
    """The first row is an identity row, the second has a teacher picture, the others have none."""
    torch.manual_seed(1)
    content, style, teacher = torch.rand(3, rows, 3, 32, 32)
    identity = torch.arange(rows) == 0
    style[0] = teacher[0] = content[0]
    return Batch(content, style, teacher, torch.arange(rows) < 2, identity, ratio)


def objective(student: torch.nn.Module, **weights: float) -> Objective:
    return Objective(student, {"compact": small_perception()}, LossWeights(**weights))


def paint(step: Objective, batch: Batch) -> torch.Tensor:
    return step.paint(batch, step.student.style.statistics(batch.style))


def test_identity_rows_are_painted_at_strength_0(student):
    batch = make_batch()
    painted = paint(objective(student), batch)
    neutral = [(torch.ones(1, s.channels, 1, 1), torch.zeros(1, s.channels, 1, 1)) for s in student.sites]
    frame = frame_of(student, batch)
    assert torch.allclose(painted[:1], paint_framed(student, batch.content[:1], neutral, frame), atol=1e-5)
    affine = student.affine(student.style(batch.style), student.measure(batch.thumbnail()))
    stylised = paint_framed(student, batch.content, affine, frame)
    assert torch.allclose(painted[1:], stylised[1:], atol=1e-5)
    assert (painted[0] - stylised[0]).abs().max() > 0.01


def test_statistics_come_from_the_thumbnail(student):
    small = make_batch(ratio=4)
    assert small.thumbnail().shape == (4, 3, 8, 8)
    assert torch.allclose(small.thumbnail().mean((2, 3)), small.content.mean((2, 3)), atol=1e-6)
    assert make_batch(ratio=1).thumbnail() is not None
    assert torch.equal(make_batch(ratio=1).thumbnail(), small.content)


def test_each_loss_is_its_formula(student):
    w = LossWeights(content=2, style=3, teacher=5, teacher_features=7, variation=11, range=13)
    step, batch = Objective(student, {"compact": small_perception()}, w), make_batch()
    losses = step(batch, "compact")
    see, painted = small_perception(), paint(step, batch)
    mine, taught = see(painted), see(batch.teacher)
    wanted = {
        "content": 2 * content_loss(mine, see(batch.content)),
        "style": 3 * style_loss(mine, see(batch.style)),
        "variation": 11 * variation_loss(painted),
        "range": 13 * range_loss(painted),
        "teacher": 5 * (painted - batch.teacher)[:2].abs().mean() / 2,
        "teacher_features": 7 * (mine.content - taught.content)[:2].square().mean() / 2,
    }
    assert losses.keys() == wanted.keys()
    for name in losses:
        assert losses[name].item() == pytest.approx(wanted[name].item(), rel=1e-4), name


def test_rows_without_a_teacher_picture_do_not_hear_of_it(student):
    batch = make_batch()
    changed = batch.teacher.clone()
    changed[2:] = 1 - changed[2:]
    step = objective(student)
    losses, others = step(batch, "compact"), step(replace(batch, teacher=changed), "compact")
    assert all(torch.equal(losses[name], others[name]) for name in losses)
    none = step(replace(batch, taught=torch.zeros(4, dtype=torch.bool)), "compact")
    assert none["teacher"].item() == none["teacher_features"].item() == 0


def test_a_weight_of_0_switches_a_loss_off(student):
    off = dict.fromkeys(vars(LossWeights()), 0.0)
    losses = objective(student, **off | {"variation": 1.0})(make_batch(), "compact")
    assert {name for name, loss in losses.items() if loss.item() != 0} == {"variation"}


def test_gradients_reach_everything_that_trains(student):
    step = objective(student)
    sum(step(make_batch(), "compact").values()).backward()
    for name, parameter in student.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        else:
            assert parameter.grad is None, name
    assert all(p.grad is None for p in step.perceptions.parameters())


def rows_of(batch: Batch, rows: slice) -> Batch:
    parts = {name: getattr(batch, name)[rows] for name in ("content", "style", "teacher", "taught", "identity")}
    return replace(batch, **parts)


def test_half_batches_average_to_the_whole(student):
    """What data-parallel processes rely on: gradients of their means average to the joint mean's."""
    step, batch = objective(student), make_batch()
    whole = step(batch, "compact")
    parts = [step(rows_of(batch, rows), "compact") for rows in (slice(2), slice(2, 4))]
    for name in whole:
        assert whole[name].item() == pytest.approx(sum(p[name].item() for p in parts) / 2, rel=1e-3, abs=1e-6), name


def test_means_divide_by_all_rows_of_the_batch():
    errors = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    assert mean_over(3, errors).item() == pytest.approx((2 + 6) / 3)
    assert mean_over(3, errors[:0]).item() == 0


def test_a_batch_without_teacher_pictures_trains(student):
    """Another process may have some, so every parameter must get a gradient all the same."""
    student.zero_grad()
    batch = replace(make_batch(), taught=torch.zeros(4, dtype=torch.bool))
    sum(objective(student)(batch, "compact").values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in student.parameters() if p.requires_grad)
