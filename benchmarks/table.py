"""A record as a table for people."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from benchmarks.best_engines import best_lines
from benchmarks.job import PARTS
from benchmarks.labels import counted, labels
from benchmarks.measurements import Ratio, SizeResult, Start, Subject, Timing
from benchmarks.peer_table import artefact_table, peer_notes, peer_table
from benchmarks.power_lines import energy_sentences, sensor_lines
from benchmarks.record import Record
from benchmarks.wording import heading, short, times

LABELS = {
    "model": "model only",
    "end_to_end": "end to end",
    "files": "with files",
    "style": "style alone",
    "both_pictures": "both pictures",
}
_COLUMNS = ("p50", "±%", "p90", "p99", "fps", "first", "MB", "KB", "ratio")
_SCORES = {"content": "content loss", "style": "style loss", "ssim": "SSIM to photo", "teacher_psnr": "dB to teacher"}
_LEGEND = (
    "p50, p90, p99, first run: milliseconds; ±%: half the width of the median's 95 % interval; fps: pictures per "
    "second at p50; MB: peak memory of a process that does only this; KB: graph files"
)


def render(record: Record) -> Group:
    """A table of all measurements, a sentence for every ratio, what the rows mean, and the warnings.

    It fits into a terminal of 80 columns.
    """
    said = [Text(line, style="bold") for line in (*sentences(record), *energy_sentences(record))]
    said += [Text(line) for line in _stages(record)]
    warnings = [Text(f"warning: {line}", style="yellow") for line in record.warnings]
    warnings += [Text(f"unfinished: {line}", style="yellow") for line in record.unfinished]
    if record.absent or any(subject.kind == "peer" for subject in record.subjects):
        body = [table for table in (peer_table(record), artefact_table(record)) if table]
        notes = peer_notes(record)
        said += [Text(line, style="bold") for line in best_lines(record)]
    else:
        body, notes = [_timings(record), *_fidelities(record)], _meanings(record)
    notes = [*notes, *sensor_lines(record)]
    return Group(
        Text(title(record), style="bold"), *body, *said, *(Text(line, style="dim") for line in notes), *warnings
    )


def _timings(record: Record) -> Table:
    names = labels(record.subjects)
    columns = _COLUMNS if _has_ratio(record) else _COLUMNS[:-1]
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False, collapse_padding=True)
    table.add_column("", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for result in record.results:
        table.add_row(Text(heading(record, result), style="bold"))
        for timing in sorted(result.timings, key=lambda timing: (timing.subject, list(PARTS).index(timing.part))):
            table.add_row(*_row(record, names, result, timing)[: 1 + len(columns)])
        table.add_section()
    return table


def _has_ratio(record: Record) -> bool:
    return any(result.ratios for result in record.results)


def _fidelities(record: Record) -> list[Table]:
    """Once for each bundle, however many engines and precisions ran it."""
    bundles = {subject.manifest_sha256: subject for subject in record.subjects}
    return [scores for subject in bundles.values() if (scores := _fidelity(subject))]


def _fidelity(subject: Subject) -> Table | None:
    """The scores that a bundle's manifest records for student and teacher; None where it records none."""
    scores = subject.quality.get("scores")
    if not isinstance(scores, dict):
        return None
    quality = subject.quality
    title = f"{subject.name}, pictures: {quality.get('pairs')} held-back pairs at {quality.get('size')} px"
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False, title=title, title_justify="left")
    for name in (f"judged by {quality.get('judge')}", *_SCORES.values()):
        table.add_column(name, justify="right" if table.columns else "left")
    for name, values in scores.items():
        numbers = [values.get(key) if isinstance(values, dict) else None for key in _SCORES]
        table.add_row(f" {name}", *(short(n) if isinstance(n, (int, float)) else "" for n in numbers))
    return table


