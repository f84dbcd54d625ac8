"""What ``brushlet teach-cyclegan`` does: trains both directions on two folders, and says what that gave."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from distill.accelerator import accelerator_for
from distill.data import PictureSet, open_pictures
from distill.perceptual import compact_perception
from distill.teachers.cyclegan_training import (
    SHORT_SIDE_OVER_CROP,
    CycleGanLessons,
    CycleGanSettings,
    judged,
    write_networks,
    write_pictures,
)
from distill.teachers.lessons import folder_of, give
from runtime.atomic_write import write_atomically

CHECKPOINTS = 20


def teach_cyclegan(
    settings: CycleGanSettings, out: Path, device: str = "auto", resume: bool = False, console: Console | None = None
) -> dict[str, dict[str, float]]:
    """Train, write ``out`` and what belongs to it; returns the scores of before and after.

    Raises:
        UserError: pictures that cannot be read, or as :func:`~distill.teachers.lessons.give`.
    """
    console = console or Console(stderr=True)
    (a, held_a), (b, held_b) = (opened(source, settings, console) for source in (settings.a, settings.b))
    lessons, held = CycleGanLessons(settings, a, b, accelerator_for(device).device), (held_a, held_b)
    net, folder = compact_perception(), folder_of(out)
    scores = {"before": judged(lessons, held, net)}

    def keep(step: int) -> None:
        write_pictures(folder / "sheets" / f"step-{step:06d}.png", lessons, held)

    give(lessons, folder, resume, console, max(1, settings.steps // CHECKPOINTS), keep)
    scores["after"] = judged(lessons, held, net)
    write_atomically(folder / "evaluation.json", (json.dumps(scores, indent=2) + "\n").encode())
    write_networks(out, lessons, scores)
    return scores


def opened(source: str, settings: CycleGanSettings, console: Console) -> tuple[PictureSet, PictureSet]:
    """Pictures to train on and pictures held back; a source too small to hold any back is judged on all of it."""
    short = round(settings.size * SHORT_SIDE_OVER_CROP)
    train, held = (open_pictures(source, "content", short, part) for part in ("train", "held-back"))
    for path, reason in dict.fromkeys([*train.skipped, *held.skipped]):
        console.print(f"skipped {path}: {reason}", markup=False, soft_wrap=True)
    console.print(f"{train.name}: {len(train)} pictures, {len(held)} held back", markup=False, soft_wrap=True)
    return train, held or train
