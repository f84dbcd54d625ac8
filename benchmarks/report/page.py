"""From records to the page: one HTML file that holds all it shows and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.job import PARTS
from benchmarks.labels import labels
from benchmarks.measurements import SizeResult
from benchmarks.power_lines import energy_sentences, sensor_lines
from benchmarks.record import Record
from benchmarks.report.axis import axis_for
from benchmarks.report.distributions import runs, shown_range, spread
from benchmarks.report.gather import Gathered, Source
from benchmarks.report.losses import loss_plots
from benchmarks.report.pictures import Thumbnails, sliders
from benchmarks.report.plain_text import inner, plain
from benchmarks.report.rows import Row, device_name, foretold_device, rows
from benchmarks.report.samples import Samples
from benchmarks.report.tables import BOTH, WHOLE, by_device, cut, latency_table
from benchmarks.table import LABELS, sentences
from benchmarks.wording import heading, short
from runtime.errors import UserError

#: A page is made plainer until it is below this, in bytes.
MAX_PAGE_BYTES = 3_000_000
MOST_WARNINGS = 100
MOST_CHECKS = 100
MOST_SENTENCES = 20
MOST_BASES = 10
MOST_SUBJECTS = 24
_HERE = Path(__file__).parent
#: What a user waits for comes first.
_PARTS = sorted(PARTS, key=lambda part: part not in (WHOLE, BOTH))
#: Subjects take turns with as many colours.
_COLOURS = 8


@dataclass(frozen=True)
class Detail:
    """How much goes into the page: records, pictures by longest side and quality of JPEG, drawings, lines of tables."""

    records: int
    side: int
    quality: int
    drawings: int
    dots: int
    lines: int


#: Richest first; the first with which the page is small enough is taken. The last one bounds every page.
DETAILS = (
    Detail(60, 640, 82, 300, 160, 400),
    Detail(40, 512, 78, 200, 100, 300),
    Detail(20, 384, 72, 120, 60, 200),
    Detail(8, 256, 60, 60, 40, 60),
)


def make_page(gathered: Gathered, samples: Samples) -> bytes:
    """The page with the most detail that keeps it below `MAX_PAGE_BYTES`. Raises UserError without jinja2."""
    template = _template()
    for detail in DETAILS:
        page = template.render(_values(gathered.newest(detail.records), samples, detail)).encode(errors="replace")
        if len(page) <= MAX_PAGE_BYTES:
            break
    return page


def _template() -> Any:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise UserError("a page needs jinja2: pip install 'brushlet[bench]', or take --format md") from error
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")


def _values(gathered: Gathered, samples: Samples, detail: Detail) -> dict[str, Any]:
    found, thumbnails = list(rows(gathered)), Thumbnails(samples)
    shown = sliders(samples, detail.side, detail.quality)
    bundles = len(shown) // max(1, len(samples.photos))
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    return {
        "style": (_HERE / "page.css").read_text(encoding="utf-8"),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "summary": _summary(gathered, found),
        "left_out": gathered.left_out,
        "skipped": gathered.skipped[:MOST_WARNINGS],
        "skipped_count": len(gathered.skipped),
        "warnings": _warnings(gathered.sources),
        "checks": _checks(gathered),
        "sliders": shown,
        "beside": 3 if bundles == 3 else 2 * bundles,
        "loss_plots": loss_plots(gathered.sources, thumbnails),
        "thumbnails": thumbnails.pictures,
        "photo": thumbnails.photo,
        "sample_title": samples.titles[0] if samples.titles else "",
        "notes": samples.notes[:MOST_WARNINGS],
        "devices": _devices(gathered, found, detail),
        "parts": {LABELS[part]: meaning for part, meaning in PARTS.items() if any(row.part == part for row in found)},
        "records": [_about(source) for source in gathered.sources],
        "version": _version(),
    }


def _devices(gathered: Gathered, found: Sequence[Row], detail: Detail) -> list[dict[str, Any]]:
    """For each machine its tables and the distributions of its records, as many of both as the detail allows."""
    devices, lines, drawings = [], detail.lines, detail.drawings
    for name, own in by_device(found).items():
        tables = {}
        for kind in ("measured", "predicted"):
            table, left_out = cut(latency_table(row for row in own if row.kind == kind), lines)
            tables[kind] = {"table": table, "left_out": left_out}
            lines -= len(table.lines)
        sources = [source for source in gathered.sources if device_name(source.record) == name]
        compared = []
        for source in sources:
            compared.append(_compared(source, detail, drawings))
            drawings -= sum(len(result["rows"]) for result in compared[-1]["results"])
        basis = [plain(line, 800) for each in gathered.foretold if foretold_device(each) == name for line in each.basis]
        device = {"name": name, "facts": _facts(sources), "tables": tables, "records": compared}
        devices.append({**device, "basis": basis[:MOST_BASES]})
    return devices


def _compared(source: Source, detail: Detail, drawings: int) -> dict[str, Any]:
    """A record's comparisons, and the distributions of as many results as there are drawings left for."""
    record, results = source.record, []
    for result in record.results:
        if len(result.timings) > drawings:
            break
        results.append(_drawn(record, result, detail.dots))
        drawings -= len(result.timings)
    return {
        "title": _title(source),
        "results": results,
        "left_out": len(record.results) - len(results),
        "sentences": [plain(line) for line in sentences(record)[:MOST_SENTENCES]],
        "sensors": [plain(line) for line in _sensed(record)[:MOST_SENTENCES]],
    }


