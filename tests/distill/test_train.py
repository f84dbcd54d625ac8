"""The training loop, on a student of two numbers and on a real one: what a step does, and what interrupts leave."""

from __future__ import annotations

import math
import os
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from distill import train
from distill.checkpoint import load_state
from distill.losses import LossWeights
from distill.objective import Objective
from distill.samples import Batch
from distill.settings import Settings
from distill.students import build_student
from distill.train import Trainer, interrupt_between_steps
from runtime.errors import UserError
from tests.distill.tiny import small_perception

SETTINGS = Settings(steps=8, checkpoint_every=3, muon_lr=0.02, adam_lr=0.01)


class Toy(nn.Module):
    """Fits a convolution kernel and a bias to a number that the batch holds."""

    def __init__(self, perceptions: tuple[str, ...] = ("compact",)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.student = nn.Conv2d(2, 3, 2)
        self.perceptions = nn.ModuleDict({name: nn.Identity() for name in perceptions})
        self.companions = nn.ModuleDict()
        self.used: list[str] = []

    def forward(self, batch: Batch, perception: str) -> dict[str, Tensor]:
        self.used.append(perception)
        error = self.student(batch.content).mean() - 3
        return {"near": error.square(), "far": error.abs() * 0.5}


class Numbers:
    """Batches that are a function of the step, and a note of which steps were asked for."""

    def __init__(self, broken: dict[int, float] | None = None) -> None:
        self.asked: list[int] = []
        self.broken = broken or {}

    def batch(self, step: int) -> Batch:
        self.asked.append(step)
        content = torch.rand(2, 2, 4, 4, generator=torch.Generator().manual_seed(step))
        content = content * self.broken.get(step, 1.0)
        flags = torch.zeros(2, dtype=torch.bool)
        return Batch(content, content, content, flags, flags, 1)


def make(out: Path, samples: Numbers | None = None, objective: nn.Module | None = None, **changes) -> Trainer:
    settings = Settings(**{**vars(SETTINGS), **changes})
    return Trainer(settings, objective or Toy(), samples or Numbers(), Accelerator(cpu=True), out)


def silent(step: int, losses: dict[str, float]) -> None:
    pass


def checkpoint(out: Path) -> dict:
    return load_state(out / "checkpoint.pt")


def weights(trainer: Trainer) -> list[Tensor]:
    return [p.detach().clone() for p in trainer.student.parameters()]


def test_the_loss_falls(tmp_path, monkeypatch):
    """A real student learns to invert colours."""
    monkeypatch.setattr(train, "WARM_UP", 5)
    torch.manual_seed(0)
    student = build_student("haar_painter", width=0.125, blocks=0)
    objective = Objective(student, {"compact": small_perception()}, LossWeights(style=0.0))
    content = torch.rand(2, 3, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    flags = torch.ones(2, dtype=torch.bool)
    batch = Batch(content, content, 1 - content, flags, ~flags, 2)
    losses = []
    trainer = make(tmp_path, SimpleNamespace(batch=lambda step: batch), objective, steps=40, muon_lr=0.02)
    trainer.run(lambda step, parts: losses.append(parts["teacher"]))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_every_step_is_reported_before_the_checkpoint_that_covers_it(tmp_path):
    seen = []

    def report(step: int, losses: dict[str, float]) -> None:
        assert set(losses) == {"near", "far"} and all(map(math.isfinite, losses.values()))
        on_disk = checkpoint(tmp_path)["step"] if (tmp_path / "checkpoint.pt").exists() else 0
        seen.append((step, on_disk))

    trainer = make(tmp_path)
    assert trainer.run(report) is trainer.average.module
    assert seen == [(1, 0), (2, 0), (3, 0), (4, 3), (5, 3), (6, 3), (7, 6), (8, 6)]
    assert checkpoint(tmp_path)["step"] == 8
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_batches_come_in_order_although_they_are_drawn_ahead(tmp_path):
    samples, used = Numbers(), []
    toy = Toy()
    toy.register_forward_pre_hook(lambda module, args: used.append(args[0].content))
    make(tmp_path, samples, toy).run(silent)
    assert samples.asked == list(range(8))
    assert all(torch.equal(a, Numbers().batch(step).content) for step, a in enumerate(used))


def test_a_finished_run_draws_nothing(tmp_path):
    make(tmp_path).run(silent)
    samples = Numbers()
    again = make(tmp_path, samples)
    again.restore()
    again.run(silent)
    assert samples.asked == [] and again.step == 8


def test_an_error_of_the_samples_ends_the_run(tmp_path):
    class Broken(Numbers):
        def batch(self, step: int) -> Batch:
            if step == 4:
                raise UserError("no picture can be read any more")
            return super().batch(step)

    with pytest.raises(UserError, match="no picture"):
        make(tmp_path, Broken()).run(silent)
    assert checkpoint(tmp_path)["step"] == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint(tmp_path, bad):
    trainer = make(tmp_path, Numbers({4: bad}))
    with pytest.raises(UserError, match="near stopped being a finite number at step 5") as caught:
        trainer.run(silent)
    assert f"--resume goes on from the last good checkpoint in {tmp_path}" in str(caught.value)
    assert "lower --learning-rate" in str(caught.value) and "\n" not in str(caught.value)
    assert all(w.isfinite().all() for w in [*weights(trainer), *trainer.average.module.parameters()])
    again = make(tmp_path, muon_lr=0.01)
    again.restore()
    assert again.step == 3
    again.run(silent)
    assert all(w.isfinite().all() for w in weights(again))


def test_without_a_checkpoint_the_advice_is_to_start_again(tmp_path):
    with pytest.raises(UserError, match="so training stopped: start again, with a lower --learning-rate"):
        make(tmp_path, Numbers({0: math.nan})).run(silent)
    assert list(tmp_path.iterdir()) == []


def test_a_gradient_that_is_no_number_is_named(tmp_path):
    class Root(Toy):
        def forward(self, batch: Batch, perception: str) -> dict[str, Tensor]:
            return {"root": (self.student.weight * 0).sum().sqrt() + self.student.bias.sum() * 0}

    trainer = make(tmp_path, objective=Root())
    before = weights(trainer)
    with pytest.raises(UserError, match="^gradient stopped being a finite number at step 1"):
        trainer.run(silent)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(trainer), strict=True))


