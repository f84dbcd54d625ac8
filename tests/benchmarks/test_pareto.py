"""`benchmarks.pareto`: who is on the front, and what the file shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import Record, pareto
from benchmarks.judged import Judged, Score
from benchmarks.pareto import Point, front, points, require_plot_file, write_plot
from runtime import UserError

numbers = st.floats(0.1, 1e4)


@given(st.lists(st.tuples(numbers, numbers), max_size=20))
def test_the_front_is_those_that_nobody_beats(pairs):
    candidates = [Point(str(n), "peer", ms, loss) for n, (ms, loss) in enumerate(pairs)]
    best = front(candidates)
    for point in candidates:
        beaten = any(
            other.ms <= point.ms and other.loss <= point.loss and (other.ms, other.loss) != (point.ms, point.loss)
            for other in candidates
        )
        held = any((other.ms, other.loss) == (point.ms, point.loss) for other in best)
        assert held is not beaten
    assert [point.ms for point in best] == sorted(point.ms for point in best)


@pytest.fixture
def judged(record: Record) -> Record:
    scores = (Score(0, 1.0, 0.5, 0.7), Score(1, 2.0, None, 0.4))
    return replace(record, judged=Judged("vgg19", 4, 256, "photos", "paintings", 3.6, scores))


def test_points_are_medians_and_losses(judged):
    (own,) = points(judged, "style")
    assert own == Point("tiny", "bundle", judged.results[0].timing(0, "end_to_end").percentiles_ms[0], 0.5)
    assert [point.loss for point in points(judged, "content")] == [1.0, 2.0]


@pytest.mark.parametrize("name", ["plot.svg", "plot.png"])
def test_a_plot_is_a_picture_with_names(judged, tmp_path, name):
    pytest.importorskip("matplotlib")
    write_plot(judged, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert content.startswith(b"<?xml" if name.endswith("svg") else b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    write_plot(judged, tmp_path / f"again-{name}")
    assert (tmp_path / f"again-{name}").read_bytes() == content, "the same record gives the same file"


def test_names_of_neighbours_cover_neither_points_nor_each_other():
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [
        Point(name, "peer", ms, loss)
        for name, ms, loss in (("one", 100, 1.0), ("two-of-them", 103, 1.02), ("three", 108, 0.99), ("far", 400, 2.0))
    ]
    figure = Figure(figsize=(6, 4))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    pareto._draw(axes, shown)
    figure.draw_without_rendering()
    pareto._name(axes, shown)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == [point.name for point in shown]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[n + 1 :])
    assert not any(box.overlaps(pareto._around(axes, point)) for box in boxes for point in shown)


def test_names_stay_inside_the_plot():
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [Point("a-long-name fp32", "bundle", 20, 1.0), Point("a-long-name int8", "bundle", 18.5, 1.0)]
    figure = Figure(figsize=(6, 4))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    pareto._draw(axes, [*shown, Point("far", "peer", 500, 2.0)])
    figure.draw_without_rendering()
    pareto._name(axes, shown)
    for text in axes.texts:
        box = text.get_window_extent()
        assert axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)


def test_what_cannot_be_plotted(record, judged, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(UserError, match="--plot must end in .png or .svg, not 'plot.pdf'"):
        write_plot(judged, tmp_path / "plot.pdf")
    with pytest.raises(UserError, match="pictures were not judged"):
        write_plot(record, tmp_path / "plot.svg")
    with pytest.raises(UserError):
        write_plot(judged, tmp_path / "no folder" / "plot.svg")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"pip install 'brushlet\[bench\]'"):
        require_plot_file(Path("plot.svg"))
