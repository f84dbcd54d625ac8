"""Bundle and peers side by side: one row each, with what it costs and what its pictures score."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from benchmarks.judged import ARTEFACTS
from benchmarks.labels import labels
from benchmarks.measurements import SizeResult
from benchmarks.record import Record
from benchmarks.wording import heading, short, times

_COLUMNS = ("p50", "ratio", "style", "MB", "KB", "GMAC", "content loss", "style loss", "SSIM", "dB")
LEGEND = (
    "p50: milliseconds of one content pass, picture in memory to picture in memory, the style coded before; ratio: p50 "
    "over that of the first row; style: milliseconds to code a style picture; MB: peak memory of a process that does "
    "only this; KB: graph files; GMAC: multiplications with addition of one content pass, in billions; dB: likeness of "
    "the pictures to those of the same network in fp32"
)

ARTEFACT_LEGEND = (
    "artefacts, compared with the photos (a teacher has some too): lattice: amplitude of the strongest pattern of 2 or "
    "4 pixels, in levels of 255; border: detail that the outermost 8 pixels gained over the rest, 1 is none; flat: "
    "deviation that was added where the photo is flat, in levels; bleeding: share of colour changes that left the "
    "photo's edges"
)


def peer_table(record: Record) -> Table:
    """One row for each subject at each size and number of threads."""
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False, collapse_padding=True)
    table.add_column("", overflow="fold")
    for name in _COLUMNS:
        table.add_column(name, justify="right", overflow="fold")
    names = labels(record.subjects)
    for result in record.results:
        table.add_row(Text(heading(record, result), style="bold"))
        for number, name in enumerate(names):
            if cells := _cells(record, result, number):
                table.add_row(f" {name}", *cells)
        table.add_section()
    return table


def artefact_table(record: Record) -> Table | None:
    """What goes wrong in everybody's pictures; None where nobody looked."""
    scores = [score for score in record.judged.scores if score.artefacts] if record.judged else []
    if not scores:
        return None
    table = Table(box=box.SIMPLE, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for name in ("artefacts", *ARTEFACTS):
        table.add_column(name, justify="left" if name == "artefacts" else "right", overflow="fold")
    names = labels(record.subjects)
    for score in scores:
        values = (score.artefacts.get(name) for name in ARTEFACTS)
        table.add_row(f" {names[score.subject]}", *("" if value is None else f"{value:.2f}" for value in values))
    return table


def peer_notes(record: Record) -> list[str]:
    """What the columns mean, who the peers are, who judged what, and who is absent."""
    lines = [LEGEND]
    if judged := record.judged:
        lines.append(
            f"losses: by {judged.judge} on {judged.pairs} held-back pairs at {judged.size} px (photos: "
            f"{judged.content}, paintings: {judged.style}); the photos themselves have content loss 0, style loss "
            f"{short(judged.photo_style)} and SSIM 1; a network with one style of its own has no style loss"
        )
        lines += [ARTEFACT_LEGEND] if any(score.artefacts for score in judged.scores) else []
        lines += [f"suite: {judged.suite.get('name')}, SHA-256 {judged.suite.get('sha256')}"] if judged.suite else []
    lines += [
        f"{subject.name} ({subject.engine}, {subject.precision}): {subject.description}"
        for subject in record.subjects
        if subject.kind == "peer"
    ]
    lines += [f"absent: {each.name}: {each.reason}" for each in record.absent]
    return lines


def _cells(record: Record, result: SizeResult, number: int) -> list[str] | None:
    subject = record.subjects[number]
    whole = result.timing(number, "end_to_end") or result.timing(number, "both_pictures")
    if whole is None:
        return None
    style, start = result.timing(number, "style"), result.start(number)
    ratio = next((r for r in result.ratios if (r.slower, r.part) == (number, whole.part)), None)
    macs = result.macs[number] if result.macs else None
    score = record.judged.score(number) if record.judged else None
    return [
        short(whole.percentiles_ms[0]),
        f"{times(ratio.value)}x" if ratio else "",
        short(style.percentiles_ms[0]) if style else "",
        f"{start.peak_bytes / 1e6:.0f}" if start and start.peak_bytes else "",
        f"{subject.graph_bytes / 1000:.0f}" if subject.graph_bytes else "",
        short(macs / 1e9) if macs else "",
        short(score.content) if score else "",
        short(score.style) if score and score.style is not None else "",
        f"{score.ssim:.2f}" if score else "",
        f"{score.to_fp32:.1f}" if score and score.to_fp32 is not None else "",
    ]
