"""``distill``: options to settings, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def distill(
    teacher: Annotated[str, typer.Option(help="Whose pictures the student learns to paint.")] = "adain",
    teacher_pairs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Learn from DIR/before/x.jpg and DIR/after/x.jpg instead of a teacher."),
    ] = None,
    teacher_command: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Learn from a program, like 'mytool {content} {style} {out}'."),
    ] = None,
    teacher_option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A choice of the teacher's, like steps=200; see `brushlet teachers`."),
    ] = None,
    width: Annotated[
        float, typer.Option(help="Width of the student: 0.125, 0.25, 0.5, 1.0 or anything between.")
    ] = 0.25,
    slimmable: Annotated[
        bool,
        typer.Option(
            "--slimmable", help="Train every narrower width with it, for `brushlet export RUN --width W` to cut out."
        ),
    ] = False,
    grain: Annotated[
        bool, typer.Option("--grain/--no-grain", help="Let the student add fine details of its own to the photo's.")
    ] = True,
    content: Annotated[
        str | None,
        typer.Option(help="Photos: a folder, or shards like 'photos-{000..099}.tar'. Default: sample photos."),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(
            help="Paintings: a folder or shards, or one picture, whose style the student will have. "
            "Default: swatches that brushlet draws."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(help="For analogies: the picture before, of which the one style picture is the filtered version."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory. Default: runs/TEACHER-wWIDTH.")] = None,
    preset: Annotated[
        str, typer.Option(help="quick (minutes, from a student that ships), standard (hours) or full (a GPU).")
    ] = "standard",
    steps: Annotated[int | None, typer.Option(help="Training steps, instead of the preset's.")] = None,
    batch: Annotated[int | None, typer.Option(help="Pictures per step, over all processes.")] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the training crops in pixels. Default: 128 quick, 160 standard, 256 full."),
    ] = None,
    pairs: Annotated[int | None, typer.Option(help="How many teacher pictures to paint and keep on disk.")] = None,
    cache_gb: Annotated[float, typer.Option(help="What kept teacher pictures may take on disk, in GB.")] = 4.0,
    teacher_processes: Annotated[
        int | None, typer.Option(help="Processes in which a slow teacher paints. Default: one per core.")
    ] = None,
    teacher_shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Only paint this share of a slow teacher's pictures, like 2/8, and stop."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    weights: Annotated[
        str | None, typer.Option(help="Teacher and VGG-19 weights: a folder or file, 'download', or 'compact'.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak step of Muon, instead of the preset's; Adam's follows in proportion.")
    ] = None,
    vgg_share: Annotated[
        float | None, typer.Option(help="Share of the steps, the last ones, whose losses VGG-19 itself measures.")
    ] = None,
    loss: Annotated[
        list[str] | None,
        typer.Option(
            help="A loss and its weight, like style=2 (content, style, teacher, teacher_features, variation, range, "
            "intermediate, adversarial)."
        ),
    ] = None,
    warm_start: Annotated[
        str | None,
        typer.Option(
            help="A run directory or the name of a student that ships to start from; narrower ones are widened."
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start from random weights, in the quick preset too.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    seed: Annotated[int, typer.Option(help="What all randomness follows from.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the evaluation as JSON instead of a table.")] = False,
) -> None:
    """Distil a large stylizer into a small student.

    Example: distill --teacher adain --width 0.25 --preset quick

    Example: distill --teacher adain --width 0.5 --slimmable
    """
    from distill.run import Request, run

    request = Request(
        out=out,
        device=device,
        resume=resume,
        from_scratch=from_scratch,
        cache_gb=cache_gb,
        teacher_pairs=teacher_pairs,
        teacher_command=teacher_command,
        losses=loss or [],
        teacher_options=[*(teacher_option or []), *([f"source={source}"] if source else [])],
        teacher_processes=teacher_processes,
        teacher_shard=teacher_shard,
        as_json=as_json,
    )
    run(
        request,
        teacher=teacher,
        width=width,
        slimmable=slimmable,
        grain=grain,
        content=content,
        style=style,
        preset=preset,
        steps=steps,
        batch=batch,
        size=size,
        pairs=pairs,
        weights=weights,
        muon_lr=learning_rate,
        vgg_share=vgg_share,
        warm_start=warm_start,
        seed=seed,
    )
