"""``python -m benchmarks.prediction``: options to arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def measure(
    folder: Annotated[Path, typer.Argument(help="Probes and records are kept here; a record that is there stays.")],
    size: Annotated[list[int] | None, typer.Option(help="Of students' pictures; 128, 256 and 512 by default.")] = None,
    probe_size: Annotated[list[int] | None, typer.Option(help="Of probes'; 64, 128 and 256 by default.")] = None,
    runs: Annotated[int, typer.Option(help="At least this many runs ...")] = 20,
    seconds: Annotated[float, typer.Option(help="... and at least this many seconds, for each row.")] = 1.0,
    engine: Annotated[list[str] | None, typer.Option(help="onnxruntime by default; may be given again.")] = None,
) -> None:
    """Measure on this machine what a fit needs: the students that ship, and probes of one kind of step each.

    Example: python -m benchmarks.prediction measure fit/
    """
    from benchmarks.prediction.measure import measure_for_fit

    measure_for_fit(
        folder, size or (128, 256, 512), probe_size or (64, 128, 256), runs, seconds, engine or ("onnxruntime",)
    )


@app.command()
def fit(
    records: Annotated[list[Path], typer.Argument(help="Records, or folders that hold them.")],
    bundles: Annotated[
        list[Path] | None,
        typer.Option("--bundles", help="A folder with bundles that were measured, beside those that ship; repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The fitted file; the one in the package by default.")
    ] = None,
) -> None:
    """Fit efficiencies on measured records, and say how well they predict what was left out.

    Example: python -m benchmarks.prediction fit fit/records --bundles fit/probes
    """
    from benchmarks.prediction.refit import refit

    refit(records, bundles or [], output)


@app.command()
def show(
    file: Annotated[Path | None, typer.Argument(help="A fitted file; the one in the package by default.")] = None,
) -> None:
    """Show fitted efficiencies, what they rest on, and their leave-one-out errors.

    Example: python -m benchmarks.prediction show
    """
    from benchmarks.prediction.refit import show

    show(file)
