"""Make a finished run a student that ships: ``python -m distill.pretrained runs/adain-w025``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def ship(
    run: Annotated[Path, typer.Argument(help="The run directory; its name becomes the student's.")],
) -> None:
    """Copy a run's student, in half precision, to where the quick preset and ``brushlet export`` find it by name."""
    from distill.checkpoint import load_student, save_student
    from distill.pretrained import FOLDER

    path = FOLDER / f"{run.name}.safetensors"
    save_student(path, load_student(run), half=True)
    typer.echo(f"{path} ({path.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    typer.run(ship)