def _stages(record: Record) -> list[str]:
    """What a run with files goes through, and how long each stage takes."""
    return [
        f"with files at {heading(record, result)}: {', '.join(f'{n} {short(ms)} ms' for n, ms in stages.items())}"
        for result in record.results
        for timing in result.timings
        if (stages := timing.stages_ms)
    ]


def sentences(record: Record) -> list[str]:
    """One sentence for each ratio of the record; of several rivals, for what they do from picture to picture."""
    names, several = labels(record.subjects), len(record.subjects) > 2
    return [
        _sentence(record, names, result, ratio)
        for result in record.results
        for ratio in result.ratios
        if not several or ratio.part in ("end_to_end", "both_pictures")
    ]


def title(record: Record) -> str:
    """Bundle, machine, threads and engines, in one line."""
    machine = record.environment.get("machine", {})
    threads = ", ".join(counted(number) for number in record.settings.threads)
    # What follows the first hyphen of OpenVINO's version names its build.
    engines = ", ".join(dict.fromkeys(f"{s.engine} {s.engine_version.split('-')[0]}" for s in record.subjects))
    return f"{record.subjects[0].name} on {machine.get('name', 'an unknown machine')}: {threads}, {engines}"


def _row(record: Record, names: list[str], result: SizeResult, timing: Timing) -> list[str]:
    subject = record.subjects[timing.subject]
    p50, p90, p99 = timing.percentiles_ms
    start = result.start(timing.subject)
    # Memory, files and the first run are those of the whole subject: shown once, where all of it runs.
    whole = timing.part == ("both_pictures" if subject.kind == "teacher" else "end_to_end")
    ratio = next((r for r in result.ratios if (r.slower, r.part) == (timing.subject, timing.part)), None)
    name = f"{names[timing.subject]}, " if len(record.subjects) > 1 else ""
    return [
        f" {name}{LABELS[timing.part]}",
        short(p50),
        f"{50 * (timing.high_ms - timing.low_ms) / p50:.1f}",
        short(p90),
        short(p99),
        short(timing.pictures_per_second),
        short(start.first_ms) if whole and start else "",
        _memory(start) if whole and start and start.peak_bytes else "",
        f"{subject.graph_bytes / 1000:.0f}" if whole and subject.graph_bytes else "",
        f"{times(ratio.value)}x" if ratio else "",
    ]


def _memory(start: Start) -> str:
    """Peak memory in MB, and the GPU's where it was asked."""
    own = f"{(start.peak_bytes or 0) / 1e6:.0f}"
    return own if start.gpu_bytes is None else f"{own}+{start.gpu_bytes / 1e6:.0f}"


def _sentence(record: Record, names: list[str], result: SizeResult, ratio: Ratio) -> str:
    faster, slower = names[ratio.faster], names[ratio.slower]
    value, low, high = ratio.value, ratio.low, ratio.high
    if value < 1:
        faster, slower = slower, faster
        value, low, high = 1 / value, 1 / high, 1 / low
    at = f"at {heading(record, result)}, {LABELS[ratio.part]}"
    bounds = f"95 % interval {times(low)} to {times(high)}"
    if round(low, 2) <= 1:
        return f"{faster} and {slower} cannot be told apart {at} ({bounds})"
    return f"{faster} is {times(value)} times as fast as {slower} {at} ({bounds})"


def _meanings(record: Record) -> list[str]:
    parts = {timing.part for result in record.results for timing in result.timings}
    meanings = [f"{LABELS[part]}: {meaning}" for part, meaning in PARTS.items() if part in parts]
    if any(start.gpu_bytes is not None for result in record.results for start in result.starts):
        meanings.append("MB+: what the memory in use on the GPU grew by, the driver's own needs included")
    if any(result.batch > 1 for result in record.results):
        meanings.append("pictures at once: milliseconds from handing over all of them until the last one is done")
    ratio = f"; ratio: p50 over that of {labels(record.subjects)[0]}" if _has_ratio(record) else ""
    return [*meanings, _LEGEND + ratio]
