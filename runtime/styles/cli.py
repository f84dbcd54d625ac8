"""``brushlet style``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Save styles, and show them side by side.")

Model = Annotated[
    str | None, typer.Option(help="A bundle's directory, or the name of a student that ships (the default).")
]
Library = Annotated[Path | None, typer.Option(help="A style library to look words up in; the student's by default.")]
Size = Annotated[int, typer.Option(help="Longer side of each picture, in pixels.")]
Strength = Annotated[float, typer.Option(help="From 0 (the photo) to 1 (the full style).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON record instead of text.")]


@app.command()
def save(
    styles: Annotated[
        list[str], typer.Argument(metavar="STYLE...", help="Paintings, codes, names or words; a.jpg:0.7 weighs.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The style code's file (.json).")],
    name: Annotated[str | None, typer.Option(help="What the style is called; the file's name by default.")] = None,
    model: Model = None,
    library: Library = None,
    as_json: AsJson = False,
) -> None:
    """Keep a painting's style, or a mixture of several, as a small file.

    Example: brushlet style save painting.jpg -o mine.json

    Example: brushlet style save painting.jpg:0.7 sunflowers:0.3 -o mixture.json

    Example: brushlet style save "stormy sea, thick strokes" -o storm.json
    """
    from runtime.styles.commands import save_style

    save_style(tuple(styles), output, name, model, library, as_json)


@app.command()
def sheet(
    photo: Annotated[Path, typer.Argument(help="The photo to paint in every style.")],
    styles: Annotated[
        list[str] | None, typer.Argument(metavar="[STYLE...]", help="Styles; those of the bundle by default.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture to write.")] = Path("styles.png"),
    columns: Annotated[int | None, typer.Option(help="Pictures in a row; about square by default.")] = None,
    size: Size = 384,
    strength: Strength = 1.0,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Paint one photo in all styles of the bundle, side by side.

    Example: brushlet style sheet photo.jpg -o styles.png
    """
    from runtime.styles.commands import paint_sheet

    paint_sheet(photo, tuple(styles or ()), output, columns, size, strength, model, as_json)


@app.command()
def strip(
    first: Annotated[str, typer.Argument(help="The style it begins with.")],
    last: Annotated[str, typer.Argument(help="The style it ends with.")],
    photo: Annotated[Path, typer.Argument(help="The photo to paint.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="strip.png side by side, or strip.gif in motion.")
    ] = Path("strip.png"),
    steps: Annotated[int, typer.Option(help="Pictures from the first style to the last.")] = 5,
    size: Size = 384,
    strength: Strength = 1.0,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Paint one photo on the way from a style to another.

    Example: brushlet style strip sunflowers the_ninth_wave photo.jpg -o strip.gif --steps 12
    """
    from runtime.styles.commands import paint_strip

    paint_strip(first, last, photo, output, steps, size, strength, model, as_json)


@app.command()
def find(
    words: Annotated[str, typer.Argument(help="A style in words; commas between its sides.")],
    count: Annotated[int, typer.Option("--count", "-n", help="How many paintings to show.")] = 8,
    model: Model = None,
    library: Library = None,
    as_json: AsJson = False,
) -> None:
    """Show which paintings fit words, and how much of each a style of that description is made of.

    Example: brushlet style find "stormy sea, thick strokes"
    """
    from runtime.styles.commands import find_styles

    find_styles(words, count, model, library, as_json)


@app.command()
def library(
    paintings: Annotated[Path, typer.Argument(help="A folder of paintings.")],
    captions: Annotated[
        Path | None,
        typer.Option(help="A TOML file: [file_name] with title, artist and caption; names alone by default."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The library's file.")] = Path("library.json"),
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Make a style library, in which styles are found by words: codes and captions, no pictures.

    Example: brushlet style library paintings/ --captions captions.toml -o library.json
    """
    from runtime.styles.make_library import write_library

    write_library(paintings, captions, output, model, as_json)
