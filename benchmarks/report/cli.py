"""``brushlet report``: options to arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def report(
    records: Annotated[
        list[Path] | None, typer.Argument(help="Records of `brushlet bench`, or folders of them; records/ by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The report's file; report.html by default for a page.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="html, md, csv or json; by the suffix of -o, else html.", show_default=False)
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Paint some photos of this folder and show them on the page.")
    ] = None,
    styles: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="In the style of these paintings; the bundle's own styles by default."),
    ] = None,
    bundle: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="A bundle that was measured and does not ship; may be given again."),
    ] = None,
    peer_weights: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Let peers paint too, with the weights below this folder.")
    ] = None,
) -> None:
    """Show what records hold: one page that opens without a network, or a table.

    Files that are no records are named and skipped. Markdown, CSV and JSON go to standard output without -o.

    Example: brushlet report records/ -o report.html

    Example: brushlet report records/ --pictures photos/ --styles paintings/ -o report.html

    Example: brushlet report records/ --format csv
    """
    from benchmarks.report.samples import Request
    from benchmarks.report.write_report import write_report

    request = Request(pictures, styles, tuple(bundle or ()), peer_weights)
    write_report(records or [Path("records")], format, output, request)
