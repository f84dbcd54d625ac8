"""What ``distill`` does between its options and its table: settings from preset and options, the run, the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from distill import teachers
from distill.checkpoint import STATE_FILE, STUDENT_FILE, Trained, shipped_students
from distill.data import is_one_picture
from distill.data.before_after import before_and_after
from distill.distil import distil
from distill.losses import LossWeights
from distill.open_teacher import has_one_style
from distill.settings import Settings, from_preset
from distill.teachers.options import parse_options
from runtime.errors import UserError

#: How a student learns the one style of a teacher that takes no style picture: all it has are that teacher's pictures,
#: and there is no strength 0 to return to. Its content is what the teacher made of the photo, not the photo; and its
#: statistics count little beside its pixels, for they can be had more cheaply by colours along the picture's border.
ONE_STYLE = {"student": "frozen_painter", "teacher_share": 1.0, "identity_share": 0.0}
ONE_STYLE_LOSS = LossWeights(content=0.0, style=0.2, teacher=8.0, teacher_features=1.0)


@dataclass(frozen=True)
class Request:
    """What the command was asked for beside the settings of training."""

    out: Path | None = None
    device: str = "auto"
    resume: bool = False
    from_scratch: bool = False
    cache_gb: float = 4.0
    teacher_pairs: Path | None = None
    losses: list[str] = field(default_factory=list)
    teacher_options: list[str] = field(default_factory=list)
    as_json: bool = False


def run(request: Request, **options: Any) -> Trained:
    """Distil as asked and print the scores; options of None leave the preset's value."""
    settings = settings_of(request, **options)
    if not 0 <= request.cache_gb < inf:
        raise UserError(f"--cache-gb must be a number of at least 0, got {request.cache_gb:g}")
    out = request.out or Path("runs") / run_name(settings)
    console = Console(stderr=True)
    with resumable(out, console):
        trained = distil(settings, out, request.device, request.resume, int(request.cache_gb * 2**30), console)
    if trained.quality:
        report(trained, out, request.as_json)
    return trained


@contextmanager
def resumable(out: Path, console: Console) -> Iterator[None]:
    """Say how an interrupted run goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if (out / STATE_FILE).exists():
            console.print(
                f"stopped; the checkpoint is in {out}. Go on with the same command and --resume --out {out}",
                soft_wrap=True,
                markup=False,
            )
        raise


def run_name(settings: Settings) -> str:
    """Teacher, the one painting if there is one, and width: adain-w025, gatys-sunflowers-w0125."""
    painting = f"-{Path(settings.style).stem}" if is_one_picture(settings.style) else ""
    return f"{settings.teacher}{painting}-w{width_name(settings.width)}"


def width_name(width: float) -> str:
    """0.25 -> '025', 0.125 -> '0125', 1.0 -> '1'."""
    return f"{width:g}".replace(".", "")


def settings_of(request: Request, **options: Any) -> Settings:
    """The preset with the options applied; quick starts from a student that ships, if there is one of that width.

    That is one of the same teacher, or AdaIN's: its painter serves any teacher as a start.
    """
    if request.teacher_pairs is not None:
        options = {**options, **of_pairs(request.teacher_pairs, options)}
    elif options.get("teacher") == "pairs":
        raise UserError("--teacher pairs needs the pictures: give --teacher-pairs DIR")
    settings = replace(
        from_preset(**options),
        loss=loss_weights(request.losses),
        teacher_options=parse_options(request.teacher_options),
    )
    if has_one_style(settings):
        settings = replace(settings, **ONE_STYLE, loss=loss_weights(request.losses, ONE_STYLE_LOSS))
    if settings.warm_start is not None and request.from_scratch:
        raise UserError("--from-scratch and --warm-start exclude each other")
    known = settings.teacher in teachers.TEACHERS
    if settings.preset == "quick" and not request.from_scratch and settings.warm_start is None and known:
        settings = replace(settings, warm_start=_shipped_start(settings))
    # Random weights need larger steps than the quick preset's, which are for a student that is nearly there.
    rates = from_preset("standard" if settings.warm_start is None else settings.preset)
    muon_lr = options.get("muon_lr") or rates.muon_lr
    return replace(settings, muon_lr=muon_lr, adam_lr=rates.adam_lr * muon_lr / rates.muon_lr)


def _shipped_start(settings: Settings) -> str | None:
    """A student of that width that ships: the teacher's own, else AdaIN's."""
    names = (f"{teacher}-w{width_name(settings.width)}" for teacher in (settings.teacher, "adain"))
    return next((name for name in names if name in shipped_students()), None)


def of_pairs(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The options that ``--teacher-pairs`` stands for; ``UserError`` where others contradict it."""
    if options.get("content") is not None or options.get("style") is not None:
        raise UserError("--teacher-pairs brings its own pictures: leave --content and --style out")
    before, after = before_and_after(folder)
    return {"teacher": "pairs", "content": before, "style": after}


def loss_weights(entries: list[str], start: LossWeights | None = None) -> LossWeights:
    """Parse 'style=2' entries; ``UserError`` for an unknown loss or a weight that is not a number of at least 0.

    What is not named stays as in ``start``, or as usual.
    """
    known = [f.name for f in fields(LossWeights)]
    changes = {}
    for entry in entries:
        name, _, value = entry.partition("=")
        try:
            changes[name] = float(value)
        except ValueError:
            raise UserError(f"--loss {entry}: write a name and a number, like style=2") from None
        if name not in known or not 0 <= changes[name] < float("inf"):
            raise UserError(f"--loss {entry}: known losses are {', '.join(known)}, weights are at least 0")
    return replace(start or LossWeights(), **changes)


def report(trained: Trained, out: Path, as_json: bool) -> None:
    """Print the scores of teacher and student side by side, and where everything is."""
    quality = trained.quality
    if as_json:
        print(json.dumps({"out": str(out), **quality}, indent=2))
        return
    console = Console()
    table = Table(title=f"{quality['pairs']} held-back pairs at {quality['size']} px, judged by {quality['judge']}")
    for column in ("", "content loss", "style loss", "SSIM to photo", "PSNR to teacher"):
        table.add_column(column, justify="left" if not column else "right")
    for name, s in quality["scores"].items():
        likeness = "–" if name == "teacher" else f"{s['teacher_psnr']:.1f} dB"
        table.add_row(name, f"{s['content']:.3f}", f"{s['style']:.3f}", f"{s['ssim']:.3f}", likeness)
    console.print(table)
    console.print(
        f"student:  {out / STUDENT_FILE}\npictures: {out / 'sheets' / 'final.png'}\nnext:     brushlet export {out}",
        soft_wrap=True,
        markup=False,
    )
