"""Measure a bundle on this machine, alone or against a rival, and make a record of it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.isolate import run_isolated
from benchmarks.job import Job, Target
from benchmarks.measure import Effort
from benchmarks.record import DIGITS, GraphFile, Ratio, Record, Settings, SizeResult, Start, Subject, Timing
from benchmarks.statistics import median_interval, ratio_interval
from devices import STOLEN_SHARE, DeviceError, Host, Load, describe_this_machine, measure_load, read_cores
from runtime.bundle import MANIFEST_NAME, ROLES, Bundle, open_bundle, sha256_of
from runtime.engines import require_engine
from runtime.errors import UserError
from runtime.shipped import find_model
from runtime.stylizer import MAX_PAINT_PIXELS

SMALLEST_SIZE = 16
#: A rival that is much slower than the student runs less often than it, so that it takes about this long.
RIVAL_SECONDS = 60.0
_PACKAGES = ("brushlet", "numpy", "pillow", "onnxruntime", "torch")


@dataclass(frozen=True)
class Request:
    """What to measure. ``rival`` is "teacher", another bundle, or None; ``threads`` None is one per usable core."""

    bundle: str
    sizes: tuple[int, ...] = (512,)
    threads: int | None = None
    runs: int = 50
    seconds: float = 5.0
    engine: str = "onnxruntime"
    rival: str | None = None
    teacher_weights: str | None = None
    timeout: float = 1800.0


@dataclass(frozen=True)
class _Entrant:
    """A target, what of it is measured, and for how long."""

    target: Target
    name: str
    bundle: Bundle | None
    parts: tuple[str, ...]
    effort: Effort


def bench(request: Request, command: Sequence[str] = (), tell: Callable[[str], None] = lambda line: None) -> Record:
    """Measure; ``tell`` gets a line for people now and then. Takes a minute or so per size.

    Every measurement runs in a process of its own: one per size for the latencies of all subjects, interleaved, and
    one per size and subject for loading, first run and memory.

    Raises UserError for a bundle, engine, size or rival that does not work, and when a measuring process fails.
    """
    _check(request)
    entrants = _entrants(request)
    settings = _settings(request)
    load = measure_load()
    warnings = [f"{line}: measure again on a quiet machine" for line in load.warnings()]
    for line in warnings:
        tell(f"warning: {line}")
    results, subjects = [], []
    for size in request.sizes:
        tell(f"measuring {' and '.join(entrant.name for entrant in entrants)} at {size}x{size}")
        result, subjects = _measure_size(entrants, size, settings, request.timeout)
        results.append(result)
        warnings += _doubts(result, subjects)
    return Record(
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=tuple(command),
        settings=settings,
        subjects=tuple(subjects),
        results=tuple(results),
        environment=_environment(load),
        warnings=tuple(warnings),
    )


def _check(request: Request) -> None:
    if not request.sizes:
        raise UserError("there is no size to measure: --size 512")
    for size in request.sizes:
        if size < SMALLEST_SIZE or size * size > MAX_PAINT_PIXELS:
            raise UserError(f"--size must be from {SMALLEST_SIZE} to {int(MAX_PAINT_PIXELS**0.5)} pixels, not {size}")
    for name, value, least in (("runs", request.runs, 1), ("seconds", request.seconds, 0)):
        if not least <= value <= 10_000:
            raise UserError(f"--{name} must be from {least} to 10000, not {value:g}")
    if not request.timeout > 0:
        raise UserError(f"--timeout must be above 0 seconds, not {request.timeout:g}")
    require_engine(request.engine)


def _entrants(request: Request) -> list[_Entrant]:
    effort = Effort(runs=request.runs, seconds=request.seconds)
    bundle = open_bundle(find_model(request.bundle))
    own = _bundle_entrant(bundle, request.engine, effort)
    if request.rival is None:
        return [own]
    slower = replace(effort, budget=RIVAL_SECONDS)
    if request.rival == "teacher":
        name = _teacher_name(bundle)
        weights = request.teacher_weights and str(Path(request.teacher_weights).absolute())
        target = Target("teacher", name, "torch", weights)
        parts = ("both_pictures",)
        return [replace(own, parts=(*own.parts, *parts)), _Entrant(target, f"teacher {name}", None, parts, slower)]
    rival = _bundle_entrant(open_bundle(find_model(request.rival)), request.engine, slower)
    if rival.name == own.name:
        rival = replace(rival, name=f"{rival.name} ({request.rival})")
    return [own, rival]


def _bundle_entrant(bundle: Bundle, engine: str, effort: Effort) -> _Entrant:
    target = Target("bundle", str(bundle.directory), engine)
    return _Entrant(target, bundle.manifest.name, bundle, ("end_to_end", "model"), effort)


def _teacher_name(bundle: Bundle) -> str:
    """The teacher the bundle was distilled from, as its provenance has it: a name, or an object with a name."""
    teacher = bundle.manifest.provenance.get("teacher")
    name = teacher.get("name") if isinstance(teacher, dict) else teacher
    return name if isinstance(name, str) and name else "adain"


def _settings(request: Request) -> Settings:
    host = Host()
    cores = read_cores(host)
    threads = cores.threads if request.threads is None else request.threads
    try:
        cpus = cores.pick(threads)
    except DeviceError as error:
        raise UserError(f"--threads: {error}") from error
    # Only Linux lets a process choose its CPUs.
    return Settings(threads, cpus if host.allowed_cpus is not None else None, request.runs, request.seconds)


def _measure_size(
    entrants: Sequence[_Entrant], size: int, settings: Settings, timeout: float
) -> tuple[SizeResult, list[Subject]]:
    def job(purpose: str, chosen: Sequence[_Entrant]) -> Job:
        return Job(
            purpose=purpose,
            targets=tuple(entrant.target for entrant in chosen),
            parts=tuple(entrant.parts for entrant in chosen),
            efforts=tuple(entrant.effort for entrant in chosen),
            size=size,
            threads=settings.threads,
            cpus=settings.cpus,
        )

    answers = [run_isolated(job("start", [entrant]), timeout) for entrant in entrants]
    answer = run_isolated(job("latency", entrants), timeout)
    timings = tuple(_timing(series) for series in answer["series"])
    result = SizeResult(
        width=size,
        height=size,
        starts=tuple(_start(number, answer) for number, answer in enumerate(answers)),
        timings=timings,
        ratios=tuple(_ratios(timings)),
        stolen=answer["stolen"],
    )
    return result, [_subject(*pair) for pair in zip(entrants, answers, strict=True)]


def _start(number: int, answer: dict[str, Any]) -> Start:
    return Start(
        subject=number,
        load_ms=round(answer["load_ms"], DIGITS),
        first_ms=round(answer["first_ms"], DIGITS),
        baseline_bytes=answer["baseline_bytes"],
        peak_bytes=answer["peak_bytes"],
    )


def _timing(series: dict[str, Any]) -> Timing:
    samples = tuple(round(ms, DIGITS) for ms in series["samples_ms"])
    interval = median_interval(samples)
    return Timing(
        subject=series["subject"],
        part=series["part"],
        steady=series["steady"],
        shortened=series["shortened"],
        low_ms=round(interval.low, DIGITS),
        high_ms=round(interval.high, DIGITS),
        warmup_ms=tuple(round(ms, DIGITS) for ms in series["warmup_ms"]),
        samples_ms=samples,
    )


def _ratios(timings: Sequence[Timing]) -> list[Ratio]:
    """The rival over the bundle, for each part that both have."""
    own = {timing.part: timing for timing in timings if timing.subject == 0}
    ratios = []
    for timing in timings:
        if timing.subject > 0 and timing.part in own:
            found = ratio_interval(timing.samples_ms, own[timing.part].samples_ms)
            ratios.append(Ratio(timing.part, timing.subject, 0, found.value, found.low, found.high))
    return ratios


def _subject(entrant: _Entrant, answer: dict[str, Any]) -> Subject:
    bundle = entrant.bundle
    # Other precisions and formats that the bundle may hold were not run.
    graphs = [bundle.graph(role) for role in ROLES] if bundle else []
    return Subject(
        kind=entrant.target.kind,
        name=entrant.name,
        description=answer["description"],
        engine=answer["engine"],
        engine_version=answer["engine_version"],
        providers=tuple(answer["providers"]),
        manifest_sha256=sha256_of(bundle.directory / MANIFEST_NAME) if bundle else None,
        graphs=tuple(GraphFile(g.role, g.precision, g.file, g.bytes, g.sha256) for g in graphs),
        quality=bundle.manifest.quality if bundle else {},
    )


def _doubts(result: SizeResult, subjects: Sequence[Subject]) -> list[str]:
    """What a reader of these numbers should know."""
    at = f"at {result.width}x{result.height}"
    lines = []
    for timing in result.timings:
        name = f"{subjects[timing.subject].name}, {timing.part}"
        if not timing.steady:
            lines.append(f"{name} {at}: the warm-up never became steady")
        if timing.shortened:
            lines.append(f"{name} {at}: only {len(timing.samples_ms)} runs, since each takes long")
    if result.stolen is not None and result.stolen > STOLEN_SHARE:
        lines.append(f"{at}: the hypervisor gave {result.stolen:.0%} of the machine's time to others meanwhile")
    return lines


def _environment(load: Load) -> dict[str, Any]:
    versions = {name: version for name in _PACKAGES if (version := _version(name))}
    return {
        "machine": describe_this_machine().to_json(),
        "packages": {"python": platform.python_version(), **versions},
        "load_before": load.to_json(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def record_path(record: Record, folder: Path) -> Path:
    """``<folder>/<bundle>-<time>.json``, with a number at the end where that exists already."""
    stem = f"{record.subjects[0].name}-{record.created.replace('-', '').replace(':', '')}"
    for number in range(1, 1000):
        path = folder / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")
        if not path.exists():
            return path
    raise UserError(f"{folder} holds a thousand records of this second: name the file with -o")
