"""Every width of a slimmable run as a bundle of its own: what a search for the right one measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distill.checkpoint import load_student
from distill.slimmable import widths_below
from export.formats import plan_targets
from export.options import ExportOptions
from export.to_bundle import export_bundle
from runtime.errors import UserError


def export_every_width(
    run: str, folder: Path, precision: str, log: Callable[[str], None]
) -> list[tuple[Path, float | None]]:
    """Export each width of a run into ``folder``, or the whole of a run that was not trained with ``--slimmable``.

    Args:
        precision: of the painter; fp32 is there in any case.

    Returns:
        The bundles' directories with their widths, the widest first; None for a run that has one width only.

    Raises:
        UserError: as `export_bundle`, and where a width cannot be had in that precision.
    """
    trained = load_student(run)
    slimmable = trained.config.get("slimmable") is True
    widths = (trained.student.width, *reversed(widths_below(trained.student.width))) if slimmable else (None,)
    options = ExportOptions()
    targets = plan_targets(["onnx"], ["fp32", precision], options)
    found: list[tuple[Path, float | None]] = []
    for number, width in enumerate(widths):
        log(f"exporting {run}" + (f" at width {width:g}" if width is not None else ""))
        place = folder / str(number)
        exported = export_bundle(run, place, targets=targets, options=options, width=width, log=log)
        if exported.failures:
            target, reason = exported.failures[0]
            raise UserError(f"{exported.manifest.name} cannot be had in {target.precision}: {reason}")
        found.append((exported.directory, width))
    return found