@pytest.mark.parametrize("clip", [0.1, 1e6])
def test_gradients_are_clipped_together(tmp_path, clip):
    trainer = make(tmp_path, clip=clip)
    trainer.advance(Numbers().batch(0))
    norm = torch.stack([p.grad.norm() for p in trainer.parameters]).norm().item()
    assert norm == pytest.approx(clip, rel=1e-3) if clip == 0.1 else 1 < norm < clip


def test_kernels_go_to_muon_and_the_rest_to_adam(tmp_path):
    trainer = make(tmp_path)
    muon, adam = trainer.optimisers
    assert [p.dim() for p in muon.param_groups[0]["params"]] == [4]
    assert [p.dim() for p in adam.param_groups[0]["params"]] == [1]


def test_frozen_weights_stay(tmp_path):
    toy = Toy()
    toy.student.bias.requires_grad_(False)
    toy.student.extra = nn.Parameter(torch.ones(2))
    trainer = make(tmp_path, objective=toy)
    assert len(trainer.parameters) == 2
    before = toy.student.bias.clone()
    trainer.run(silent)
    assert torch.equal(toy.student.bias, before) and torch.equal(trainer.average.module.bias, before)


def test_the_average_follows_with_a_memory_that_grows(tmp_path):
    trainer = make(tmp_path, ema=0.25, steps=6)
    history = []
    average = trainer.run(lambda step, losses: history.append(weights(trainer)))
    wanted = history[0]
    for count, current in enumerate(history[1:], start=1):
        decay = min(0.25, (1 + count) / (10 + count))
        wanted = [decay * a + (1 - decay) * c for a, c in zip(wanted, current, strict=True)]
    for a, b, last in zip(wanted, average.parameters(), history[-1], strict=True):
        assert torch.allclose(a, b, atol=1e-6)
        assert not torch.allclose(b, last, atol=1e-6)


def test_rates_warm_up_and_follow_a_cosine(tmp_path):
    trainer = make(tmp_path, steps=1000, muon_lr=0.5, adam_lr=0.1)

    def rate(step: int) -> float:
        trainer.step = step
        trainer.set_rates()
        muon, adam = (o.param_groups[0]["lr"] for o in trainer.optimisers)
        assert muon == pytest.approx(5 * adam)
        return muon / 0.5

    assert rate(0) == pytest.approx(0.01)
    assert rate(49) == pytest.approx(0.5, rel=0.01)
    assert rate(500) == pytest.approx(0.51)
    assert rate(1000) == pytest.approx(0.02)
    rates = [rate(step) for step in range(100, 1001, 50)]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(
    ("present", "share", "wanted"),
    [
        (("compact", "vgg19"), 0.25, ["compact"] * 6 + ["vgg19"] * 2),
        (("compact", "vgg19"), 0.0, ["compact"] * 8),
        (("compact", "vgg19"), 1.0, ["vgg19"] * 8),
        (("compact",), 0.25, ["compact"] * 8),
    ],
)
def test_vgg19_judges_the_last_steps(tmp_path, present, share, wanted):
    toy = Toy(present)
    make(tmp_path, objective=toy, vgg_share=share).run(silent)
    assert toy.used == wanted


