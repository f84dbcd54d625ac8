"""The samples painted by every paint graph of a bundle, and how far each is from fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

import numpy as np

from export.report.painters import CannotRun, open_painter
from export.report.pictures import Photo, Style, without_border
from runtime.bundle import Bundle, Graph
from runtime.errors import UserError
from runtime.stylizer import Stylizer

RAN, NOT_RUN, FAILED = "ran", "not run", "failed"
#: Stands for the infinite PSNR of equal pictures.
PSNR_OF_EQUALS = 99.0


@dataclass(frozen=True, eq=False)
class Shot:
    """One photo painted in one style, uint8 (H, W, 3) without its border; ``psnr`` in dB to fp32's, None for fp32."""

    rgb: np.ndarray
    psnr: float | None = None


@dataclass(frozen=True, eq=False)
class Painted:
    """What became of a paint graph.

    Attributes:
        status: `RAN`, `NOT_RUN` (nothing here runs it) or `FAILED` (it is broken).
        detail: what ran it, or why it did not run.
        shots: by (photo, style), in the order of both.
    """

    graph: Graph
    status: str
    detail: str
    shots: tuple[Shot, ...] = ()

    @property
    def worst_psnr(self) -> float | None:
        """Of the worst shot, in dB to fp32; None where there is nothing to compare."""
        return min((shot.psnr for shot in self.shots if shot.psnr is not None), default=None)

    @property
    def psnr(self) -> float | None:
        """Of the mean squared error over all shots, as a gate takes it; None where there is nothing to compare."""
        errors = [10 ** (-shot.psnr / 10) for shot in self.shots if shot.psnr is not None]
        return -10 * log10(sum(errors) / len(errors)) if errors else None


def paint_graphs(bundle: Bundle) -> list[Graph]:
    """All paint graphs; the fp32 ONNX one, which the others are compared with, comes first."""
    graphs = [graph for graph in bundle.manifest.graphs if graph.role == "paint"]
    return sorted(graphs, key=lambda graph: not is_reference(graph))


def is_reference(graph: Graph) -> bool:
    """Whether the others are compared with this graph."""
    return (graph.role, graph.precision, graph.format) == ("paint", "fp32", "onnx")


def paint_samples(bundle: Bundle, plain: Stylizer, photos: Sequence[Photo], styles: Sequence[Style]) -> list[Painted]:
    """Every paint graph with every photo and style; a graph that fails takes nothing from the others.

    Args:
        plain: the bundle's fp32 stylizer.
    """
    reference: tuple[Shot, ...] = ()
    results = []
    for graph in paint_graphs(bundle):
        try:
            with open_painter(bundle, graph, plain) as painter:
                pictures = [painter.paint(photo.rgb, style.code) for photo in photos for style in styles]
            shots = _compared([without_border(rgb) for rgb in pictures], reference)
            results.append(Painted(graph, RAN, painter.runner, shots))
            reference = shots if is_reference(graph) else reference
        except CannotRun as error:
            results.append(Painted(graph, NOT_RUN, str(error)))
        except UserError as error:
            results.append(Painted(graph, FAILED, str(error)))
        except ModuleNotFoundError as error:
            results.append(Painted(graph, NOT_RUN, f"{error.name} is not installed"))
    return results


def picture_psnr(found: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal to noise ratio of two uint8 pictures in dB, `PSNR_OF_EQUALS` at most."""
    error = float(np.mean(np.square(found.astype(np.float64) - reference)))
    return PSNR_OF_EQUALS if error == 0 else min(PSNR_OF_EQUALS, float(10 * np.log10(255**2 / error)))


def _compared(pictures: Sequence[np.ndarray], reference: Sequence[Shot]) -> tuple[Shot, ...]:
    if not reference:
        return tuple(Shot(rgb) for rgb in pictures)
    pairs = zip(pictures, reference, strict=True)
    return tuple(Shot(rgb, picture_psnr(rgb, shot.rgb)) for rgb, shot in pairs)
