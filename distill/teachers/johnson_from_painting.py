"""From one painting to a network of Johnson et al. 2016: a file, or a teacher that later runs find again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save

from distill.accelerator import best_device
from distill.data import open_pictures
from distill.data.folder import file_identity
from distill.teacher_cache import cache_root
from distill.teachers.johnson import JohnsonTeacher, of_file
from distill.teachers.johnson_training import JohnsonLoss, JohnsonTrainer, Training, painting_of
from distill.train import interrupt_between_steps
from distill.vgg_layers import open_layers
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

CHECKPOINT_EVERY = 50
SHORT_SIDE_OVER_CROP = 1.6
FORMAT = "brushlet-johnson-1"
#: Lines that are printed where there is no terminal for a bar.
LINES = 20


def train_johnson(
    how: Training,
    painting: Path,
    out: Path,
    content: str | None = None,
    weights: str | Path | None = None,
    resume: bool = False,
    device: str = "cpu",
    console: Console | None = None,
) -> None:
    """Train a network for ``painting`` and write it to ``out`` as safetensors, in the layout of pytorch/examples.

    Args:
        content: photos, as for ``distill --content``; None for the samples that ship.
        weights: where VGG-19 is looked for, as for ``distill --weights``; the compact one steps in.
        resume: go on from the checkpoint that a training which was stopped left beside ``out``.

    Raises:
        UserError: ``out`` is there already or cannot be written, pictures or weights cannot be read, or the checkpoint
            is missing or of another training.
        KeyboardInterrupt: Ctrl-C; the step came to its end and a checkpoint was written.
    """
    if out.exists():
        raise UserError(f"{out} is there already: choose another name with --output")
    if not out.parent.is_dir():
        raise UserError(f"cannot write {out}: the folder does not exist")
    if resume and not checkpoint_of(out).exists():
        raise UserError(f"there is no checkpoint {checkpoint_of(out)} to resume from: leave --resume out to start")
    console = console or Console(stderr=True)
    trainer, run = prepared(how, painting, content, weights, device)
    run_to_end(trainer, run, out, resume, console, "the same command and --resume")


def teacher_of(
    painting: Path,
    content: str | None,
    seed: int,
    width: float = 0.5,
    steps: int = 2000,
    batch: int = 4,
    size: int = 160,
    style_weight: float = 2.0,
) -> JohnsonTeacher:
    """The teacher of a painting: trained now, taken up where it was stopped, or found where an earlier run kept it."""
    how = Training(width, steps, batch, size, style_weight=style_weight, seed=seed)
    console = Console(stderr=True)
    trainer, run = prepared(how, painting, content, None, best_device())
    key = hashlib.sha256(json.dumps(run).encode()).hexdigest()[:16]
    folder = cache_root().parent / "trained-teachers"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot keep trained teachers in {folder}: {error.strerror}; set BRUSHLET_CACHE") from error
    out = folder / f"johnson-{key}.safetensors"
    with FileLock(f"{out}.lock"):  # of several processes, one trains
        if not out.exists():
            console.print(f"training a Johnson network for {painting.name} first: {out}", markup=False, soft_wrap=True)
            run_to_end(trainer, run, out, checkpoint_of(out).exists(), console, "the same command")
    teacher = of_file(out)
    teacher.style_name = painting.stem
    teacher.description = f"Johnson et al. 2016 at width {how.width:g}, trained for {painting.name} by {run['loss']}"
    teacher.licence = "that of the painting, of the photos it was trained on, and of the loss network"
    return teacher


def prepared(
    how: Training, painting: Path, content: str | None, weights: str | Path | None, device: str
) -> tuple[JohnsonTrainer, dict[str, Any]]:
    """A trainer at its start, and all that its result depends on."""
    photos = open_pictures(content, "content", round(how.size * SHORT_SIDE_OVER_CROP), "train")
    network = open_layers(weights, "max").to(device)
    loss = JohnsonLoss(network, painting_of(painting, how.style_size).to(device), how)
    run = {**asdict(how), "loss": loss.description, "photos": photos.fingerprint, "painting": file_identity(painting)}
    return JohnsonTrainer(how, loss, photos, device), run


def run_to_end(
    trainer: JohnsonTrainer, run: dict[str, Any], out: Path, resume: bool, console: Console, again: str
) -> None:
    """Train to the last step and write the network; the checkpoint beside it is there only as long as it is needed.

    ``again`` is how a training that is stopped goes on.
    """
    checkpoint, steps = checkpoint_of(out), trainer.how.steps
    console.print(f"losses: {run['loss']}; {len(trainer.photos)} photos", markup=False, soft_wrap=True)
    if resume:
        trainer.restore(checkpoint, run)
        console.print(f"resuming after step {trainer.step}")
    with interrupt_between_steps() as interrupted, shown(steps, trainer.step, console) as show:
        while trainer.step < steps:
            show(trainer.step + 1, trainer.advance())
            stop = interrupted()
            if stop or trainer.step % CHECKPOINT_EVERY == 0:
                trainer.save(checkpoint, run)
            if stop:
                console.print(
                    f"stopped; the checkpoint is {checkpoint}. Go on with {again}", markup=False, soft_wrap=True
                )
                raise KeyboardInterrupt
    write_atomically(out, save(trainer.state(), {"format": FORMAT, "training": json.dumps(run)}))
    checkpoint.unlink(missing_ok=True)


@contextmanager
def shown(steps: int, start: int, console: Console) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """A function that shows a step and its losses: on a bar, or as a line now and then where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=steps, completed=start)

        def show(step: int, losses: dict[str, float]) -> None:
            parts = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            bar.update(task, completed=step, description=parts)
            if not console.is_terminal and step % max(1, steps // LINES) == 0:
                console.print(f"step {step}/{steps} {parts}", soft_wrap=True)

        yield show


def checkpoint_of(out: Path) -> Path:
    """Where the state of a training that was stopped lies."""
    return out.with_name(f"{out.name}.checkpoint")
