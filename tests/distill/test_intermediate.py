"""Likeness to a teacher's activations: which are compared, where, and who hears of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from distill.framed import paint_framed
from distill.intermediate import GAIN, Intermediate, evenly, watched
from distill.losses import LossWeights
from distill.objective import Objective
from distill.samples import Batch
from distill.students import FrozenPainter, HaarPainter
from distill.teachers.cyclegan import CycleGanTeacher, initial_weights
from runtime.errors import UserError
from tests.distill import tiny


@pytest.fixture(scope="module")
def teacher() -> CycleGanTeacher:
    torch.manual_seed(0)
    return CycleGanTeacher(initial_weights(2, 6), "", "", "").requires_grad_(False)


def student() -> FrozenPainter:
    torch.manual_seed(1)
    return FrozenPainter(0.125, 2)


def batch(rows: int = 2) -> Batch:
    torch.manual_seed(2)
    content, teacher = torch.rand(2, rows, 3, 32, 32)
    everyone = torch.ones(rows, dtype=torch.bool)
    return Batch(content, content, teacher, everyone, ~everyone, 1)


def test_the_first_and_the_last_are_among_those_compared():
    """Of nine blocks and three, as GAN Compression has it: before the first, and after every third."""
    assert evenly(list(range(10)), 4) == [0, 3, 6, 9]
    assert evenly(list(range(7)), 4) == [0, 2, 4, 6] and evenly(list(range(7)), 3) == [0, 3, 6]
    assert evenly(list(range(7)), 1) == [0]


def test_the_teacher_shows_what_it_paints_from(teacher):
    """The activations before and after each block, the last of which becomes the picture."""
    states = teacher.trunk(torch.rand(1, 3, 32, 32))
    assert [tuple(state.shape) for state in states] == [(1, 8, 8, 8)] * 7
    assert not torch.equal(states[0], states[1])


def test_the_student_is_watched_while_it_paints(teacher):
    painter, content = student(), torch.rand(1, 3, 32, 32)
    with watched(painter) as seen:
        paint_framed(painter, content, ())
    trunk = painter.channels.trunk
    assert [tuple(state.shape) for state in seen] == [(1, trunk, 16, 16)] * 3, "4 pixels of frame around 8"
    paint_framed(painter, content, ())
    assert len(seen) == 3, "and not afterwards"


def test_what_is_left_is_in_parts_of_the_teachers_variance():
    """Maps that give the teacher's mean leave all of its variance, and maps that give its activations nothing."""
    states = [3 + 2 * torch.randn(2, 4, 8, 8) for _ in range(3)]
    intermediate = Intermediate(lambda content: states, 4, 3, 4)
    framed = [nn.functional.pad(state, [4] * 4) for state in states]
    for layer, state in zip(intermediate.maps, states, strict=True):
        layer.weight.data.zero_()
        layer.bias.data.fill_(float(state.mean()) / GAIN)
    assert intermediate(framed, torch.zeros(2, 3, 32, 32)).item() == pytest.approx(1, rel=0.01)
    for layer in intermediate.maps:
        layer.weight.data.copy_(torch.eye(4) / GAIN)
        layer.bias.data.zero_()
    assert intermediate(framed, torch.zeros(2, 3, 32, 32)).item() == pytest.approx(0, abs=1e-6)


def test_the_loss_reaches_the_student_and_the_maps(teacher):
    painter = student()
    weights = LossWeights(**dict.fromkeys(vars(LossWeights()), 0.0) | {"intermediate": 2.0})
    see = {"compact": tiny.small_perception()}
    step = Objective(painter, see, weights, Intermediate.between(teacher, painter))
    losses = step(batch(), "compact")
    assert losses["intermediate"] > 0 and sum(losses.values()).item() == losses["intermediate"].item()
    sum(losses.values()).backward()
    assert all(p.grad.abs().max() > 0 for p in step.companions.parameters())
    reached = {name for name, p in painter.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert {"stem.weight", "encode.outer.weight", "blocks.1.outer.weight"} <= reached
    assert "head.weight" not in reached, "the picture itself is another loss's"


def test_maps_learn_to_explain_the_teacher(teacher):
    painter = student()
    intermediate, content = Intermediate.between(teacher, painter), batch().content
    with torch.no_grad(), watched(painter) as seen:
        paint_framed(painter, content, ())
    optimiser = torch.optim.Adam(intermediate.parameters(), 0.003)
    losses = []
    for _ in range(40):
        losses.append(intermediate(seen, content))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.85 * losses[0]


def test_it_is_an_option_for_teachers_that_have_activations_to_show(teacher):
    with pytest.raises(UserError, match="--loss intermediate: sepia shows no activations"):
        Intermediate.between(tiny.Sepia(), student())
    with pytest.raises(UserError, match="--loss intermediate: cyclegan shows no activations"):
        Intermediate.between(teacher, HaarPainter(0.125))


def test_without_it_nothing_is_watched_or_weighed(monkeypatch):
    def never(student: nn.Module) -> Tensor:
        raise AssertionError

    monkeypatch.setattr("distill.objective.watched", never)
    step = Objective(student(), {"compact": tiny.small_perception()}, LossWeights())
    assert "intermediate" not in step(batch(), "compact") and not list(step.companions.parameters())
