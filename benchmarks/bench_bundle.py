"""Measure a bundle on this machine, alone or against rivals, and make a record of it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import energy
from benchmarks.budget import check_budget, recorded_psnr
from benchmarks.entrants import Entrant, Request, find_entrants
from benchmarks.isolate import run_isolated
from benchmarks.job import Job
from benchmarks.judged import Judged, float_originals
from benchmarks.labels import counted, labels
from benchmarks.measurements import DIGITS, Ratio, Settings, SizeResult, Start, Subject, Timing
from benchmarks.peer_entrants import find_peers
from benchmarks.quiet import wait_until_quiet
from benchmarks.record import Absent, Record
from benchmarks.resume import Cell, kept_results, left_to_do, plan_cells, told_before
from benchmarks.sensing import Sensing, measure_energy, sensor_doubts, watch
from benchmarks.statistics import drift, median_interval, ratio_interval
from benchmarks.together import MOST_TOGETHER
from devices import STOLEN_SHARE, DeviceError, Host, Load, describe_this_machine, measure_load, read_cores
from runtime.bundle import MANIFEST_NAME, sha256_of
from runtime.engines import require_engine
from runtime.errors import UserError
from runtime.tiles import MAX_PAINT_PIXELS

SMALLEST_SIZE = 16
_NOT_JUDGED = "pictures were not judged"
#: Others that take more of the CPUs' time than this while measuring are worth a warning.
OTHERS_SHARE = 0.05
_PACKAGES = ("brushlet", "numpy", "pillow", "onnxruntime", "openvino", "torch")


def bench(
    request: Request,
    command: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
    earlier: Record | None = None,
    keep: Callable[[Record], None] = lambda record: None,
) -> Record:
    """Measure; ``tell`` gets a line for people now and then. Takes a minute or so per size and entrant.

    Every measurement runs in a process of its own: one per size, number of threads and batch for the latencies of all
    subjects, interleaved, and one per subject besides for loading, first run and memory.

    Args:
        earlier: a record of the same that was interrupted; what it holds is not measured again.
        keep: gets the record so far, with what is unfinished, whenever a size, number of threads and batch is done.

    Raises UserError for a bundle, engine, size, rival or limit that does not work, when a measuring process fails, and
    when ``earlier`` is of something else. A limit that is not kept is in the record's checks and no error.
    """
    _check(request)
    if request.host is not None:
        from benchmarks.bench_there import bench_there

        if earlier is not None:
            raise UserError("--resume goes on with what was measured on this machine: leave --host out")
        return bench_there(request, command, tell)
    entrants, warnings = find_entrants(request)
    psnr = _psnr(request, entrants[0])
    pinned = _pinned(request.threads)
    load, sensing = wait_until_quiet(request.wait, tell, measure_load), Sensing(request.power)
    warnings += [f"{line}: measure again on a quiet machine" for line in load.warnings()]
    for line in warnings:
        tell(f"warning: {line}")
    with TemporaryDirectory(prefix="brushlet-peers-") as folder:
        entrants, absent = _with_peers(request, entrants, Path(folder), tell)
        cells, environment = plan_cells(request, pinned), {**_environment(load), "power": sensing.to_json()}
        draft = _Draft(request, tuple(command), entrants, absent, warnings, cells, environment)
        if earlier is not None:
            draft.go_on(earlier)
        _measure_all(draft, sensing, tell, keep)
        judged = None if earlier is None else earlier.judged
        try:
            judged = judged or _judge(request, entrants, max(pinned), tell)
        except UserError as error:  # what was measured is worth keeping
            warnings.append(f"{_NOT_JUDGED}: {error}")
            tell(f"warning: {warnings[-1]}")
    asked = [draft.results[cell] for cell in cells]
    return replace(draft.record(), checks=check_budget(request.budget, asked, psnr), judged=judged)


@dataclass
class _Draft:
    """A record that grows: what is fixed before the first measurement, the results so far, what was said of whom."""

    request: Request
    command: tuple[str, ...]
    entrants: Sequence[Entrant]
    absent: Sequence[Absent]
    warnings: list[str]
    cells: Sequence[Cell]
    environment: dict[str, Any]
    results: dict[Cell, SizeResult] = field(default_factory=dict)
    told: dict[int, dict[str, Any]] = field(default_factory=dict)
    created: str = field(default_factory=lambda: datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))

    def go_on(self, earlier: Record) -> None:
        """Take over all that an earlier record holds, of cells that are not asked for now too."""
        self.results = kept_results(earlier, self.request, self.entrants, self.environment)
        self.told = told_before(earlier)
        self.warnings[:0] = [line for line in earlier.warnings if not line.startswith(_NOT_JUDGED)]

    def record(self, unfinished: tuple[str, ...] = ()) -> Record:
        """The record of those cells that are done: the ones asked for in their order, then others."""
        cells = [cell for cell in dict.fromkeys((*self.cells, *self.results)) if cell in self.results]
        results = tuple(self.results[cell] for cell in cells)
        doubts = (line for result in results for line in _doubts(result, labels(self.entrants)))
        return Record(
            created=self.created,
            command=self.command,
            settings=Settings(
                tuple(dict.fromkeys(cell.threads for cell in cells)), self.request.runs, self.request.seconds
            ),
            subjects=tuple(_subject(entrant, self.told.get(n)) for n, entrant in enumerate(self.entrants)),
            results=results,
            environment=self.environment,
            absent=tuple(self.absent),
            warnings=tuple(dict.fromkeys((*self.warnings, *doubts))),
            unfinished=unfinished,
        )


def _measure_all(draft: _Draft, sensing: Sensing, tell: Callable[[str], None], keep: Callable[[Record], None]) -> None:
    """Measure the cells that are not done, and hand the record over after each."""
    request, entrants = draft.request, draft.entrants
    ahead = [cell for cell in draft.cells if cell not in draft.results]
    names, sizes = labels(entrants), tuple(dict.fromkeys(cell.size for cell in ahead))
    macs = dict(zip(sizes, _macs(request, entrants, sizes), strict=True)) if request.peers and ahead else {}
    judging = request.peers is not None and request.peers.pairs > 0
    for number, cell in enumerate(ahead):
        if number and request.wait:
            wait_until_quiet(request.wait, tell, measure_load)
        chosen = {n: entrant for n, entrant in enumerate(entrants) if entrant.size in (None, cell.size)}
        tell(f"measuring {', '.join(names[n] for n in chosen)} at {cell}")
        result, told = _measure(chosen, cell, request.timeout, sensing)
        draft.environment["power"] = sensing.to_json()
        draft.results[cell] = replace(result, macs=tuple(macs.get(cell.size, ())))
        draft.told |= told
        keep(draft.record(left_to_do(draft.cells, draft.results, judging)))


def _with_peers(
    request: Request, entrants: list[Entrant], folder: Path, tell: Callable[[str], None]
) -> tuple[list[Entrant], list[Absent]]:
    """The bundle's entrants, which code a style too where peers do, then the peers; and the peers that are absent."""
    if request.peers is None:
        return entrants, []
    tell("preparing peers")
    effort = entrants[0].effort
    peers, absent = find_peers(request.peers, request.engines, effort, request.sizes, folder, request.timeout)
    for each in absent:
        tell(f"absent: {each.name}: {each.reason}")
    own = [
        replace(each, parts=(*each.parts, "style")) if each.bundle and not each.fixed_style else each
        for each in entrants
    ]
    return [*own, *peers], absent


