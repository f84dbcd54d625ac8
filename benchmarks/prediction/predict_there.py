"""`brushlet bench --device NAME`: a device that is this machine is measured, another one is predicted."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from benchmarks.budget import BudgetMissed
from benchmarks.entrants import Request
from benchmarks.prediction.predict import predict, prediction_path
from benchmarks.prediction.prediction import Prediction
from benchmarks.prediction.prediction_table import render_prediction
from devices import identify_here, load_device
from runtime.errors import UserError

RECORDS = Path("records")


def predict_elsewhere(
    request: Request, name: str | None, output: Path | None, as_json: bool, always: bool = False, accept: bool = False
) -> bool:
    """Predict, print and write; False, and nothing done, where the device is this machine, unless ``always``.

    Raises UserError and DeviceError as `predict` and `load_device` do, and BudgetMissed, once all that is done, where a
    limit is not kept by the whole interval.
    """
    if name is None:
        raise UserError("--predict and --accept-prediction are about another device: add --device NAME")
    device, here = load_device(name), identify_here()
    if not always and here.device is not None and here.device.name == device.name:
        print(f"this machine is {device.name} ({here.certainty}): measuring", file=sys.stderr)
        return False
    words = sys.argv[1:]
    command = ["brushlet", *([] if words[:1] == ["bench"] else ["bench"]), *words]
    prediction = predict(request, device, accept, command)
    folder = RECORDS if output is None else output.parent
    folder.mkdir(parents=True, exist_ok=True)
    path = output or prediction_path(prediction, folder)
    prediction.write(path)
    if as_json:
        print(prediction.to_text(), end="")
    else:
        Console(width=None if sys.stdout.isatty() else 100, highlight=False).print(render_prediction(prediction))
    print(f"prediction: {path}", file=sys.stderr)
    _require_kept(prediction)
    return True


def _require_kept(prediction: Prediction) -> None:
    missed = [str(check) for check in prediction.checks if not check.met]
    if missed:
        raise BudgetMissed(f"not within budget, as predicted: {'; '.join(missed)}")
    if prediction.checks:
        kept = "; ".join(map(str, prediction.checks))
        print(f"within budget, as predicted and not measured: {kept}", file=sys.stderr)
