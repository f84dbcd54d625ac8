"""The training loop: batches in, a better student out, a checkpoint every so often.

accelerate places the work (one device, mixed precision, or several processes under ``torchrun``); the order of the
data is a function of seed and step (:mod:`distill.samples`), so a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim.swa_utils import AveragedModel

from distill.checkpoint import STATE_FILE, load_state, save_state
from distill.muon import optimisers
from distill.objective import Objective
from distill.samples import Batch, Samples
from distill.settings import Settings
from runtime.errors import UserError

#: Called after every step, before its checkpoint, with its number (from 1) and the losses by name.
Report = Callable[[int, dict[str, float]], None]
WARM_UP = 100


class Trainer:
    """Owns student, optimisers and averages; :meth:`run` trains up to ``settings.steps``."""

    def __init__(self, settings: Settings, objective: Objective, samples: Samples, accelerator: Accelerator, out: Path):
        self.settings, self.samples, self.accelerator, self.out = settings, samples, accelerator, out
        self.step, self.perceptions = 0, list(objective.perceptions)
        objective.to(accelerator.device, memory_format=torch.channels_last)
        self.student = objective.student
        self.average = AveragedModel(self.student, avg_fn=self.follow, use_buffers=True)
        self.companions = objective.companions
        trained = (*self.student.parameters(), *self.companions.parameters())
        self.parameters = [p for p in trained if p.requires_grad]
        self.optimisers = optimisers(self.parameters, settings.muon_lr, settings.adam_lr)
        self.peaks = [o.param_groups[0]["lr"] for o in self.optimisers]
        self.objective = accelerator.prepare(objective)

    def follow(self, average: torch.Tensor, current: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        """Exponential moving average whose memory grows with the run, so that early averages are not stale."""
        decay = min(self.settings.ema, (1 + float(count)) / (10 + float(count)))
        return current.lerp(average, decay) if average.is_floating_point() else current

    def run(self, report: Report) -> nn.Module:
        """Train to the end and return the averaged student.

        Ctrl-C lets the step end, writes a checkpoint and raises ``KeyboardInterrupt``; a second one stops at once. A
        loss that is not a number raises :class:`~runtime.errors.UserError`. Either way the checkpoint on disk is good.
        """
        with ThreadPoolExecutor(1) as ahead, interrupt_between_steps() as interrupted:
            following = None
            while self.step < self.settings.steps:
                batch = self.samples.batch(self.step) if following is None else following.result()
                if self.step + 1 < self.settings.steps:
                    following = ahead.submit(self.samples.batch, self.step + 1)
                losses = self.advance(batch)
                report(self.step, losses)
                stop = self.in_any_process(interrupted())
                if stop or self.step % self.settings.checkpoint_every == 0 or self.step == self.settings.steps:
                    self.save()
                if stop:
                    raise KeyboardInterrupt
        return self.average.module

    def in_any_process(self, flag: bool) -> bool:
        """Whether ``flag`` is set anywhere: processes that a signal reaches at different steps stop at the same one."""
        if self.accelerator.num_processes == 1:
            return flag
        raised = torch.tensor(float(flag), device=self.accelerator.device)
        return self.accelerator.reduce(raised, "sum").item() > 0

    def advance(self, batch: Batch) -> dict[str, float]:
        """One optimiser step; returns the losses, averaged over processes."""
        self.set_rates()
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        losses = self.objective(batch.to(self.accelerator.device), self.perception())
        self.accelerator.backward(sum(losses.values()))
        norm = nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        values = self.accelerator.reduce(torch.stack([*losses.values(), norm]).detach(), "mean").tolist()
        if not all(map(math.isfinite, values)):
            bad = next(
                name for name, value in zip([*losses, "gradient"], values, strict=True) if not math.isfinite(value)
            )
            kept = (self.out / STATE_FILE).exists()
            raise UserError(
                f"{bad} stopped being a finite number at step {self.step + 1}, so training stopped: "
                + (f"--resume goes on from the last good checkpoint in {self.out}" if kept else "start again")
                + ", with a lower --learning-rate"
            )
        for optimiser in self.optimisers:
            optimiser.step()
        self.average.update_parameters(self.student)
        self.step += 1
        return dict(zip(losses, values, strict=False))

    def perception(self) -> str:
        """The cheap compact network first; VGG-19 itself for the last steps, if its weights are there."""
        last = self.step >= self.settings.steps * (1 - self.settings.vgg_share)
        return "vgg19" if last and "vgg19" in self.perceptions else "compact"

    def set_rates(self) -> None:
        """Linear warm-up, then a cosine down to 2 % of the peak."""
        done = self.step / self.settings.steps
        factor = min(1, (self.step + 1) / WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for optimiser, peak in zip(self.optimisers, self.peaks, strict=True):
            optimiser.param_groups[0]["lr"] = peak * factor

    def save(self) -> None:
        """Write the checkpoint, from the main process."""
        if self.accelerator.is_main_process:
            state = {
                "step": self.step,
                "student": self.student.state_dict(),
                "average": self.average.state_dict(),
                "optimisers": [o.state_dict() for o in self.optimisers],
                "companions": self.companions.state_dict(),
            }
            save_state(self.out / STATE_FILE, state)

    def restore(self) -> None:
        """Load the run's checkpoint; raises ``UserError`` when there is none, or it is of another student."""
        path = self.out / STATE_FILE
        if not path.exists():
            raise UserError(f"there is no checkpoint in {self.out} to resume from; leave out --resume to start")
        state = load_state(path)
        try:
            self.student.load_state_dict(state["student"])
            self.average.load_state_dict(state["average"])
            self.companions.load_state_dict(state.get("companions", {}))
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
            self.step = int(state["step"])
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"the checkpoint in {self.out} is of another student; choose another --out") from error


@contextmanager
def interrupt_between_steps() -> Iterator[Callable[[], bool]]:
    """Hold the first Ctrl-C or SIGTERM back until the step is complete, so that the checkpoint is consistent.

    A second one interrupts at once. Outside the main thread signals cannot be caught: nothing is held back.
    """
    caught: list[int] = []

    def hold(number: int, _frame: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        previous = {s: signal.signal(s, hold) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        previous = {}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