def _macs(request: Request, entrants: Sequence[Entrant], sizes: Sequence[int]) -> list[list[int | None]]:
    """For each size, the multiplications of every entrant."""
    targets = tuple(entrant.target for entrant in entrants)
    extra = {"sizes": list(sizes)}
    return run_isolated(Job("macs", targets, (), (), 0, 1, None, extra), request.timeout)["macs"]


def _judge(request: Request, entrants: Sequence[Entrant], threads: int, tell: Callable[[str], None]) -> Judged | None:
    """Everybody's pictures on the same pairs, where peers take part; a teacher takes part as the peer that it is."""
    if request.peers is None or not request.peers.pairs:
        return None
    chosen = {n: entrant for n, entrant in enumerate(entrants) if entrant.kind != "teacher"}
    tell(f"judging the pictures of {len(chosen)} subjects on {request.peers.pairs} pairs")
    targets = tuple(entrant.target for entrant in chosen.values())
    extra = {**request.peers.judging(), "fp32": float_originals(tuple(chosen.values()))}
    job = Job("judge", targets, (), (), 0, threads, None, extra)
    answer = run_isolated(job, request.timeout)
    return Judged.of(answer, {n: entrant.fixed_style for n, entrant in chosen.items()}, request.peers.suite)


def _check(request: Request) -> None:
    if not request.sizes:
        raise UserError("there is no size to measure: --size 512")
    for size in request.sizes:
        if size < SMALLEST_SIZE or size * size > MAX_PAINT_PIXELS:
            raise UserError(f"--size must be from {SMALLEST_SIZE} to {int(MAX_PAINT_PIXELS**0.5)} pixels, not {size}")
    for name, value, least in (("runs", request.runs, 1), ("seconds", request.seconds, 0)):
        if not least <= value <= 10_000:
            raise UserError(f"--{name} must be from {least} to 10000, not {value:g}")
    for batch in request.batches:
        if not 1 <= batch <= MOST_TOGETHER:
            raise UserError(f"--batch must be from 1 to {MOST_TOGETHER} pictures, not {batch}")
    if not 0 <= request.wait < float("inf"):
        raise UserError(f"--wait must be 0 seconds or more, not {request.wait:g}")
    if not request.timeout > 0:
        raise UserError(f"--timeout must be above 0 seconds, not {request.timeout:g}")
    for engine in request.engines:
        require_engine(engine)
    request.budget.require_sensible()
    if request.device is not None and request.host is None:
        raise UserError("--device says what the machine at --host has to be: name that too")
    if request.peers is not None:
        request.peers.require_sensible()


