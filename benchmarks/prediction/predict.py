"""Predict a bundle on a device: what `brushlet bench --device` does where the device is not this machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.budget import Budget, Check, recorded_psnr
from benchmarks.entrants import Request
from benchmarks.labels import counted
from benchmarks.prediction.fitted import Fitted, read_fitted
from benchmarks.prediction.forecast import Forecast, basis_of, forecast
from benchmarks.prediction.observations import ON_PROCESSOR
from benchmarks.prediction.prediction import DIGITS, Prediction, Row
from benchmarks.prediction.roofline import ENGINES, UNITS, Roofline, roofline_of
from benchmarks.prediction.workload import Workload, bundle_workload
from devices import Device
from runtime.bundle import MANIFEST_NAME, Bundle, open_bundle, sha256_of
from runtime.errors import UserError
from runtime.shipped import find_model


def predict(
    request: Request, device: Device, accept: bool = False, command: Sequence[str] = (), fitted: Fitted | None = None
) -> Prediction:
    """Predict every size, precision and number of threads of a request; ``fitted`` is by default what ships.

    ``accept`` lets a latency limit be held against a prediction. Raises UserError for what only a measurement can say,
    for a bundle that cannot be opened, and where the catalogue does not tell enough of the device.
    """
    _refuse_what_has_to_be_measured(request, accept)
    fitted = fitted or read_fitted()
    bundle = open_bundle(find_model(request.bundle))
    unit = UNITS[device.kind]
    engine = request.engines[0] if unit == "cpu" and request.engines[0] in ON_PROCESSOR else ENGINES[unit]
    rows, rooflines = [], []
    for precision in request.precisions:
        for size in request.sizes:
            work = bundle_workload(bundle, precision, size, size)
            for threads in request.threads or (None,):
                roofline = roofline_of(device, work.operations, threads)
                rooflines.append(roofline)
                rows.append(_row(precision, size, work, roofline, forecast(work, roofline, device, engine, fitted)))
    return Prediction(
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=tuple(command),
        bundle=bundle.manifest.name,
        manifest_sha256=sha256_of(bundle.directory / MANIFEST_NAME),
        device=device.name,
        title=device.title,
        unit=unit,
        engine=engine,
        mode=next((each.mode for each in rooflines if each.mode), None),
        rows=tuple(rows),
        basis=basis_of(device, engine, fitted),
        fitted=fitted.created,
        notes=tuple(dict.fromkeys(note for roofline in rooflines for note in roofline.notes)),
        checks=tuple(_checks(request.budget, rows, bundle)),
    )


def prediction_path(prediction: Prediction, folder: Path) -> Path:
    """``<folder>/<bundle>-on-<device>-<time>.predicted.json``, with a number where that exists already."""
    time = prediction.created.replace("-", "").replace(":", "")
    stem = f"{prediction.bundle}-on-{prediction.device}-{time}"
    for number in range(1, 1000):
        path = folder / (f"{stem}.predicted.json" if number == 1 else f"{stem}-{number}.predicted.json")
        if not path.exists():
            return path
    raise UserError(f"{folder} holds a thousand predictions of this second: name the file with -o")


def _refuse_what_has_to_be_measured(request: Request, accept: bool) -> None:
    if request.rivals or request.peers:
        raise UserError("--vs and --peers measure: they need the device itself")
    budget = request.budget
    budget.require_sensible()
    if budget.memory is not None:
        raise UserError("--max-memory: memory is not predicted, only measured")
    if budget.milliseconds is not None and not accept:
        raise UserError(
            "--budget-ms: this would hold a limit against a prediction, which is no measurement; --accept-prediction "
            "allows it"
        )
    if budget.milliseconds is not None and budget.part != "model":
        raise UserError("--budget-ms: only the paint graph is predicted: add --part model")


def _row(precision: str, size: int, work: Workload, roofline: Roofline, found: Forecast) -> Row:
    rounded = Forecast(*(max(10**-DIGITS, round(ms, DIGITS)) for ms in vars(found).values()))
    threads = None if roofline.stated else roofline.cores
    return Row(precision, size, size, threads, rounded, work.macs, round(work.bytes), len(work.steps))


def _checks(budget: Budget, rows: Sequence[Row], bundle: Bundle) -> list[Check]:
    """Only what the whole interval keeps is kept."""
    checks = []
    if budget.milliseconds is not None:
        for row in rows:
            at = f"{row.precision} at {row.width}x{row.height}" + (
                f" with {counted(row.threads)}" if row.threads else ""
            )
            what = f"upper end of the predicted latency, model only, {at},"
            checks.append(Check(what, "ms", budget.milliseconds, row.forecast.high_ms))
    if budget.psnr is not None:
        for precision in dict.fromkeys(row.precision for row in rows):
            found = recorded_psnr(bundle, "onnxruntime", precision)
            checks.append(
                Check(f"PSNR in the bundle's own parity record of {precision}", "dB", budget.psnr, found, True)
            )
    return checks
