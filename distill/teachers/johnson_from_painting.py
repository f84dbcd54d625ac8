"""From one painting to a network of Johnson et al. 2016: a file, or a teacher that later runs find again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from shutil import rmtree

from filelock import FileLock
from rich.console import Console

from distill.accelerator import best_device
from distill.checkpoint import STATE_FILE
from distill.data import open_pictures
from distill.data.folder import file_identity
from distill.teacher_cache import cache_root
from distill.teachers.johnson import JohnsonTeacher, of_file
from distill.teachers.johnson_training import JohnsonLessons, JohnsonLoss, JohnsonSettings, painting_of
from distill.teachers.lessons import folder_of, give, write_weights
from distill.vgg_layers import open_layers
from runtime.errors import UserError

CHECKPOINT_EVERY = 50
SHORT_SIDE_OVER_CROP = 1.6


def train_johnson(
    how: JohnsonSettings,
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
        resume: go on with the training of that ``out``, which was stopped, or is to be longer.

    Raises:
        UserError: ``out`` is there already or cannot be written, pictures or weights cannot be read, or the checkpoint
            is missing or of another training.
        KeyboardInterrupt: Ctrl-C; the step came to its end and a checkpoint was written.
    """
    if out.exists() and not resume:
        raise UserError(f"{out} is there already: choose another name with --output")
    if not out.parent.is_dir():
        raise UserError(f"cannot write {out}: the folder does not exist")
    lessons = lessons_of(how, painting, content, weights, device)
    train(lessons, out, resume, console or Console(stderr=True), "the same command and --resume")


def teacher_of(
    painting: Path,
    content: str | None,
    seed: int,
    width: float = 0.5,
    steps: int = 2000,
    batch: int = 4,
    size: int = 160,
    style_weight: float = 2.0,
    learning_rate: float = 4e-3,
) -> JohnsonTeacher:
    """The teacher of a painting: trained now, taken up where it was stopped, or found where an earlier run kept it."""
    how = JohnsonSettings(width, steps, batch, size, style_weight=style_weight, seed=seed, learning_rate=learning_rate)
    console = Console(stderr=True)
    lessons = lessons_of(how, painting, content, None, best_device())
    key = hashlib.sha256(json.dumps(lessons.record).encode()).hexdigest()[:16]
    folder = cache_root().parent / "trained-teachers"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot keep trained teachers in {folder}: {error.strerror}; set BRUSHLET_CACHE") from error
    out = folder / f"johnson-{key}.safetensors"
    with FileLock(f"{out}.lock"):  # of several processes, one trains
        if not out.exists():
            console.print(f"training a Johnson network for {painting.name} first: {out}", markup=False, soft_wrap=True)
            train(lessons, out, (folder_of(out) / STATE_FILE).exists(), console, "the same command")
            rmtree(folder_of(out))
    teacher = of_file(out)
    teacher.style_name = painting.stem
    network = f"Johnson et al. 2016 at width {how.width:g}"
    teacher.description = f"{network}, trained for {painting.name} by {lessons.loss.description}"
    teacher.licence = "that of the painting, of the photos it was trained on, and of the loss network"
    return teacher


def lessons_of(
    how: JohnsonSettings, painting: Path, content: str | None, weights: str | Path | None, device: str
) -> JohnsonLessons:
    """A training at its start."""
    photos = open_pictures(content, "content", round(how.size * SHORT_SIDE_OVER_CROP), "train")
    network = open_layers(weights, "max").to(device)
    loss = JohnsonLoss(network, painting_of(painting, how.style_size).to(device), how)
    record = {"loss": loss.description, "photos": photos.fingerprint, "painting": file_identity(painting)}
    return JohnsonLessons(how, loss, photos, record, device)


def train(lessons: JohnsonLessons, out: Path, resume: bool, console: Console, again: str) -> None:
    """Train to the last step and write the network; ``again`` is how a training that is stopped goes on."""
    line = f"losses: {lessons.loss.description}; {len(lessons.photos)} photos"
    console.print(line, markup=False, soft_wrap=True)
    give(lessons, folder_of(out), resume, console, CHECKPOINT_EVERY, again=again)
    write_weights(out, lessons.network.tensors(), lessons.record)
