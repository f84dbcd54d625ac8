"""``brushlet stylize``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def stylize(
    contents: Annotated[list[Path] | None, typer.Argument(metavar="PHOTO...", help="The pictures to stylize.")] = None,
    style: Annotated[
        str | None,
        typer.Option(help="A picture, a saved style code (.json), or the name of a style in the bundle."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A bundle's directory, or the name of a student that ships (the default).")
    ] = None,
    strength: Annotated[float, typer.Option(help="From 0 (the photo) to 1 (the full style).")] = 1.0,
    size: Annotated[int | None, typer.Option(help="Scale the photo down to this long side, in pixels.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Output file (.png, .jpg, .webp, .tiff), or a folder for several photos."),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="What runs the graphs: onnxruntime, openvino, tensorrt or tensorrt-rtx.")
    ] = "onnxruntime",
    precision: Annotated[
        str, typer.Option(help="Which of the bundle's graphs run: fp32, fp16 or int8, as exported.")
    ] = "fp32",
    threads: Annotated[int | None, typer.Option(help="Worker threads; the engine chooses by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON record instead of text.")] = False,
    list_models: Annotated[bool, typer.Option("--list-models", help="List the students that ship, and stop.")] = False,
) -> None:
    """Paint photos in a style.

    Example: brushlet stylize photo.jpg --style painting.jpg -o out.png
    """
    if list_models:
        from runtime.shipped_table import print_models

        print_models(as_json)
        return
    from runtime.stylize_files import StylizeJob, run_job

    job = StylizeJob(contents or [], style, model, strength, size, output, engine, threads, precision)
    run_job(job, as_json)