def _psnr(request: Request, first: Entrant) -> float | None:
    """What the bundle records for its first combination, where there is a limit: missing it is found out early."""
    if request.budget.psnr is None or first.bundle is None:
        return None
    return recorded_psnr(first.bundle, first.engine, first.precision)


def _pinned(counts: Sequence[int]) -> dict[int, tuple[int, ...] | None]:
    """The CPUs for each number of threads; None where the system does not let a process choose them."""
    host = Host()
    cores = read_cores(host)
    try:
        picked = {threads: cores.pick(threads) for threads in counts or (cores.threads,)}
    except DeviceError as error:
        raise UserError(f"--threads: {error}") from error
    # Only Linux lets a process choose its CPUs.
    return picked if host.allowed_cpus is not None else dict.fromkeys(picked)


def _measure(
    chosen: Mapping[int, Entrant], cell: Cell, timeout: float, sensing: Sensing
) -> tuple[SizeResult, dict[int, dict[str, Any]]]:
    """The result, and what each entrant's own process said of it, by the entrants' numbers."""

    def job(purpose: str, entrants: Sequence[Entrant], extra: Mapping[str, Any] | None = None) -> Job:
        return Job(
            purpose=purpose,
            targets=tuple(entrant.target for entrant in entrants),
            parts=tuple(entrant.parts for entrant in entrants),
            efforts=tuple(entrant.effort for entrant in entrants),
            size=cell.size,
            threads=cell.threads,
            cpus=cell.cpus,
            batch=cell.batch,
            extra=dict(extra or {}),
        )

    answers = {number: run_isolated(job("start", [entrant]), timeout) for number, entrant in chosen.items()}
    with sensing.beside(cell.cpus or ()) as sampler:
        answer = run_isolated(job("latency", list(chosen.values())), timeout)
        measured = [
            measure_energy(
                sampler,
                number,
                entrant.parts[0],
                entrant.engine,
                partial(run_isolated, job("energy", [entrant], energy.PACE), timeout),
            )
            for number, entrant in chosen.items()
        ]
    numbers = list(chosen)
    timings = tuple(_timing(numbers[series["subject"]], series) for series in answer["series"])
    result = SizeResult(
        width=cell.size,
        height=cell.size,
        threads=cell.threads,
        cpus=cell.cpus,
        starts=tuple(_start(number, answer) for number, answer in answers.items()),
        timings=timings,
        ratios=tuple(_ratios(timings)),
        stolen=answer["stolen"],
        others=answer["others"],
        watch=watch(sampler, answer.get("running")),
        energies=tuple(each for each in measured if each is not None),
    )
    return result, answers


