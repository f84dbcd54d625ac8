"""A record as a table for people."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from benchmarks.job import PARTS
from benchmarks.record import Ratio, Record, SizeResult, Subject, Timing

LABELS = {"model": "model only", "end_to_end": "end to end", "both_pictures": "both pictures"}
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
    with_ratio = any(result.ratios for result in record.results)
    columns = _COLUMNS if with_ratio else _COLUMNS[:-1]
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False, collapse_padding=True)
    table.add_column("", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for result in record.results:
        table.add_row(Text(f"{result.width}x{result.height}", style="bold"))
        for timing in sorted(result.timings, key=lambda timing: (timing.subject, list(PARTS).index(timing.part))):
            table.add_row(*_row(record, result, timing)[: 1 + len(columns)])
        table.add_section()
    lines = [Text(line, style="bold") for line in sentences(record)]
    lines += [Text(line, style="dim") for line in (*_meanings(record), _LEGEND)]
    warnings = [Text(f"warning: {line}", style="yellow") for line in record.warnings]
    fidelity = [scores for scores in map(_fidelity, record.subjects) if scores is not None]
    return Group(Text(_title(record), style="bold"), table, *fidelity, *lines, *warnings)


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
        table.add_row(f" {name}", *(_short(n) if isinstance(n, (int, float)) else "" for n in numbers))
    return table


def sentences(record: Record) -> list[str]:
    """One sentence for each ratio of the record."""
    return [_sentence(record, result, ratio) for result in record.results for ratio in result.ratios]


def _title(record: Record) -> str:
    machine = record.environment.get("machine", {})
    threads = "1 thread" if record.settings.threads == 1 else f"{record.settings.threads} threads"
    engines = ", ".join(dict.fromkeys(f"{s.engine} {s.engine_version}" for s in record.subjects))
    return f"{record.subjects[0].name} on {machine.get('name', 'an unknown machine')}: {threads}, {engines}"


def _row(record: Record, result: SizeResult, timing: Timing) -> list[str]:
    subject = record.subjects[timing.subject]
    p50, p90, p99 = timing.percentiles_ms
    start = next((start for start in result.starts if start.subject == timing.subject), None)
    # Memory, files and the first run are those of the whole subject: shown once, where all of it runs.
    whole = timing.part == ("both_pictures" if subject.kind == "teacher" else "end_to_end")
    ratio = next((r for r in result.ratios if (r.slower, r.part) == (timing.subject, timing.part)), None)
    name = f"{subject.name}, " if len(record.subjects) > 1 else ""
    return [
        f" {name}{LABELS[timing.part]}",
        _short(p50),
        f"{50 * (timing.high_ms - timing.low_ms) / p50:.1f}",
        _short(p90),
        _short(p99),
        _short(timing.pictures_per_second),
        _short(start.first_ms) if whole and start else "",
        f"{start.peak_bytes / 1e6:.0f}" if whole and start and start.peak_bytes else "",
        f"{subject.graph_bytes / 1000:.0f}" if whole and subject.graph_bytes else "",
        f"{_times(ratio.value)}x" if ratio else "",
    ]


def _sentence(record: Record, result: SizeResult, ratio: Ratio) -> str:
    faster, slower = record.subjects[ratio.faster].name, record.subjects[ratio.slower].name
    value, low, high = ratio.value, ratio.low, ratio.high
    if value < 1:
        faster, slower = slower, faster
        value, low, high = 1 / value, 1 / high, 1 / low
    at = f"at {result.width}x{result.height}, {LABELS[ratio.part]}"
    bounds = f"95 % interval {_times(low)} to {_times(high)}"
    if round(low, 2) <= 1:
        return f"{faster} and {slower} cannot be told apart {at} ({bounds})"
    return f"{faster} is {_times(value)} times as fast as {slower} {at} ({bounds})"


def _meanings(record: Record) -> list[str]:
    parts = {timing.part for result in record.results for timing in result.timings}
    return [f"{LABELS[part]}: {meaning}" for part, meaning in PARTS.items() if part in parts]


def _short(number: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def _times(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:.0f}"
