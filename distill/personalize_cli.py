"""``brushlet personalize``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def personalize(
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGE...]", help="Pictures in the style, 1 to 16 of them.")
    ] = None,
    images: Annotated[
        list[Path] | None, typer.Option("--images", help="The same: --images mine/*.jpg is what it seems to be.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The style code's file (.json).")] = Path("mine.json"),
    model: Annotated[str, typer.Option(help="A student that ships, or a run directory.")] = "adain-w025",
    name: Annotated[str | None, typer.Option(help="What the style is called; the file's name by default.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of optimisation.")] = 100,
    content: Annotated[str | None, typer.Option(help="Photos to paint meanwhile; samples by default.")] = None,
    weights: Annotated[str | None, typer.Option(help="Where the judge, VGG-19, is looked for.")] = None,
    seed: Annotated[int, typer.Option(help="Of the crops that are painted.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON record instead of text.")] = False,
) -> None:
    """Make a style code from a few pictures of your own, better than the encoder's look at one.

    Example: brushlet personalize mine/*.jpg -o mine.json && brushlet stylize photo.jpg --style mine.json
    """
    from distill.personalize_report import run_and_report

    options = {"steps": steps, "content": content, "weights": weights, "seed": seed}
    run_and_report([*(images or []), *(more or [])], model, output, name, as_json, **options)
