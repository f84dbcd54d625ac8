"""``brushlet teach-cyclegan``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command("teach-cyclegan")
def teach_cyclegan(
    a: Annotated[str, typer.Option("--a", help="Pictures to translate: a folder or shards.")],
    b: Annotated[str, typer.Option("--b", help="Pictures of what they shall become: a folder or shards.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The generator's file.")] = Path("net_G.safetensors"),
    channels: Annotated[int, typer.Option(help="Generator's channels at full resolution; the paper has 64.")] = 32,
    blocks: Annotated[int, typer.Option(help="Residual blocks; the paper has 6 at 128 px, 9 from 256 px on.")] = 6,
    judge_channels: Annotated[int, typer.Option(help="First channels of the discriminators; the paper has 64.")] = 64,
    size: Annotated[int, typer.Option(help="Side of the training crops in pixels.")] = 128,
    batch: Annotated[int, typer.Option(help="Pictures of each kind per step.")] = 1,
    steps: Annotated[int, typer.Option(help="Training steps.")] = 20_000,
    learning_rate: Annotated[float, typer.Option(help="Adam's step in the first half.")] = 2e-4,
    cycle: Annotated[float, typer.Option(help="Weight of there and back again.")] = 10.0,
    identity: Annotated[float, typer.Option(help="Weight of leaving B as it is, in parts of --cycle.")] = 0.5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training of this -o.")] = False,
    seed: Annotated[int, typer.Option(help="What all randomness follows from.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON instead of text.")] = False,
) -> None:
    """Train a CycleGAN on two folders of pictures, none of which belong together.

    Example: brushlet teach-cyclegan --a photos/ --b paintings/ -o monet_net_G.safetensors &&
    distill --teacher cyclegan --weights monet_net_G.safetensors --content photos/
    """
    from distill.teach_cyclegan import teach_cyclegan
    from distill.teachers.cyclegan_training import CycleGanSettings
    from distill.teachers.lessons import print_scores

    settings = CycleGanSettings(
        a=a,
        b=b,
        channels=channels,
        blocks=blocks,
        judge_channels=judge_channels,
        size=size,
        batch=batch,
        steps=steps,
        learning_rate=learning_rate,
        cycle=cycle,
        identity=identity,
        seed=seed,
    )
    print_scores(output, teach_cyclegan(settings, output, device, resume), as_json)
