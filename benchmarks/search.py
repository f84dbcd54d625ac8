"""The largest student that keeps a latency budget on a device, measured there or predicted."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bench_bundle import bench
from benchmarks.budget import BUDGET_PARTS, Budget, BudgetMissed
from benchmarks.entrants import Request
from benchmarks.prediction.predict import predict
from benchmarks.report_run import record_path
from devices import Device, identify_here, load_device
from runtime.bundle import MANIFEST_NAME, open_bundle
from runtime.errors import UserError
from runtime.shipped import find_model, shipped_models

Tell = Callable[[str], None]
#: A run of `distill` is known by this file.
RUN_FILE = "student.safetensors"


@dataclass(frozen=True)
class Search:
    """What is looked for.

    Attributes:
        students: bundles, names of students that ship, or runs of ``distill``; none is all that ship and paint any
            style.
        request: how each is measured or predicted: one size, engine, precision and number of threads, and a budget.
        part: what the budget is about; None is the whole picture where it is measured, the model where it is predicted.
        device: name of what it has to be fast on; None for this machine, or whatever is at the request's host.
        predict: predict the device even if it is this machine.
        records: keep each candidate's record in this folder.
    """

    students: tuple[str, ...]
    request: Request
    part: str | None = None
    device: str | None = None
    predict: bool = False
    records: Path | None = None


@dataclass(frozen=True)
class Candidate:
    """A student, and whether it keeps the budget.

    Attributes:
        source: the bundle, or the run that it is a width of.
        command: what makes a bundle of it; None where it is one.
        weights: in the painter.
        ms: the percentile that was measured, or the middle of what was predicted; None where ``reason`` says why not.
        low_ms, high_ms: the interval of a prediction; the whole of it has to be within the budget.
    """

    name: str
    source: str
    width: float
    weights: int
    command: str | None = None
    ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    fits: bool = False
    reason: str | None = None

    @property
    def decisive_ms(self) -> float | None:
        """What is held against the budget."""
        return self.ms if self.high_ms is None else self.high_ms


@dataclass(frozen=True)
class Found:
    """Candidates, the largest first; ``device`` is its title, ``basis`` what predictions rest on, None if measured."""

    candidates: tuple[Candidate, ...]
    budget: Budget
    what: str
    device: str
    basis: str | None = None

    @property
    def measured(self) -> bool:
        return self.basis is None

    @property
    def chosen(self) -> Candidate | None:
        """The largest that keeps the budget."""
        return next((each for each in self.candidates if each.fits), None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        chosen = self.chosen
        return {
            "kind": "measured" if self.measured else "predicted",
            "device": self.device,
            "what": self.what,
            "budget_ms": self.budget.milliseconds,
            "basis": self.basis,
            "candidates": [asdict(each) for each in self.candidates],
            "chosen": chosen and asdict(chosen),
        }

    def require_one(self) -> None:
        """Raises BudgetMissed, with one line that names the nearest, where nothing keeps the budget."""
        if self.chosen is not None:
            return
        known = [each for each in self.candidates if each.decisive_ms is not None]
        nearest = min(known, key=lambda each: each.decisive_ms or 0)
        how = "" if self.measured else "as predicted and not measured, "
        end = "" if self.measured else " at the upper end"
        raise BudgetMissed(
            f"no student fits: {how}{nearest.name} comes nearest with {nearest.decisive_ms:.3g} ms{end}, over the "
            f"budget of {self.budget.milliseconds:g} ms ({self.what}): smaller pictures, int8 or narrower students may"
        )


def search(search: Search, tell: Tell = lambda line: None) -> Found:
    """Measure or predict every candidate. Takes some seconds for each that is measured.

    Raises:
        UserError: no budget, nothing to choose from, or not one candidate can be measured or predicted.
        DeviceError: there is no such device, or no connection to the host.
    """
    device = _to_predict(search)
    if device is not None and search.part not in (None, "model"):
        raise UserError("only the paint graph is predicted: add --part model, or leave --part out")
    budget = replace(search.request.budget, part=search.part or ("end_to_end" if device is None else "model"))
    if budget.milliseconds is None:
        raise UserError("say what the budget is: --budget-ms 8")
    budget.require_sensible()
    request = replace(search.request, budget=budget)
    search = replace(search, request=request)
    with ExitStack() as stack:
        candidates = sorted(_candidates(search, stack, tell), key=lambda each: (-each[0].weights, each[0].name))
        judge = _measured(search, tell) if device is None else _predicted(request, device)
        judged, basis = [], None
        for number, (candidate, bundle) in enumerate(candidates, start=1):
            tell(f"{'measuring' if device is None else 'predicting'} {candidate.name} ({number} of {len(candidates)})")
            try:
                found, basis = judge(candidate, bundle)
            except UserError as error:
                found = replace(candidate, reason=str(error))
                tell(f"left out: {candidate.name}: {error}")
            judged.append(found)
    if all(each.reason for each in judged):
        raise UserError(judged[0].reason or "")
    return Found(tuple(judged), request.budget, _what(request, device), _title(search, device), basis)


def _to_predict(search: Search) -> Device | None:
    """The device to predict, or None where it is measured: at the host, or here."""
    if search.request.host is not None:
        if search.predict:
            raise UserError("--host measures: leave it or --predict out")
        return None
    if search.device is None:
        if search.predict:
            raise UserError("--predict is about a device: add --device NAME")
        return None
    device, here = load_device(search.device), identify_here().device
    return device if search.predict or here is None or here.name != device.name else None


def _candidates(search: Search, stack: ExitStack, tell: Tell) -> Iterator[tuple[Candidate, Path]]:
    """Each with the directory of its bundle; what has to be exported for this goes to a temporary one."""
    for name in search.students or shipped_models():
        if (Path(name) / RUN_FILE).is_file() and not (Path(name) / MANIFEST_NAME).is_file():
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="brushlet-search-")))
            yield from _of_run(name, folder, search.request.precisions[0], tell)
            continue
        directory = find_model(name)
        manifest = open_bundle(directory).manifest
        if search.students or not manifest.student.fixed_style:
            yield _candidate(directory, name), directory


def _of_run(run: str, folder: Path, precision: str, tell: Tell) -> Iterator[tuple[Candidate, Path]]:
    from export.every_width import export_every_width

    for directory, width in export_every_width(run, folder, precision, tell):
        words = ["brushlet", "export", run, *([] if width is None else ["--width", f"{width:g}"])]
        yield replace(_candidate(directory, run), command=shlex.join([*words, "--precision", precision])), directory


def _candidate(directory: Path, source: str) -> Candidate:
    manifest = open_bundle(directory).manifest
    student = manifest.student
    return Candidate(manifest.name, source, student.width, student.parameters.get("paint", 0))


Judge = Callable[[Candidate, Path], tuple[Candidate, str | None]]


def _measured(search: Search, tell: Tell) -> Judge:
    def judge(candidate: Candidate, bundle: Path) -> tuple[Candidate, None]:
        device = search.device if search.request.host is not None else None
        record = bench(replace(search.request, bundle=str(bundle), device=device), sys.argv, tell)
        if search.records is not None:
            search.records.mkdir(parents=True, exist_ok=True)
            record.write(record_path(record, search.records))
        check = next(each for each in record.checks if each.unit == "ms")
        return replace(candidate, ms=check.found, fits=check.met), None

    return judge


def _predicted(request: Request, device: Device) -> Judge:
    def judge(candidate: Candidate, bundle: Path) -> tuple[Candidate, str]:
        prediction = predict(replace(request, bundle=str(bundle)), device, accept=True)
        found = prediction.rows[0].forecast
        fits = found.high_ms <= (request.budget.milliseconds or 0)
        numbers = {"ms": found.predicted_ms, "low_ms": found.low_ms, "high_ms": found.high_ms}
        return replace(candidate, **numbers, fits=fits), str(prediction.basis)

    return judge


def _what(request: Request, device: Device | None) -> str:
    budget = request.budget
    which = f"p{budget.percentile:g} {BUDGET_PARTS[budget.part]}" if device is None else "model only"
    return f"{which} at {request.sizes[0]}x{request.sizes[0]}, {request.precisions[0]}"


def _title(search: Search, device: Device | None) -> str:
    if device is not None:
        return device.title
    return search.device or search.request.host or "this machine"
