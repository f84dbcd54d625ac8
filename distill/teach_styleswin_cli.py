"""``brushlet teach-styleswin``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command("teach-styleswin")
def teach_styleswin(
    content: Annotated[str | None, typer.Option(help="Photos: a folder or shards. Default: sample photos.")] = None,
    style: Annotated[str | None, typer.Option(help="Paintings: a folder or shards. Default: drawn swatches.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The stylizer's file.")] = Path(
        "styleswin.safetensors"
    ),
    generator: Annotated[
        str | None, typer.Option(help="A StyleSwin generator to start from, in the official layout.")
    ] = None,
    width: Annotated[float, typer.Option(help="1 is 256, 128, 64 and 32 channels; from 0.25 to 2.")] = 0.5,
    size: Annotated[int, typer.Option(help="Side of the training crops: 64, 128, 256 or 512 pixels.")] = 128,
    batch: Annotated[int, typer.Option(help="Pictures per step.")] = 4,
    steps: Annotated[int, typer.Option(help="Training steps.")] = 20_000,
    learning_rate: Annotated[float, typer.Option(help="Adam's step in the first half.")] = 5e-4,
    adversarial: Annotated[float, typer.Option(help="Weight of the discriminator; 0 trains without one.")] = 0.05,
    judge_channels: Annotated[int, typer.Option(help="The discriminator's most channels; the paper has 512.")] = 64,
    weights: Annotated[str | None, typer.Option(help="Where the judge, VGG-19, is looked for.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training of this -o.")] = False,
    seed: Annotated[int, typer.Option(help="What all randomness follows from.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON instead of text.")] = False,
) -> None:
    """Train a stylizer of StyleSwin's attention blocks on photos and paintings.

    Example: brushlet teach-styleswin --content photos/ --style paintings/ -o styleswin.safetensors &&
    distill --teacher styleswin --weights styleswin.safetensors --content photos/ --style paintings/
    """
    from distill.teach_styleswin import teach_styleswin
    from distill.teachers.lessons import print_scores
    from distill.teachers.styleswin.training import StyleSwinSettings

    settings = StyleSwinSettings(
        content=content,
        style=style,
        generator=generator,
        width=width,
        size=size,
        batch=batch,
        steps=steps,
        learning_rate=learning_rate,
        adversarial=adversarial,
        judge_channels=judge_channels,
        seed=seed,
    )
    print_scores(output, teach_styleswin(settings, output, weights, device, resume), as_json)
