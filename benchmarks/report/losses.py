"""Losses against latency: where each subject lies, and the front of those that nobody beats in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.labels import counted, labels
from benchmarks.pareto import Point, front, plotted_result, points
from benchmarks.record import Record
from benchmarks.report.axis import Axis, axis_for
from benchmarks.report.gather import Source
from benchmarks.report.plain_text import plain
from benchmarks.report.rows import device_name
from benchmarks.wording import short

LOSSES = ("style", "content")
MOST_POINTS = 40


@dataclass(frozen=True)
class _Plot:
    """Points with their axes."""

    points: Sequence[Point]
    ms: Axis
    loss: Axis

    def at(self, point: Point) -> tuple[float, float]:
        """Percent from the left and from the bottom."""
        return 100 * float(self.ms.at(point.ms)), 100 * float(self.loss.at(point.loss))


def loss_plots(sources: Sequence[Source], thumbnail: Callable[[Record, int], str | None]) -> list[dict[str, Any]]:
    """For the page: one entry for each record whose pictures were judged.

    Args:
        thumbnail: the class of the picture of a record's subject, or None where it painted none.
    """
    return [_entry(source, thumbnail) for source in sources if source.record.judged]


def _entry(source: Source, thumbnail: Callable[[Record, int], str | None]) -> dict[str, Any]:
    record, result = source.record, plotted_result(source.record)
    judged, names = record.judged, labels(record.subjects)
    found = {loss: [point for point in points(record, loss) if point.loss > 0][:MOST_POINTS] for loss in LOSSES}
    everybody = {point.name: point for loss in LOSSES for point in found[loss]}
    order = sorted(everybody.values(), key=lambda point: point.ms)
    numbers = {point.name: number for number, point in enumerate(order, start=1)}
    subjects = {name: number for number, name in reversed(list(enumerate(names)))}
    return {
        "file": source.file,
        "title": f"{result.width}x{result.height} on {device_name(record)}, {counted(result.threads)}",
        "judge": f"{plain(judged.judge, 40)} on {judged.pairs} pairs at {judged.size} px",
        "untouched": short(judged.photo_style),
        "plots": [
            _drawn(loss, found[loss], numbers, lambda name: thumbnail(record, subjects[name]))
            for loss in LOSSES
            if found[loss]
        ],
        "legend": [
            {
                "number": numbers[point.name],
                "name": plain(point.name, 80),
                "kind": point.kind,
                "thumbnail": thumbnail(record, subjects[point.name]),
                "ms": short(point.ms),
                "losses": [_loss_of(found[loss], point.name) for loss in LOSSES],
            }
            for point in order
        ],
    }


def _drawn(
    loss: str, found: Sequence[Point], numbers: dict[str, int], thumbnail: Callable[[str], str | None]
) -> dict[str, Any]:
    plot = _Plot(found, axis_for([point.ms for point in found]), axis_for([point.loss for point in found]))
    best = front(found)
    line = " ".join(f"{x:.2f},{100 - y:.2f}" for x, y in map(plot.at, best))
    return {
        "loss": loss,
        "line": line,
        "across": [{"at": f"{100 * place:.2f}", "text": text} for place, text in plot.ms.marks()],
        "up": [{"at": f"{100 * place:.2f}", "text": text} for place, text in plot.loss.marks()],
        "points": [_placed(plot, point, best, numbers, thumbnail) for point in found],
    }


def _placed(
    plot: _Plot,
    point: Point,
    best: Sequence[Point],
    numbers: dict[str, int],
    thumbnail: Callable[[str], str | None],
) -> dict[str, Any]:
    across, up = plot.at(point)
    return {
        "across": f"{across:.2f}",
        "up": f"{up:.2f}",
        "number": numbers[point.name],
        "name": plain(point.name, 80),
        "kind": point.kind,
        "best": point in best,
        "ms": short(point.ms),
        "value": short(point.loss),
        "thumbnail": thumbnail(point.name),
        "aside": "left" if across > 55 else "right",
        "above": up < 55,
    }


def _loss_of(found: Sequence[Point], name: str) -> str:
    return next((short(point.loss) for point in found if point.name == name), "")