def _sensed(record: Record) -> list[str]:
    """Energy, clocks, heat and throttling, where the record holds them."""
    return [*energy_sentences(record), *sensor_lines(record)]


def _drawn(record: Record, result: SizeResult, dots: int) -> dict[str, Any]:
    """The distributions of a result, on one axis."""
    from markupsafe import Markup

    timings = sorted(result.timings, key=lambda timing: (_PARTS.index(timing.part), timing.subject))
    axis = axis_for([edge for timing in timings for edge in (min(timing.samples_ms), max(timing.samples_ms))])
    names = labels(record.subjects)
    return {
        "heading": heading(record, result),
        "marks": [{"at": f"{100 * place:.2f}", "text": text} for place, text in axis.marks()],
        "rows": [
            {
                "name": plain(names[timing.subject], 80),
                "part": LABELS[timing.part],
                "colour": timing.subject % _COLOURS,
                "spread": Markup(spread(timing, axis, dots)),
                "runs": Markup(runs(timing, 2 * dots)),
                "range": " – ".join(map(short, shown_range(timing))),
                "count": len(timing.samples_ms),
                "steady": timing.steady,
                "p50": short(timing.percentiles_ms[0]),
                "interval": f"{short(timing.low_ms)} – {short(timing.high_ms)}",
                "tails": [short(value) for value in timing.percentiles_ms[1:]],
            }
            for timing in timings
        ],
    }


def _summary(gathered: Gathered, found: Sequence[Row]) -> str:
    measured = [row for row in found if row.kind == "measured"]
    days = sorted({row.created[:10] for row in found})
    parts = [
        _counted(len(gathered.sources), "record"),
        _counted(len(gathered.foretold), "prediction"),
        _counted(len({row.device for row in found}), "machine"),
        days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        f"{sum(row.runs for row in measured):,} timed runs" if measured else "",
    ]
    return ", ".join(filter(None, parts))


def _version() -> str:
    try:
        return version("brushlet")
    except PackageNotFoundError:  # it runs from its folder
        return ""


def _counted(number: int, what: str) -> str:
    return "" if not number else f"1 {what}" if number == 1 else f"{number} {what}s"


def _title(source: Source) -> str:
    names = dict.fromkeys(plain(subject.name, 60) for subject in source.record.subjects if subject.kind == "bundle")
    return f"{', '.join(list(names)[:3])} ({source.file})"


def _warnings(sources: Sequence[Source]) -> list[dict[str, str]]:
    """What the records warn of, the same of several in one line."""
    files: dict[str, dict[str, None]] = {}
    for source in sources:
        absent = (f"{peer.name} did not take part: {peer.reason}" for peer in source.record.absent)
        unfinished = (f"unfinished: {line}" for line in source.record.unfinished)
        for line in (*source.record.warnings, *absent, *unfinished):
            files.setdefault(plain(line), {})[source.file] = None
    return [{"text": text, "file": plain(", ".join(found))} for text, found in list(files.items())[:MOST_WARNINGS]]


def _checks(gathered: Gathered) -> list[dict[str, Any]]:
    return [
        {
            "file": file,
            "what": plain(check.what, 120),
            "limit": f"{'at least' if check.least else 'at most'} {short(check.limit)} {plain(check.unit, 20)}",
            "found": "not told" if check.found is None else f"{short(check.found)} {plain(check.unit, 20)}",
            "met": check.met,
        }
        for file, check in gathered.checks[:MOST_CHECKS]
    ]


def _facts(sources: Sequence[Source]) -> str:
    """What kind of machine it is, in one line, from its latest record."""
    machine = inner(sources[-1].record.environment, "machine") if sources else {}
    memory, cores = machine.get("memory_bytes"), machine.get("logical_cpus")
    facts = (
        plain(machine.get("cpu"), 80) if machine.get("cpu") != machine.get("name") else "",
        plain(machine.get("architecture"), 20),
        f"{plain(cores, 6)} CPUs" if isinstance(cores, int) else "",
        f"{memory / 2**30:.1f} GiB" if isinstance(memory, int) and 0 < memory < 2**60 else "",
        plain(machine.get("os"), 60),
        "virtual machine" if machine.get("virtual_machine") is True else "",
    )
    return ", ".join(filter(None, facts))


def _about(source: Source) -> dict[str, Any]:
    record = source.record
    return {
        "file": source.file,
        "created": record.created,
        "command": plain(" ".join(record.command[:100]), 600),
        "subjects": [
            {
                "name": plain(name, 80),
                "text": plain(subject.description, 200),
                "engine": plain(f"{subject.engine} {subject.engine_version}", 80),
            }
            for name, subject in list(zip(labels(record.subjects), record.subjects, strict=True))[:MOST_SUBJECTS]
        ],
        "environment": _shortened(json.dumps(record.environment, indent=1, ensure_ascii=False)),
    }


def _shortened(text: str, most: int = 3000) -> str:
    """Lines of printable characters, cut at the end."""
    lines = ("".join(c for c in line if c.isprintable()) for line in text[:most].split("\n"))
    return "\n".join(lines) + ("\n…" if len(text) > most else "")
