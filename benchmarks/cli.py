"""``brushlet bench``: options to arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    bundle: Annotated[str, typer.Argument(help="A bundle's directory, or the name of a student that ships.")],
    size: Annotated[list[int] | None, typer.Option(help="Side of the square picture; may be given again.")] = None,
    versus: Annotated[
        str | None, typer.Option("--vs", help="Measure interleaved with: 'teacher' (in torch), or another bundle.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads; one per usable physical core by default.")] = None,
    runs: Annotated[int, typer.Option(help="At least this many runs ...")] = 50,
    seconds: Annotated[float, typer.Option(help="... and at least this many seconds, for each row.")] = 5.0,
    engine: Annotated[str, typer.Option(help="What runs the graphs.")] = "onnxruntime",
    teacher_weights: Annotated[
        str | None, typer.Option(metavar="PATH", help="The teacher's weights, as in `distill --weights`.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Stop a measuring process after this many seconds.")] = 1800.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a table.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The record's file; records/<bundle>-<time>.json by default.")
    ] = None,
) -> None:
    """Measure how fast a bundle is on this machine, and how much memory it takes.

    Example: brushlet bench adain-w025 --size 256 --size 512 --vs teacher
    """
    from benchmarks.bench_bundle import Request
    from benchmarks.report_run import run_and_report

    request = Request(
        bundle=bundle,
        sizes=tuple(dict.fromkeys(size or [512])),
        threads=threads,
        runs=runs,
        seconds=seconds,
        engine=engine,
        rival=versus,
        teacher_weights=teacher_weights,
        timeout=timeout,
    )
    run_and_report(request, output, as_json)
