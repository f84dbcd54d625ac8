"""Measure a bundle on this machine, alone or against rivals, and make a record of it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.budget import check_budget, recorded_psnr
from benchmarks.entrants import Entrant, Request, find_entrants
from benchmarks.isolate import run_isolated
from benchmarks.job import Job
from benchmarks.judged import Judged, Score
from benchmarks.labels import counted, labels
from benchmarks.measurements import DIGITS, Ratio, Settings, SizeResult, Start, Subject, Timing
from benchmarks.peer_entrants import find_peers
from benchmarks.record import Absent, Record
from benchmarks.statistics import median_interval, ratio_interval
from devices import STOLEN_SHARE, DeviceError, Host, Load, describe_this_machine, measure_load, read_cores
from runtime.bundle import MANIFEST_NAME, sha256_of
from runtime.engines import require_engine
from runtime.errors import UserError
from runtime.tiles import MAX_PAINT_PIXELS

SMALLEST_SIZE = 16
_PACKAGES = ("brushlet", "numpy", "pillow", "onnxruntime", "openvino", "torch")


def bench(request: Request, command: Sequence[str] = (), tell: Callable[[str], None] = lambda line: None) -> Record:
    """Measure; ``tell`` gets a line for people now and then. Takes a minute or so per size and entrant.

    Every measurement runs in a process of its own: one per size and number of threads for the latencies of all
    subjects, interleaved, and one per subject besides for loading, first run and memory.

    Raises UserError for a bundle, engine, size, rival or limit that does not work, and when a measuring process fails.
    A limit that is not kept is in the record's checks and no error.
    """
    _check(request)
    entrants, warnings = find_entrants(request)
    psnr = _psnr(request, entrants[0])
    pinned = _pinned(request.threads)
    load = measure_load()
    warnings += [f"{line}: measure again on a quiet machine" for line in load.warnings()]
    for line in warnings:
        tell(f"warning: {line}")
    with TemporaryDirectory(prefix="brushlet-peers-") as folder:
        entrants, absent = _with_peers(request, entrants, Path(folder), tell)
        results, answers = _measure_all(request, entrants, pinned, tell)
        try:
            judged = _judge(request, entrants, max(pinned), tell)
        except UserError as error:  # what was measured is worth keeping
            judged = None
            warnings.append(f"pictures were not judged: {error}")
            tell(f"warning: {warnings[-1]}")
    doubts = (line for result in results for line in _doubts(result, labels(entrants)))
    return Record(
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=tuple(command),
        settings=Settings(tuple(pinned), request.runs, request.seconds),
        subjects=tuple(_subject(entrant, answers[number]) for number, entrant in enumerate(entrants)),
        results=tuple(results),
        environment=_environment(load),
        checks=check_budget(request.budget, results, psnr),
        judged=judged,
        absent=tuple(absent),
        warnings=(*warnings, *doubts),
    )


def _measure_all(
    request: Request,
    entrants: Sequence[Entrant],
    pinned: Mapping[int, tuple[int, ...] | None],
    tell: Callable[[str], None],
) -> tuple[list[SizeResult], dict[int, dict[str, Any]]]:
    """Every size with every number of threads, and what the entrants' own processes said of them."""
    names, answers, results = labels(entrants), {}, []
    macs = _macs(request, entrants) if request.peers else [()] * len(request.sizes)
    for threads, cpus in pinned.items():
        for size, counts in zip(request.sizes, macs, strict=True):
            chosen = {n: entrant for n, entrant in enumerate(entrants) if entrant.size in (None, size)}
            tell(f"measuring {', '.join(names[n] for n in chosen)} at {size}x{size}, {counted(threads)}")
            result, told = _measure(chosen, size, threads, cpus, request.timeout)
            results.append(replace(result, macs=tuple(counts)))
            answers |= told
    return results, answers


