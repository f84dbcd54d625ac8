"""``brushlet export``: options to arguments, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)

_INT8, _TENSORRT = "int8", "TensorRT"


@app.command()
def export(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run directory, a student file, or a student that ships.")
    ],
    format: Annotated[
        str, typer.Option("--format", help="onnx (default), tensorrt, tensorrt-rtx or coreml; several with commas.")
    ] = "",
    precision: Annotated[
        str, typer.Option("--precision", help="fp32, fp16, int8 or (coreml) palettized; several with commas.")
    ] = "",
    target_device: Annotated[
        str | None,
        typer.Option("--target-device", metavar="NAME", help="Choose for this device; see `brushlet devices`."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The bundle's folder; bundles/NAME by default.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The bundle's name; the run's by default.")] = None,
    width: Annotated[
        float | None, typer.Option(help="Cut the student of this width out of a run of `distill --slimmable`.")
    ] = None,
    styles: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder whose pictures become styles of the bundle, by name.")
    ] = None,
    freeze_style: Annotated[
        Path | None,
        typer.Option("--freeze-style", metavar="PAINTING", help="Fold this one style into the weights."),
    ] = None,
    freeze_steps: Annotated[int, typer.Option(help="Steps that win back what folding the style in cost.")] = 200,
    size: Annotated[
        list[str] | None,
        typer.Option(help="Picture sizes for engines and CoreML: 512, 256..1080, 1280x720; may be given again."),
    ] = None,
    compact: Annotated[
        bool, typer.Option(help="Store weights as fp16, half the size; computing stays in fp32.")
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Replace another student's bundle, and make again what is there.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write report.html: all that the bundle holds, side by side.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON record instead of text.")] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Pictures to calibrate with; a run's own by default, else samples.",
            rich_help_panel=_INT8,
        ),
    ] = None,
    min_psnr: Annotated[
        float, typer.Option(help="How near int8 pictures must be to fp32's, in dB.", rich_help_panel=_INT8)
    ] = 35.0,
    max_shift: Annotated[
        float,
        typer.Option(help="How far a colour channel's mean may move, in levels of 255.", rich_help_panel=_INT8),
    ] = 1.0,
    qat: Annotated[
        int,
        typer.Option(metavar="STEPS", help="Fine-tune for int8 if that is not near enough.", rich_help_panel=_INT8),
    ] = 0,
    gpu: Annotated[
        str | None,
        typer.Option(help="The GPU to build for, such as sm89 (tensorrt-rtx).", rich_help_panel=_TENSORRT),
    ] = None,
    dla: Annotated[
        int | None, typer.Option(help="Run what it can on this DLA core.", rich_help_panel=_TENSORRT)
    ] = None,
    workspace: Annotated[
        int | None, typer.Option(metavar="MIB", help="Most scratch memory of a layer.", rich_help_panel=_TENSORRT)
    ] = None,
    timing_cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keeps the builder's timings.", rich_help_panel=_TENSORRT)
    ] = None,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="For later TensorRTs too.", rich_help_panel=_TENSORRT)
    ] = False,
    hardware_compatible: Annotated[
        bool, typer.Option("--hardware-compatible", help="For other GPUs too.", rich_help_panel=_TENSORRT)
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Build engines there: USER@HOST over SSH.", rich_help_panel=_TENSORRT),
    ] = None,
    recipe_only: Annotated[
        bool,
        typer.Option(
            "--recipe-only", help="Write graph and recipe where no engine can be built.", rich_help_panel=_TENSORRT
        ),
    ] = False,
) -> None:
    """Turn a trained student into a bundle that a device runs, or add to one.

    Example: brushlet export runs/adain-w025 --format onnx --precision fp32,int8

    Example: brushlet export runs/adain-slimmable --width 0.25

    Example: brushlet export adain-w025 --format tensorrt --precision int8 --host user@jetson.local
    """
    from export import summary
    from export.at_host import build_at_host, require_engines
    from export.formats import plan_targets
    from export.frozen_style import FrozenStyle
    from export.options import ExportOptions
    from export.to_bundle import export_bundle

    options = ExportOptions(
        calibration=calibration,
        min_psnr=min_psnr,
        max_shift=max_shift / 255,
        qat_steps=qat,
        sizes=tuple(size or ()),
        gpu=gpu,
        dla=dla,
        workspace_mb=workspace,
        timing_cache=timing_cache,
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
        recipe_only=recipe_only or host is not None,
    )
    formats, precisions = _listed(format), _listed(precision)
    if target_device is not None:
        from export.for_device import choose_for_device

        formats, precisions, options = choose_for_device(target_device, formats, precisions, options, _say)
    targets = plan_targets(formats or ["onnx"], precisions, options)
    if host is not None:
        require_engines(targets)
    frozen = FrozenStyle(freeze_style, freeze_steps, calibration) if freeze_style is not None else None
    exported = export_bundle(
        run,
        output,
        name=name,
        targets=targets,
        options=options,
        compact=compact,
        styles=styles,
        width=width,
        frozen_style=frozen,
        force=force,
        log=_say,
    )
    if host is not None:
        exported = build_at_host(exported, targets, host, target_device, _say)
    if report:
        from export.report import write_report

        _say(f"report: {write_report(exported.directory)}")
    typer.echo(summary.as_json(exported) if as_json else summary.as_text(exported))
    for target, reason in exported.failures:
        _say(f"error: {target}: {reason}")
    if exported.failures:
        raise typer.Exit(1)


def _say(line: str) -> None:
    """Tell the user beside the result, which may be JSON for a script."""
    typer.echo(line, err=True)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
