"""``brushlet search``: options to arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def search(
    budget_ms: Annotated[float, typer.Option(help="The most that painting one picture may take, in milliseconds.")],
    student: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STUDENT]...",
            help="Bundles, names of students that ship, or runs, of `distill --slimmable` at every width; "
            "by default all that ship.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A device of `brushlet devices`; predicted where it is not this machine."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Measure there: USER@HOST over SSH, or adb:SERIAL for Android.")
    ] = None,
    predict: Annotated[bool, typer.Option("--predict", help="Predict --device, this machine too.")] = False,
    size: Annotated[int, typer.Option(help="Side of the square picture, in pixels.")] = 512,
    precision: Annotated[str, typer.Option(help="Of the painter: fp32 or int8.")] = "fp32",
    engine: Annotated[str | None, typer.Option(help="What runs it; onnxruntime by default.")] = None,
    threads: Annotated[int | None, typer.Option(help="One per usable physical core by default.")] = None,
    part: Annotated[
        str | None,
        typer.Option(help="What the budget is about: end_to_end, model or files. A prediction is of the model."),
    ] = None,
    percentile: Annotated[float, typer.Option(help="The percentile of the samples that the budget is about.")] = 90.0,
    runs: Annotated[int, typer.Option(help="At least this many runs ...")] = 30,
    seconds: Annotated[float, typer.Option(help="... and at least this many seconds, for each student.")] = 2.0,
    wait: Annotated[float, typer.Option(help="Wait for a quiet machine, for at most this many seconds.")] = 0.0,
    records: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the record of each measurement in this folder.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Stop a measuring process after this many seconds.")] = 1800.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Find the largest student that keeps a latency budget on a device.

    Measured on this machine or at --host; predicted, with an interval, for another --device. Exits with 1 where none
    fits; a prediction fits where the whole of its interval does.

    Example: brushlet search --budget-ms 40

    Example: brushlet search runs/adain-slimmable --budget-ms 8 --precision int8 --host user@jetson.local

    Example: brushlet search --budget-ms 8 --device jetson-orin-nano --precision int8
    """
    from benchmarks.budget import Budget
    from benchmarks.entrants import Request
    from benchmarks.search import Search
    from benchmarks.search_run import search_and_report

    request = Request(
        bundle="",
        sizes=(size,),
        threads=() if threads is None else (threads,),
        runs=runs,
        seconds=seconds,
        engines=((engine,) if engine else () if host else ("onnxruntime",)),
        precisions=(precision,),
        timeout=timeout,
        budget=Budget(milliseconds=budget_ms, percentile=percentile),
        wait=wait,
        host=host,
    )
    search_and_report(Search(tuple(student or ()), request, part, device, predict, records), as_json)
