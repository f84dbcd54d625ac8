"""Plots as SVG inside the page: no file beside it, readable on dark and light ground."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

#: Bars of one plot: what lies beyond is small.
MOST_BARS = 24
_INK, _GRID = "#010203", "#040506"  # replaced by the page's own colours
BAR, MARKED = "#3b7dd8", "#d9632c"
_MOST_TEXT = 40
_INCH_PER_BAR = 0.26


def ranking_plot(names: Sequence[str], values: Sequence[float], marked: Sequence[bool], axis: str) -> str:
    """Horizontal bars, one a line, the first on top: an ``<svg>`` element.

    Args:
        marked: bars to be drawn in another colour.
        axis: what the values are.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    names, values = list(names)[:MOST_BARS], list(values)[:MOST_BARS]
    style = {"svg.fonttype": "none", "svg.hashsalt": "brushlet", "text.parse_math": False, "font.size": 10}
    with rc_context({**style, "font.family": "sans-serif"}):
        figure = Figure(figsize=(8, 0.9 + _INCH_PER_BAR * len(names)), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        colours = [MARKED if mark else BAR for mark in marked][: len(names)]
        axes.barh(range(len(names)), values, color=colours, height=0.7)
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlabel(axis)
        _restyle(axes)
        encoded = io.StringIO()
        figure.savefig(encoded, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(encoded.getvalue(), axis)


def _restyle(axes: Any) -> None:
    axes.tick_params(colors=_INK, length=0)
    axes.xaxis.label.set_color(_INK)
    axes.grid(axis="x", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= _MOST_TEXT else "…" + name[1 - _MOST_TEXT :]


def _inline(svg: str, label: str) -> str:
    """The element alone, without the declarations of a file, in the page's colours and as wide as the page."""
    head, rest = svg[svg.index("<svg") :].split(">", 1)
    rest = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", rest, flags=re.DOTALL)
    rest = re.sub(r'<g id="[^"]*"', "<g", rest)  # several plots share a page
    rest = rest.replace(_INK, "currentColor").replace(_GRID, "var(--line)")
    viewbox = re.search(r'viewBox="[^"]*"', head)
    return f'<svg class="plot" role="img" aria-label="{escape(label)}" {viewbox[0] if viewbox else ""}>{rest}'