def _with_peers(
    request: Request, entrants: list[Entrant], folder: Path, tell: Callable[[str], None]
) -> tuple[list[Entrant], list[Absent]]:
    """The bundle's entrants, which code a style too where peers do, then the peers; and the peers that are absent."""
    if request.peers is None:
        return entrants, []
    tell("preparing peers")
    effort = entrants[0].effort
    peers, absent = find_peers(request.peers, effort, request.sizes, folder, request.timeout)
    for each in absent:
        tell(f"absent: {each.name}: {each.reason}")
    own = [
        replace(each, parts=(*each.parts, "style")) if each.bundle and not each.fixed_style else each
        for each in entrants
    ]
    return [*own, *peers], absent


def _macs(request: Request, entrants: Sequence[Entrant]) -> list[list[int | None]]:
    """For each size, the multiplications of every entrant."""
    targets = tuple(entrant.target for entrant in entrants)
    extra = {"sizes": list(request.sizes)}
    return run_isolated(Job("macs", targets, (), (), 0, 1, None, extra), request.timeout)["macs"]


def _judge(request: Request, entrants: Sequence[Entrant], threads: int, tell: Callable[[str], None]) -> Judged | None:
    """Everybody's pictures on the same pairs, where peers take part; a teacher takes part as the peer that it is."""
    if request.peers is None or not request.peers.pairs:
        return None
    chosen = {n: entrant for n, entrant in enumerate(entrants) if entrant.kind != "teacher"}
    tell(f"judging the pictures of {len(chosen)} subjects on {request.peers.pairs} pairs")
    peers = request.peers
    extra = {
        "content": peers.content and str(Path(peers.content).absolute()),
        "style": peers.style and str(Path(peers.style).absolute()),
        "vgg19": peers.judge_weights(),
        "pairs": peers.pairs,
    }
    targets = tuple(entrant.target for entrant in chosen.values())
    answer = run_isolated(Job("judge", targets, (), (), 0, threads, None, extra), request.timeout)
    scores = zip(chosen.items(), answer.pop("scores"), strict=True)
    photo = answer.pop("photo")
    return Judged(
        **answer,
        photo_style=photo["style"],
        scores=tuple(
            Score(number, score["content"], None if entrant.fixed_style else score["style"], score["ssim"])
            for (number, entrant), score in scores
        ),
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
    for engine in request.engines:
        require_engine(engine)
    request.budget.require_sensible()
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
    chosen: Mapping[int, Entrant], size: int, threads: int, cpus: tuple[int, ...] | None, timeout: float
) -> tuple[SizeResult, dict[int, dict[str, Any]]]:
    """The result, and what each entrant's own process said of it, by the entrants' numbers."""

    def job(purpose: str, entrants: Sequence[Entrant]) -> Job:
        return Job(
            purpose=purpose,
            targets=tuple(entrant.target for entrant in entrants),
            parts=tuple(entrant.parts for entrant in entrants),
            efforts=tuple(entrant.effort for entrant in entrants),
            size=size,
            threads=threads,
            cpus=cpus,
        )

    answers = {number: run_isolated(job("start", [entrant]), timeout) for number, entrant in chosen.items()}
    answer = run_isolated(job("latency", list(chosen.values())), timeout)
    numbers = list(chosen)
    timings = tuple(_timing(numbers[series["subject"]], series) for series in answer["series"])
    result = SizeResult(
        width=size,
        height=size,
        threads=threads,
        cpus=cpus,
        starts=tuple(_start(number, answer) for number, answer in answers.items()),
        timings=timings,
        ratios=tuple(_ratios(timings)),
        stolen=answer["stolen"],
    )
    return result, answers


def _start(number: int, answer: dict[str, Any]) -> Start:
    return Start(
        subject=number,
        load_ms=round(answer["load_ms"], DIGITS),
        first_ms=round(answer["first_ms"], DIGITS),
        baseline_bytes=answer["baseline_bytes"],
        peak_bytes=answer["peak_bytes"],
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


def _subject(entrant: Entrant, answer: dict[str, Any]) -> Subject:
    bundle = entrant.bundle
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
    at = f"at {result.width}x{result.height}, {counted(result.threads)}"
    lines = []
    for timing in result.timings:
        name = f"{names[timing.subject]}, {timing.part}"
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
