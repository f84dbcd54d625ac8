"""Who is worth their time: losses against latency as a plot, with the front of those that nobody beats in both."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.labels import counted, labels
from benchmarks.measurements import SizeResult
from benchmarks.record import Record
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

FORMATS = (".png", ".svg")
#: Where a name may stand beside its point, in order of preference: offset in points, and the side that the point is on.
_PLACES = (((6, 4), "left"), ((6, -11), "left"), ((-6, 4), "right"), ((-6, -11), "right"), ((0, 9), "center"))
_BUNDLE, _PEER, _FRONT = "#c8452e", "#3f6fa8", "#9a9a9a"


@dataclass(frozen=True)
class Point:
    """A subject in the plot: milliseconds of one content pass at p50, and a loss."""

    name: str
    kind: str
    ms: float
    loss: float


def require_plot_file(path: Path) -> None:
    """Raises UserError unless this can become a plot: its suffix, and whether matplotlib is there."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"--plot must end in {' or '.join(FORMATS)}, not {path.name!r}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UserError("--plot needs matplotlib: pip install 'brushlet[bench]'") from error


def plotted_result(record: Record) -> SizeResult:
    """The result that the plot shows: the one with most subjects, the first of those."""
    return max(record.results, key=lambda result: len({timing.subject for timing in result.timings}))


def points(record: Record, loss: str) -> list[Point]:
    """Subjects that were judged, with their "content" or "style" loss; without those that have none."""
    result, found = plotted_result(record), []
    for number, (subject, name) in enumerate(zip(record.subjects, labels(record.subjects), strict=True)):
        timing, score = result.timing(number, "end_to_end"), record.judged and record.judged.score(number)
        value = getattr(score, loss) if score else None
        if timing and value is not None:
            found.append(Point(name, subject.kind, timing.percentiles_ms[0], value))
    return found


def front(candidates: Sequence[Point]) -> list[Point]:
    """Those that no other one is at least as good as in both, by latency."""
    best: list[Point] = []
    for point in sorted(candidates, key=lambda point: (point.ms, point.loss)):
        if not best or point.loss < best[-1].loss:
            best.append(point)
    return best


def write_plot(record: Record, path: Path) -> None:
    """Write the plot, PNG or SVG by its suffix, whole or not at all.

    Raises:
        UserError: the record's pictures were not judged, or the file cannot be made or written.
    """
    require_plot_file(path)
    if record.judged is None:
        raise UserError("pictures were not judged, so there are no losses to show")
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    result, judged = plotted_result(record), record.judged
    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    machine = record.environment.get("machine", {}).get("name", "an unknown machine")
    figure.suptitle(
        f"{result.width}x{result.height} on {machine}, {counted(result.threads, result.batch)}", fontsize=11
    )
    untouched = {"style": judged.photo_style, "content": 0.0}
    for axes, (loss, value) in zip(figure.subplots(1, 2), untouched.items(), strict=True):
        _draw(axes, points(record, loss))
        axes.set_ylabel(f"{loss} loss ({judged.judge}, {judged.pairs} pairs at {judged.size} px)")
        axes.set_title(f"an untouched photo: {value:.3g}", fontsize=9, color="#555555")
    figure.draw_without_rendering()  # places are known from here on
    for axes, loss in zip(figure.axes, untouched, strict=True):
        _name(axes, points(record, loss))
    encoded = io.BytesIO()
    # Without a date the same record gives the same file.
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
    with rc_context({"svg.hashsalt": "brushlet"}):
        figure.savefig(encoded, format=path.suffix.lower()[1:], dpi=150, metadata=metadata)
    write_atomically(path, encoded.getvalue())


def _draw(axes: Axes, shown: Sequence[Point]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    line = front(shown)
    axes.plot([p.ms for p in line], [p.loss for p in line], color=_FRONT, linewidth=1, linestyle="--", zorder=1)
    for point in shown:
        own = point.kind == "bundle"
        axes.scatter(point.ms, point.loss, s=45, color=_BUNDLE if own else _PEER, zorder=2)
    axes.set(xscale="log", xlabel="milliseconds of one content pass (p50)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, place: f"{ms:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda ms, place: ""))
    axes.margins(x=0.18, y=0.12)
    axes.grid(True, which="both", alpha=0.25)


def _name(axes: Axes, shown: Sequence[Point]) -> None:
    """Write the names beside the points, inside the plot, where they cover no other point or name if that can be."""
    taken = [_around(axes, point) for point in shown]
    for point in shown:
        choices = []
        for offset, side in _PLACES:
            label = axes.annotate(
                point.name,
                (point.ms, point.loss),
                xytext=offset,
                textcoords="offset points",
                fontsize=8,
                fontweight="bold" if point.kind == "bundle" else "normal",
                horizontalalignment=side,
            )
            box = label.get_window_extent()
            inside = axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)
            choices.append((sum(box.overlaps(other) for other in taken) + (0 if inside else len(shown)), label, box))
            label.remove()
        _, label, box = min(choices, key=lambda choice: choice[0])
        axes.add_artist(label)
        taken.append(box)


def _around(axes: Axes, point: Point) -> Bbox:
    """The box that a point's mark takes, in pixels."""
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform((point.ms, point.loss))
    return Bbox.from_extents(x - 6, y - 6, x + 6, y + 6)
