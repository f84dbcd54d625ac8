"""``brushlet teach-spade``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command("teach-spade")
def teach_spade(
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="DIR/labels/x.png, DIR/photos/x.jpg, DIR/labels.json. Default: landscapes that brushlet draws.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Run directory; the weights are OUT/spade.safetensors.")] = Path(
        "runs/spade-teacher"
    ),
    channels: Annotated[int, typer.Option(help="Channels at full resolution; the official networks have 64.")] = 8,
    hidden: Annotated[int, typer.Option(help="Channels on the label map in each layer; officially 128.")] = 32,
    latent: Annotated[
        int, typer.Option(help="Length of the style vector; 0 for one look and no style encoder. Officially 256.")
    ] = 16,
    norm: Annotated[str, typer.Option(help="What is modulated: batch or instance normalisation.")] = "batch",
    steps: Annotated[int, typer.Option(help="Training steps.")] = 1500,
    batch: Annotated[int, typer.Option(help="Pairs per step.")] = 8,
    size: Annotated[int, typer.Option(help="Side of the training crops in pixels, a multiple of 32.")] = 96,
    learning_rate: Annotated[
        float, typer.Option(help="Half of it is the generator's, twice as much the discriminator's.")
    ] = 4e-4,
    check_every: Annotated[int, typer.Option(help="Steps between checks on held-back pairs, and checkpoints.")] = 250,
    weights: Annotated[str | None, typer.Option(help="VGG-19 for the perceptual loss; the compact one ships.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    seed: Annotated[int, typer.Option(help="What all randomness follows from.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON instead of a table.")] = False,
) -> None:
    """Train a SPADE, the teacher whose content is a label map, on label maps and their photos.

    Example: brushlet teach-spade --pairs streets/ --out runs/streets --steps 20000
    """
    from distill.teachers.spade.train import SpadeSettings
    from distill.teachers.spade.train_command import run

    settings = SpadeSettings(
        pairs=None if pairs is None else str(pairs),
        channels=channels,
        hidden=hidden,
        latent=latent,
        norm=norm,
        steps=steps,
        batch=batch,
        size=size,
        learning_rate=learning_rate,
        check_every=check_every,
        seed=seed,
        weights=weights,
    )
    run(settings, out, resume, device, as_json)
