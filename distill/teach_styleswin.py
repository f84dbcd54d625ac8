"""What ``brushlet teach-styleswin`` does: trains a stylizer on photos and paintings, and judges held-back pairs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from distill.accelerator import accelerator_for
from distill.contact_sheet import write_sheet
from distill.evaluate import evaluate
from distill.perceptual import compact_perception, vgg19_perception
from distill.run_pictures import EVALUATION_SIZE, Pictures, open_all
from distill.settings import Settings
from distill.teachers.lessons import folder_of, give
from distill.teachers.styleswin.training import StyleSwinLessons, StyleSwinSettings, write_stylizer
from runtime.atomic_write import write_atomically

CHECKPOINTS, JUDGED_PAIRS = 20, 16


def teach_styleswin(
    settings: StyleSwinSettings,
    out: Path,
    weights: str | None = None,
    device: str = "auto",
    resume: bool = False,
    console: Console | None = None,
) -> dict[str, dict[str, float]]:
    """Train and write ``out``; returns the scores of the photos themselves and of the stylizer, before and after.

    ``weights`` is where the judge, VGG-19, is looked for. Raises :class:`~runtime.errors.UserError` for pictures or
    weights that cannot be read, and as :func:`~distill.teachers.lessons.give`.
    """
    console = console or Console(stderr=True)
    opened = Settings(content=settings.content, style=settings.style, size=settings.size)
    pictures = open_all(opened, lambda line: console.print(line, markup=False, soft_wrap=True))
    lessons = StyleSwinLessons(settings, pictures.content, pictures.style, accelerator_for(device).device)
    judge, folder = vgg19_perception(weights) or compact_perception(), folder_of(out)
    first = copy.deepcopy(lessons.stylizer).cpu()
    give(lessons, folder, resume, console, max(1, settings.steps // CHECKPOINTS))
    scores = judged(first, lessons.average.module.cpu().eval(), judge, pictures, folder)
    write_atomically(folder / "evaluation.json", (json.dumps(scores, indent=2) + "\n").encode())
    write_stylizer(out, lessons, scores)
    return scores


def judged(first: nn.Module, last: Any, judge: nn.Module, pictures: Pictures, folder: Path) -> dict[str, Any]:
    """Content and style losses on held-back pairs, and a sheet of them."""
    stylizers = {"photo": lambda c, s: c, "before": lambda c, s: first(c, s).clamp(0, 1), "teacher": last.stylize}
    record, rows = evaluate(stylizers, judge, pictures.held_content, pictures.held_style, JUDGED_PAIRS, EVALUATION_SIZE)
    write_sheet(folder / "sheets" / "final.png", rows, ["content", "style", "photo", "before", "after"])
    names = {"photo": "photo", "before": "before", "teacher": "after"}
    return {
        title: {key: record["scores"][name][key] for key in ("content", "style", "ssim")}
        for name, title in names.items()
    }
