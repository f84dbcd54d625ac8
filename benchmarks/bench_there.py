"""Measure a bundle on another machine: everything it takes goes there, and its record comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.budget import check_budget, recorded_psnr
from benchmarks.entrants import Request
from benchmarks.record import Record, RecordError, read_record
from benchmarks.ship_bundle import TENSORRT, There, prepare, ship
from devices import Device, Machine, Match, describe_this_machine, identify_here, load_device
from devices.remote import Connection, connect, host_there, printable, require_device
from runtime.atomic_write import write_atomically
from runtime.bundle import MANIFEST_NAME, Bundle, Manifest, open_bundle, sha256_of
from runtime.engines import PLAIN_ENGINE, require_engine
from runtime.errors import UserError
from runtime.shipped import find_model

#: How the options of `Request` are called on the command line that runs on the device; one with many values repeats.
FORWARDED = {
    "sizes": "--size",
    "threads": "--threads",
    "batches": "--batch",
    "runs": "--runs",
    "seconds": "--seconds",
    "engines": "--engine",
    "precisions": "--precision",
    "timeout": "--timeout",
    "wait": "--wait",
}
#: Those that are seen to, or refused, here.
HANDLED = ("bundle", "rivals", "teacher_weights", "budget", "peers", "host", "device", "power")
MOST_RECORD_BYTES = 64 * 2**20
#: For starting and writing, beside what the measuring processes may take.
_SPARE_SECONDS = 300.0
#: A clock that is this far off may make certificates look invalid, which stops pip.
_MOST_SKEW_SECONDS = 300.0


def bench_there(
    request: Request, command: Sequence[str] = (), tell: Callable[[str], None] = lambda line: None
) -> Record:
    """Measure on ``request.host``; `benchmarks.bench` calls this where a host is named.

    The device's record is checked, and completed with what is known here: the command, the limits, and which device
    it is. Nothing is left running or half-written there, however this ends.

    Raises:
        UserError: what `benchmarks.bench` raises, and where the device cannot measure this.
        RecordError: what came back is not the record of this measurement.
        DeviceError: there is no connection, it was cut, or the device is not ``request.device``.
    """
    _require_possible(request)
    names = [request.bundle, *request.rivals]
    bundles = [open_bundle(find_model(name)) for name in names]
    asked = load_device(request.device) if request.device is not None else None
    with connect(request.host, tell=tell) as connection:
        machine, match = _look(connection, asked, tell)
        request = _with_engines(request, bundles, match, tell)
        psnr = _psnr(request, bundles[0])
        there = prepare(connection, request, machine, match.device)
        shipped = [ship(there, request, each, f"{n}-{each.manifest.name}") for n, each in enumerate(bundles)]
        record = _measure(there, request, [path for path, _ in shipped], tell)
        record = _named_as_here(record, {path: name for (path, _), name in zip(shipped, names, strict=True)})
        _require_ours(record, request, [manifest for _, manifest in shipped], connection.host)
    warnings = (*record.warnings, *_doubts(connection, match))
    for line in warnings[len(record.warnings) :]:
        tell(f"warning: {line}")
    return replace(
        record,
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),  # its own clock may be anywhere
        command=tuple(command),
        subjects=tuple(
            replace(each, manifest_sha256=_manifest_of(each.name, names, bundles)) for each in record.subjects
        ),
        environment={**_plain(record.environment), "device": match.to_json(), "transport": connection.kind},
        checks=check_budget(request.budget, record.results, psnr),
        warnings=warnings,
    )


def _require_possible(request: Request) -> None:
    for engine in request.engines:
        require_engine(engine)
    request.budget.require_sensible()
    if "teacher" in request.rivals:
        raise UserError("--vs teacher runs in torch, which is not brought to a device: leave --vs or --host out")
    if request.peers is not None:
        raise UserError("--peers measures on this machine only: leave --peers or --host out")


def _look(connection: Connection, asked: Device | None, tell: Callable[[str], None]) -> tuple[Machine, Match]:
    """What the machine is. Raises DeviceError if it is not the device that was asked for."""
    with host_there(connection) as system:
        machine = describe_this_machine(system)
        match = identify_here(system) if asked is None else require_device(system, asked, connection.host)
    device = f"{match.device.name} ({match.certainty})" if match.device else "no device of the catalogue"
    release = f", {machine.board_release}" if machine.board_release else ""
    tell(f"{connection.host} is {device}: {printable(machine.name)}{release}")
    return machine, match


def _with_engines(request: Request, bundles: Sequence[Bundle], match: Match, tell: Callable[[str], None]) -> Request:
    """With the engines to measure: those asked for, else TensorRT where that is recommended and can be had."""
    from export.tensorrt.build_there import find_recipe

    if request.engines:
        return request
    recommended = [advice.format for advice in match.device.recommended] if match.device else []
    if TENSORRT not in recommended:
        return replace(request, engines=(PLAIN_ENGINE,))
    lacking = [name for name in request.precisions if not all(find_recipe(bundle, name) for bundle in bundles)]
    if not lacking:
        return replace(request, engines=(TENSORRT,))
    tell(
        f"note: there is no TensorRT recipe for {', '.join(lacking)} in the bundle, so {PLAIN_ENGINE} measures the "
        f"processor: 'brushlet export … --format tensorrt --precision {','.join(lacking)} --recipe-only' adds one"
    )
    return replace(request, engines=(PLAIN_ENGINE,))


def _psnr(request: Request, bundle: Bundle) -> float | None:
    if request.budget.psnr is None:
        return None
    return recorded_psnr(bundle, request.engines[0], request.precisions[0])


def _measure(there: There, request: Request, bundles: Sequence[str], tell: Callable[[str], None]) -> Record:
    """Run `brushlet bench` there, and fetch its record."""
    connection, record = there.connection, f"{there.connection.facts.scratch}/record.json"
    words = [there.python, "-m", "benchmarks", *arguments(request, bundles), "--output", connection.path(record)]
    timeout = _timeout(request, len(bundles))
    done = connection.run(words, timeout, there.environment, tell_errors=lambda line: _relay(line, tell))
    if not done.ok:
        raise UserError(f"{connection.host} could not measure: {done.reason}")
    with TemporaryDirectory(prefix="brushlet-record-") as folder:
        path = Path(folder) / f"record of {connection.host.replace('/', ' ')}"
        write_atomically(path, connection.get(record, MOST_RECORD_BYTES))
        try:
            return read_record(path)
        except RecordError as error:
            raise RecordError(str(error).replace(f"{folder}/", "the ")) from error


def arguments(request: Request, bundles: Sequence[str]) -> list[str]:
    """The request as words of the command line on the device, for bundles that lie there."""
    words = [bundles[0]]
    for field, option in FORWARDED.items():
        value = getattr(request, field)
        for each in value if isinstance(value, tuple) else (value,):
            words += [option, str(each)]
    words += [] if request.power else ["--no-power"]
    return words + [word for rival in bundles[1:] for word in ("--vs", rival)]


def _timeout(request: Request, bundles: int) -> float:
    """Each size, number of threads and batch takes one process for all, and one for each combination."""
    entrants = bundles * len(request.engines) * len(request.precisions)
    cells = len(request.sizes) * len(request.batches) * max(1, len(request.threads))
    return (request.timeout * (entrants + 1) + request.wait) * cells + _SPARE_SECONDS


def _relay(line: str, tell: Callable[[str], None]) -> None:
    """Its progress and its warnings; an error is told at the end, and where its record is concerns nobody."""
    if not line.startswith(("error: ", "record: ")):
        tell(line)


def _require_ours(record: Record, request: Request, manifests: Sequence[Manifest], host: str) -> None:
    """Raises RecordError unless the record is of what was sent."""
    files = {(graph.file, graph.sha256) for manifest in manifests for graph in manifest.graphs}
    measured = {(graph.file, graph.sha256) for subject in record.subjects for graph in subject.graphs}
    sizes = {(result.width, result.height) for result in record.results}
    kinds = {(subject.kind, subject.engine in request.engines) for subject in record.subjects}
    if kinds != {("bundle", True)} or not measured or not measured <= files:
        raise RecordError(f"the record of {host} is of other files than were sent there: do not trust it")
    if sizes != {(size, size) for size in request.sizes}:
        raise RecordError(f"the record of {host} is of other sizes than were asked for: do not trust it")


def _named_as_here(record: Record, names: Mapping[str, str]) -> Record:
    """A rival of the same name is told apart by its folder: by the one here."""

    def here(text: str) -> str:
        for path, name in names.items():
            text = text.replace(path, name)
        return text

    subjects = tuple(replace(subject, name=here(subject.name)) for subject in record.subjects)
    return replace(record, subjects=subjects, warnings=tuple(map(here, record.warnings)))


def _doubts(connection: Connection, match: Match) -> list[str]:
    lines = []
    if abs(connection.facts.skew) > _MOST_SKEW_SECONDS:
        direction = "ahead" if connection.facts.skew > 0 else "behind"
        lines.append(f"the clock of {connection.host} is {abs(connection.facts.skew):.0f} s {direction}")
    if match.device is not None and match.certainty not in ("certain", "class"):
        signs = "; ".join(match.evidence)
        lines.append(f"{connection.host} is {match.certainty} {match.device.name}, not certainly: {signs}")
    return lines


def _manifest_of(name: str, sources: Sequence[str], bundles: Sequence[Bundle]) -> str:
    """The digest of the bundle's manifest here: the one that was sent leaves out what the device has no use for."""
    told_apart = {f"{bundle.manifest.name} ({source})": bundle for source, bundle in zip(sources, bundles, strict=True)}
    named = {bundle.manifest.name: bundle for bundle in reversed(bundles)}
    bundle = {**told_apart, **named}.get(name, bundles[-1])
    return sha256_of(bundle.directory / MANIFEST_NAME)


def _plain(value: Any) -> Any:
    """JSON of the device whose texts a terminal may show."""
    if isinstance(value, dict):
        return {printable(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return printable(value) if isinstance(value, str) else value
