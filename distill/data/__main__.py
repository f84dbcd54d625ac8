"""Write pictures that ship as files to try things on: ``python -m distill.data FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def write_samples(
    folder: Annotated[Path, typer.Argument(help="Gets content/ and style/ with PNG files.")],
    landscapes: Annotated[
        int, typer.Option(help="Instead, that many drawn landscapes: labels/, photos/ and labels.json.")
    ] = 0,
) -> None:
    """Write the photos and style swatches that training never sees into FOLDER, or label maps with their photos.

    Example: python -m distill.data samples
    """
    from distill.data.written import write_held_back, write_landscapes

    write_landscapes(folder, landscapes) if landscapes else write_held_back(folder)
    typer.echo(f"{'label maps and photos' if landscapes else 'photos and swatches'} are in {folder}")


if __name__ == "__main__":
    typer.run(write_samples)
