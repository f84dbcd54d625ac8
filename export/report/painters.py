"""Everything in a bundle that can paint on this machine, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from export.report.pictures import SIDE
from export.tensorrt.bundle_engines import SOURCE_FORMAT
from runtime.bundle import Bundle, Graph
from runtime.engines import ENGINES, PLAIN_ENGINE, open_engine
from runtime.errors import UserError
from runtime.framing import to_picture, to_tensor
from runtime.style_code import StyleCode
from runtime.stylizer import Stylizer

#: Photo uint8 (`SIDE`, `SIDE`, 3) and style, None where it is fixed -> picture of the same shape, no margin around it.
Paint = Callable[[np.ndarray, StyleCode | None], np.ndarray]
_PACKAGE = "coreml"
_NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}


@dataclass(frozen=True)
class Painter:
    """A paint graph that runs here.

    Attributes:
        runner: what runs it, for people.
        paint: raises UserError when the graph fails.
    """

    runner: str
    paint: Paint


class CannotRun(UserError):
    """A graph that is not for this machine, as opposed to one that is broken."""


@contextmanager
def open_painter(bundle: Bundle, graph: Graph, plain: Stylizer) -> Iterator[Painter]:
    """Load a paint graph.

    Args:
        plain: the bundle's fp32 stylizer, for the small graphs.

    Raises:
        CannotRun: nothing here runs its format.
        UserError: it is broken.
    """
    if graph.format == SOURCE_FORMAT:
        with _open_source(bundle, graph, plain) as painter:
            yield painter
    elif graph.format == _PACKAGE:
        yield _open_package(bundle, graph, plain)
    else:
        engine = _engine_of(graph)
        with Stylizer(bundle, engine, precision=graph.precision, target=graph.target or None, margin=0) as stylizer:
            try:
                stylizer.engine("paint")
            except UserError as error:
                raise CannotRun(str(error)) if graph.target else error from error
            yield Painter(_NAMES.get(engine, engine), stylizer)


def _engine_of(graph: Graph) -> str:
    for name, kind in ENGINES.items():
        if kind.format == graph.format:
            return name
    raise CannotRun(f"no engine of this brushlet runs the format {graph.format}")


@contextmanager
def _open_source(bundle: Bundle, graph: Graph, plain: Stylizer) -> Iterator[Painter]:
    """A graph that engines are built from: it is ONNX, so that ONNX Runtime can show what it computes."""
    engine = open_engine(PLAIN_ENGINE, bundle.path(graph))

    def paint(photo: np.ndarray, code: StyleCode | None) -> np.ndarray:
        feeds = {"content": to_tensor(photo)}
        for index, (scale, shift) in enumerate(plain.affine(photo, code) if code is not None else ()):
            feeds[f"scale_{index}"], feeds[f"shift_{index}"] = scale, shift
        return to_picture(engine.run(feeds)["picture"])

    try:
        yield Painter(f"{_NAMES[PLAIN_ENGINE]} from the graph that engines are built from", paint)
    finally:
        engine.close()


def _open_package(bundle: Bundle, graph: Graph, plain: Stylizer) -> Painter:
    """A package for Core ML: in Core ML on a Mac, in the reference evaluator elsewhere."""
    from export.coreml.app_graphs import CONTENT_STATS, STRENGTH, STYLE_CODE
    from export.coreml.judge import open_judge
    from export.coreml.mil_program import read_program

    package = bundle.path(graph)
    sizes = next((feature.sizes for feature in read_program(package).inputs if feature.name == "content"), ())
    if sizes and (SIDE, SIDE) not in sizes:
        listed = ", ".join(f"{width}x{height}" for width, height in sizes)
        raise CannotRun(f"it takes pictures of {listed}, and the samples are {SIDE}x{SIDE}")

    judge = open_judge(package)

    def paint(photo: np.ndarray, code: StyleCode | None) -> np.ndarray:
        numbers = {}
        if code is not None:
            stats = plain.measure(photo)
            numbers = {STYLE_CODE: code.values[None], CONTENT_STATS: stats[None], STRENGTH: np.ones(1, np.float32)}
        return judge.predict({"content": photo, **numbers})["picture"]

    return Painter(judge.name, paint)
