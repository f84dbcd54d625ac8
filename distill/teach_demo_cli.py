"""``brushlet teach-demo``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command("teach-demo")
def teach_demo(
    name: Annotated[str, typer.Argument(help="A teacher; `brushlet teachers` lists them.")],
    photo: Annotated[Path, typer.Argument(help="The picture to paint.")],
    style: Annotated[Path | None, typer.Argument(help="The style's picture, where the teacher takes one.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Output file (.png, .jpg, .webp, .tiff).")] = Path(
        "out.png"
    ),
    weights: Annotated[
        str | None, typer.Option(help="The teacher's weights: a folder or a file; 'download' or 'compact' for adain.")
    ] = None,
    teacher_option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A choice of the teacher's, like steps=200; see `brushlet teachers`."),
    ] = None,
    size: Annotated[int, typer.Option(help="Scale both pictures down to this long side, in pixels.")] = 512,
) -> None:
    """See a teacher itself at work, before a student learns from it.

    Example: brushlet teach-demo johnson photo.jpg --weights candy.pth -o out.png
    """
    from distill.teach_demo import paint_with_teacher

    teacher = paint_with_teacher(name, photo, style, output, weights, size, teacher_option or [])
    typer.echo(f"{output}: painted by {teacher.description}")
