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
        list[str] | None,
        typer.Option(
            "--vs", help="Measure in turns with: another bundle, or 'teacher' (in torch); may be given again."
        ),
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(help="Threads; one per usable physical core by default; may be given again.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(help="Pictures that are handed over at once; 1 by default; may be given again.")
    ] = None,
    runs: Annotated[int, typer.Option(help="At least this many runs ...")] = 50,
    seconds: Annotated[float, typer.Option(help="... and at least this many seconds, for each row.")] = 5.0,
    engine: Annotated[
        list[str] | None, typer.Option(help="What runs the graphs, onnxruntime by default; may be given again.")
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="Of the graphs, fp32 by default; may be given again.")
    ] = None,
    teacher_weights: Annotated[
        str | None, typer.Option(metavar="PATH", help="The teacher's weights, as in `distill --weights`.")
    ] = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Measure beside it the published networks whose weights are there.")
    ] = False,
    peer: Annotated[
        list[str] | None, typer.Option(help="Of these only this one, such as microast; may be given again.")
    ] = None,
    peer_weights: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="The folder with the peers' weights; $BRUSHLET_DATA/weights by default."),
    ] = None,
    peer_precision: Annotated[
        list[str] | None, typer.Option(help="Of peers in ONNX, fp32 by default; int8 quantises them, too.")
    ] = None,
    content: Annotated[
        str | None, typer.Option(metavar="DIR", help="Photos whose held-back part judges the peers' pictures.")
    ] = None,
    style: Annotated[str | None, typer.Option(metavar="DIR", help="Paintings for the same.")] = None,
    pairs: Annotated[int, typer.Option(help="Judge peers on this many held-back pairs; 0 judges nothing.")] = 32,
    suite: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Judge peers on these named pairs, at its sizes; 'held-back' ships."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The peers' losses over latency, .svg or .png; beside the record by default."
        ),
    ] = None,
    budget_ms: Annotated[
        float | None, typer.Option(help="Exit with 1 when the first row takes longer than this, in milliseconds.")
    ] = None,
    percentile: Annotated[float, typer.Option(help="The percentile of the samples that --budget-ms is about.")] = 90.0,
    part: Annotated[str, typer.Option(help="What --budget-ms is about: end_to_end, model or files.")] = "end_to_end",
    max_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Exit with 1 when the peak memory is above this, such as 200MB.")
    ] = None,
    min_psnr: Annotated[
        float | None,
        typer.Option(help="Exit with 1 when the bundle's own parity record for the precision is below this, in dB."),
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Wait until no other work keeps the machine busy, for at most this many seconds.")
    ] = 0.0,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RECORD", help="Go on with a record that was interrupted; it keeps what it holds."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Measure there: USER@HOST over SSH, or adb:SERIAL for Android.")
    ] = None,
    power: Annotated[
        bool,
        typer.Option("--power/--no-power", help="Watch clocks and heat, and measure energy where a sensor tells it."),
    ] = True,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A device of `brushlet devices`: what --host has to be; without it measured here, or predicted.",
        ),
    ] = None,
    predict: Annotated[bool, typer.Option("--predict", help="Predict --device, this machine too.")] = False,
    accept_prediction: Annotated[
        bool, typer.Option("--accept-prediction", help="Let a prediction keep or miss --budget-ms.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Stop a measuring process after this many seconds.")] = 1800.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a table.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The record's file; records/<bundle>-<time>.json by default.")
    ] = None,
) -> None:
    """Measure how fast a bundle is on this machine, or on the one at --host, and how much memory it takes.

    Several engines and precisions are measured in turns in one process and compared with the first of them. With
    --device, a machine that is not this one is predicted, with an interval, and every line says so.

    Example: brushlet bench adain-w025 --size 256 --size 512 --vs teacher

    Example: brushlet bench adain-w025 --engine onnxruntime --engine openvino --precision fp32 --precision int8

    Example: brushlet bench adain-w025 --peers --peer-weights weights/ --content photos/ --style paintings/

    Example: brushlet bench adain-w025 --suite held-back --peers

    Example: brushlet bench adain-w025 --batch 1 --batch 4 --threads 1 --threads 2 --resume records/interrupted.json

    Example: brushlet bench adain-w025 --precision int8 --device jetson-orin-nano --host user@jetson.local

    Example: brushlet bench adain-w025 --precision int8 --budget-ms 33 --percentile 90 --max-memory 200MB --min-psnr 35

    Example: brushlet bench adain-w025 --device jetson-orin-nano --precision int8 --size 512
    """
    from benchmarks.budget import Budget, parse_bytes
    from benchmarks.entrants import Request
    from benchmarks.peers.request import PeerRequest
    from benchmarks.report_run import run_and_report
    from benchmarks.suite import peers_on

    taking_part = None
    if peers or peer:
        numbers = tuple(dict.fromkeys(peer_precision or ["fp32"]))
        taking_part = PeerRequest(tuple(peer or ()), peer_weights, content, style, pairs, precisions=numbers)
    if suite is not None:
        taking_part, sizes, precisions = peers_on(suite, taking_part)
        size, precision = size or sizes, precision or precisions
    request = Request(
        bundle=bundle,
        sizes=tuple(dict.fromkeys(size or [512])),
        threads=tuple(dict.fromkeys(threads or ())),
        batches=tuple(dict.fromkeys(batch or [1])),
        runs=runs,
        seconds=seconds,
        engines=tuple(dict.fromkeys(engine or ([] if host else ["onnxruntime"]))),
        precisions=tuple(dict.fromkeys(precision or ["fp32"])),
        rivals=tuple(dict.fromkeys(versus or ())),
        teacher_weights=teacher_weights,
        timeout=timeout,
        budget=Budget(
            milliseconds=budget_ms,
            percentile=percentile,
            part=part,
            memory=None if max_memory is None else parse_bytes(max_memory),
            psnr=min_psnr,
        ),
        wait=wait,
        power=power,
        peers=taking_part,
        host=host,
        device=device if host is not None else None,
    )
    if host is None and (device is not None or predict or accept_prediction):
        from benchmarks.prediction.predict_there import predict_elsewhere

        if predict_elsewhere(request, device, output, as_json, predict, accept_prediction):
            return
    run_and_report(request, output, as_json, plot, resume)