def test_a_run_that_goes_on_ends_in_the_same_bits(tmp_path):
    straight, first = make(tmp_path / "a"), make(tmp_path / "b")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()

    def stop(step: int, losses: dict[str, float]) -> None:
        if step == 5:
            raise RuntimeError("the machine went off")

    straight.run(silent)
    with pytest.raises(RuntimeError):
        first.run(stop)
    second = make(tmp_path / "b")
    with torch.no_grad():
        second.student.weight.zero_()
    second.restore()
    assert second.step == 3
    second.run(silent)
    for name in ("student", "average"):
        one, other = (getattr(trainer, name).state_dict() for trainer in (straight, second))
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_no_checkpoint_to_resume_from(tmp_path):
    with pytest.raises(UserError, match="no checkpoint in .* to resume from; leave out --resume to start"):
        make(tmp_path).restore()


@pytest.mark.parametrize(
    "state",
    [
        [1, 2],
        5,
        {},
        {"step": 1, "student": {}, "average": {}, "optimisers": []},
        {"step": 1, "student": [1], "average": None, "optimisers": 3},
    ],
    ids=["list", "number", "empty", "no weights", "kinds"],
)
def test_checkpoints_of_something_else_are_refused(tmp_path, state):
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(UserError, match="is of another student; choose another --out"):
        make(tmp_path).restore()


@pytest.mark.parametrize(
    ("name", "value"),
    [("step", "soon"), ("step", None), ("optimisers", []), ("optimisers", [{}, {}]), ("average", {"n_averaged": 1})],
)
def test_damaged_checkpoints_are_refused(tmp_path, name, value):
    make(tmp_path).run(silent)
    torch.save(checkpoint(tmp_path) | {name: value}, tmp_path / "checkpoint.pt")
    with pytest.raises(UserError, match="is of another student"):
        make(tmp_path).restore()


class Code:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def test_a_hostile_checkpoint_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"step": 1, "student": Code()}, tmp_path / "checkpoint.pt")
    with pytest.raises(UserError, match="checkpoint.pt cannot be read"):
        make(tmp_path).restore()
    assert not Path("made-by-a-pickle").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_step_end_and_leaves_a_checkpoint(tmp_path, number):
    class Signalled(Toy):
        def forward(self, batch: Batch, perception: str) -> dict[str, Tensor]:
            if len(self.used) == 4:
                os.kill(os.getpid(), number)
            return super().forward(batch, perception)

    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    steps = []
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, objective=Signalled()).run(lambda step, losses: steps.append(step))
    assert steps[-1] == checkpoint(tmp_path)["step"] == 5
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_signal_stops_at_once_and_leaves_the_last_checkpoint(tmp_path):
    """Between the two optimisers, say: half a step must not be kept."""
    trainer = make(tmp_path)
    adam = trainer.optimisers[1]
    step = adam.step

    def twice(*args: object) -> None:
        if trainer.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        step(*args)

    adam.step = twice
    with pytest.raises(KeyboardInterrupt):
        trainer.run(silent)
    assert checkpoint(tmp_path)["step"] == 3


def test_outside_the_main_thread_nothing_is_caught(tmp_path):
    trainer = make(tmp_path)
    thread = threading.Thread(target=trainer.run, args=(silent,))
    thread.start()
    thread.join(60)
    assert trainer.step == 8


def test_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError), interrupt_between_steps() as interrupted:
        assert signal.getsignal(signal.SIGINT) is not before
        assert not interrupted()
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_processes_stop_at_the_same_step(tmp_path, monkeypatch):
    """The first to hear of a signal tells the others."""
    trainer = make(tmp_path)
    elsewhere = [0.0, 0.0, 1.0]

    def reduce(tensor: Tensor, how: str) -> Tensor:
        return tensor if how == "mean" else tensor + elsewhere.pop(0)

    trainer.accelerator = SimpleNamespace(
        num_processes=2,
        device=torch.device("cpu"),
        is_main_process=True,
        reduce=reduce,
        backward=lambda loss: loss.backward(),
    )
    with pytest.raises(KeyboardInterrupt):
        trainer.run(silent)
    assert trainer.step == checkpoint(tmp_path)["step"] == 3


def test_only_the_main_process_writes(tmp_path):
    trainer = make(tmp_path)
    trainer.accelerator = SimpleNamespace(is_main_process=False)
    trainer.save()
    assert list(tmp_path.iterdir()) == []
