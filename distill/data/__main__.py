"""Write the held-back pictures that ship as files to try things on: ``python -m distill.data FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def write_samples(folder: Annotated[Path, typer.Argument(help="Gets content/ and style/ with PNG files.")]) -> None:
    """Write the photos and style swatches that training never sees into FOLDER.

    Example: python -m distill.data samples
    """
    from distill.data import open_pictures
    from runtime.image_files import write_picture

    for kind in ("content", "style"):
        pictures = open_pictures(None, kind, 512, "held-back")
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for index in range(len(pictures)):
            write_picture(folder / kind / f"{kind}-{index}.png", pictures[index])
    typer.echo(f"photos and swatches are in {folder}")


if __name__ == "__main__":
    typer.run(write_samples)
