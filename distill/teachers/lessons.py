"""Training a teacher network from pictures: steps, checkpoints, an interrupt that can be resumed.

What is trained, and how, is its method's own (:class:`Lessons`); a step is a function of its number and of the state
of the parts, so a training that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from safetensors.torch import save
from torch import Tensor

from distill.checkpoint import STATE_FILE, load_state, save_state
from distill.progress import RunProgress
from distill.train import interrupt_between_steps
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

CONFIG_FILE = "config.json"
#: What a resumed training may have otherwise: to train longer, or to get past a divergence.
MAY_CHANGE = {"steps", "check_every", "learning_rate"}


class Stateful(Protocol):
    """A module, an optimiser, or a memory of pictures."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


class Lessons(Protocol):
    """One method's training.

    Attributes:
        settings: a dataclass with ``steps`` and ``batch``.
        record: all that the result depends on, as JSON: what a training that goes on has to have again.
        parts: all of its state.
    """

    settings: Any
    record: Mapping[str, Any]
    parts: Mapping[str, Stateful]

    def step(self, number: int) -> dict[str, float]:
        """Train one step, counted from 0; returns losses by name."""


def folder_of(out: Path) -> Path:
    """Where a training keeps its checkpoint, its losses and its pictures: beside the file that it will write."""
    return out.with_name(f"{out.stem}-training")


def give(
    lessons: Lessons,
    folder: Path,
    resume: bool,
    console: Console,
    every: int,
    keep: Callable[[int], None] = lambda step: None,
    again: str = "the same command and --resume",
) -> None:
    """Train to the last step; ``keep(step)`` at the start, and with a checkpoint every so many steps and at the end.

    ``folder`` gets checkpoint, settings and losses; ``again`` is how a training that is stopped goes on.

    Raises:
        UserError: there is a training in that place already, or none to resume, or a loss is not a number any more.
        KeyboardInterrupt: after a step was completed and a checkpoint written.
    """
    steps, start = lessons.settings.steps, prepared(lessons, folder, resume)
    with (
        RunProgress(folder, steps, lessons.settings.batch, start, console, label="training") as progress,
        interrupt_between_steps() as interrupted,
    ):
        if start == 0:
            keep(0)
        for number in range(start, steps):
            losses = lessons.step(number)
            if bad := [name for name, value in losses.items() if not math.isfinite(value)]:
                kept = (folder / STATE_FILE).exists()
                mend = "with --resume" if kept else "from the start, or with lower weights of losses"
                raise UserError(
                    f"{bad[0]} stopped being a finite number at step {number + 1}, so training stopped: "
                    f"try a lower learning rate, {mend}"
                )
            done = number + 1
            progress(done, losses)
            stop = interrupted()
            due = done % every == 0 or done == steps
            if due:
                keep(done)
            if stop or due:
                state = {name: part.state_dict() for name, part in lessons.parts.items()}
                save_state(folder / STATE_FILE, {"step": done, **state})
            if stop:
                line = f"stopped; the checkpoint is in {folder}. Go on with {again}"
                console.print(line, soft_wrap=True, markup=False)
                raise KeyboardInterrupt


def prepared(lessons: Lessons, folder: Path, resume: bool) -> int:
    """Make the folder, or load what it holds; returns the number of steps that are done."""
    checkpoint, config = folder / STATE_FILE, folder / CONFIG_FILE
    wanted = json.loads(json.dumps(lessons.record))
    if not resume:
        if checkpoint.exists():
            raise UserError(f"{folder} already holds a training: continue it with --resume, or train elsewhere")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror}") from error
        write_atomically(config, (json.dumps(wanted, indent=2) + "\n").encode())
        return 0
    if not checkpoint.exists():
        raise UserError(f"there is no training in {folder} to resume")
    try:
        started = json.loads(config.read_text(encoding="utf-8"))
        changed = {name for name in {*wanted, *started} if wanted.get(name) != started.get(name)} - MAY_CHANGE
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{config} cannot be read: start again elsewhere") from error
    if changed:
        what = ", ".join(sorted(changed))
        raise UserError(f"that training was started with another {what}: repeat it, or train elsewhere")
    state = load_state(checkpoint)
    try:
        for name, part in lessons.parts.items():
            part.load_state_dict(state[name])
        return int(state["step"])
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"the checkpoint in {folder} is of another network: train elsewhere") from error


def linear_decay(step: int, steps: int) -> float:
    """Factor of the learning rate: 1 for the first half, then in a line to 0 (CycleGAN, section 7.1)."""
    return min(1.0, 2 * (1 - step / steps))


def write_weights(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """A safetensors file whose metadata says how it was made."""
    data = save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, {"record": json.dumps(record)})
    write_atomically(path, data)


def print_scores(out: Path, scores: Mapping[str, Mapping[str, float]], as_json: bool) -> None:
    """The scores of held-back pictures, one column for each state of the network, and where the network is."""
    if as_json:
        print(json.dumps({"out": str(out), "scores": scores}, indent=2))
        return
    table = Table(title="held-back pictures")
    for column in ("", *scores):
        table.add_column(column, justify="right" if column else "left")
    for name in next(iter(scores.values())):
        table.add_row(name, *(f"{column[name]:.4f}" for column in scores.values()))
    console = Console()
    console.print(table)
    console.print(f"{out}: written; its checkpoint and pictures are in {folder_of(out)}", soft_wrap=True, markup=False)
