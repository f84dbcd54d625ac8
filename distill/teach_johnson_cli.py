"""``brushlet teach-johnson``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command("teach-johnson")
def teach_johnson(
    style: Annotated[Path, typer.Option(help="The painting whose style the network will have.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The network's file. Default: STYLE.safetensors.")
    ] = None,
    content: Annotated[
        str | None, typer.Option(help="Photos: a folder, or shards like 'photos-{000..099}.tar'. Default: samples.")
    ] = None,
    width: Annotated[float, typer.Option(help="Width of the network: 1 is the paper's, 32 channels at first.")] = 0.5,
    steps: Annotated[int, typer.Option(help="Training steps; the paper has 40000.")] = 2000,
    batch: Annotated[int, typer.Option(help="Photos per step.")] = 4,
    size: Annotated[int, typer.Option(help="Side of the crops of photos, in pixels.")] = 160,
    style_size: Annotated[int, typer.Option(help="Short side of the painting, in pixels.")] = 256,
    content_weight: Annotated[float, typer.Option(help="Weight of the content's loss.")] = 1.0,
    style_weight: Annotated[float, typer.Option(help="Weight of the style's loss.")] = 2.0,
    variation_weight: Annotated[float, typer.Option(help="Weight of total variation.")] = 0.05,
    learning_rate: Annotated[float, typer.Option(help="Adam's step at first; it falls on a cosine.")] = 4e-3,
    weights: Annotated[
        str | None, typer.Option(help="VGG-19: a file, its folder, 'download', or 'compact' for what ships.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint beside the output.")] = False,
    seed: Annotated[int, typer.Option(help="What all randomness follows from.")] = 0,
) -> None:
    """Train a network of Johnson et al. 2016 from one painting, for distill --teacher johnson --weights FILE.

    Example: brushlet teach-johnson --style painting.jpg --content photos/ --width 0.5 -o painting.safetensors
    """
    from distill.accelerator import device_kind
    from distill.teachers.johnson_from_painting import train_johnson
    from distill.teachers.johnson_training import JohnsonSettings

    weights_of_losses = content_weight, style_weight, variation_weight
    how = JohnsonSettings(width, steps, batch, size, style_size, *weights_of_losses, seed, learning_rate)
    out = output or Path(f"{style.stem}.safetensors")
    train_johnson(how, style, out, content, weights, resume, device_kind(device))
    typer.echo(f"{out}\nnext: brushlet distill --teacher johnson --weights {out}")