def _start(number: int, answer: dict[str, Any]) -> Start:
    return Start(
        subject=number,
        load_ms=round(answer["load_ms"], DIGITS),
        first_ms=round(answer["first_ms"], DIGITS),
        baseline_bytes=answer["baseline_bytes"],
        peak_bytes=answer["peak_bytes"],
        gpu_bytes=answer["gpu_bytes"],
    )


def _timing(subject: int, series: dict[str, Any]) -> Timing:
    samples = tuple(round(ms, DIGITS) for ms in series["samples_ms"])
    interval = median_interval(samples)
    return Timing(
        subject=subject,
        part=series["part"],
        steady=series["steady"],
        shortened=series["shortened"],
        low_ms=round(interval.low, DIGITS),
        high_ms=round(interval.high, DIGITS),
        warmup_ms=tuple(round(ms, DIGITS) for ms in series["warmup_ms"]),
        samples_ms=samples,
        batch=series["batch"],
        stages_ms={name: round(ms, DIGITS) for name, ms in series["stages_ms"].items()},
    )


def _ratios(timings: Sequence[Timing]) -> list[Ratio]:
    """Every subject over the first one, for each part that both have."""
    own = {timing.part: timing for timing in timings if timing.subject == 0}
    ratios = []
    for timing in timings:
        if timing.subject > 0 and timing.part in own:
            found = ratio_interval(timing.samples_ms, own[timing.part].samples_ms)
            ratios.append(Ratio(timing.part, timing.subject, 0, found.value, found.low, found.high))
    return ratios


def _subject(entrant: Entrant, told: dict[str, Any] | None) -> Subject:
    """The entrant with what its own process said of it; None where none ran yet."""
    bundle = entrant.bundle
    answer = told or {
        "description": "not measured yet",
        "engine": entrant.engine,
        "engine_version": "unknown",
        "providers": (),
    }
    return Subject(
        kind=entrant.kind,
        name=entrant.name,
        description=answer["description"],
        engine=answer["engine"],
        engine_version=answer["engine_version"],
        providers=tuple(answer["providers"]),
        manifest_sha256=sha256_of(bundle.directory / MANIFEST_NAME) if bundle else None,
        graphs=entrant.files,
        quality=bundle.manifest.quality if bundle else {},
        precision=entrant.precision,
    )


def _doubts(result: SizeResult, names: Sequence[str]) -> list[str]:
    """What a reader of these numbers should know."""
    at = f"at {result.width}x{result.height}, {counted(result.threads, result.batch)}"
    lines = []
    for timing in result.timings:
        name = f"{names[timing.subject]}, {timing.part}"
        if not timing.steady:
            lines.append(f"{name} {at}: the warm-up never became steady")
        if timing.shortened:
            lines.append(f"{name} {at}: only {len(timing.samples_ms)} runs, since each takes long")
        if change := drift(timing.samples_ms):
            lines.append(f"{name} {at}: the last third took {change:.2f} times as long as the first")
    if result.others is not None and result.others > OTHERS_SHARE:
        lines.append(f"{at}: other work took {result.others:.0%} of the CPUs' time meanwhile")
    lines += [f"{at}: {doubt}" for doubt in sensor_doubts(result.watch)]
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
