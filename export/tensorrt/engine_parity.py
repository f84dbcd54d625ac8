"""Whether an engine paints what the graph paints that it was built from, where there is a GPU to run it on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export.graphs import StudentGraph
from export.onnx_session import open_session
from export.parity import psnr
from runtime.engines.tensorrt_engine import TensorRtEngine
from runtime.errors import UserError

#: Least likeness of the engine's and the graph's pictures by precision, in dB. Both round alike but add in another
#: order, and in eight bits a sum that falls on the other side of a step is a step away.
LEAST_PSNR = {"fp32": 60.0, "fp16": 45.0, "int8": 35.0}
_SEED = 0


@dataclass(frozen=True)
class EngineParity:
    """An engine against its graph in ONNX Runtime on a random picture of ``size`` (height, width).

    Attributes:
        psnr: in dB, the graph's largest magnitude as the peak.
        max_abs_error: largest difference of one number.
    """

    format: str
    precision: str
    psnr: float
    max_abs_error: float
    gate: str
    size: tuple[int, int]
    target: str
    role: str = "paint"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "size": list(self.size), "judge": "the GPU, against the graph in ONNX Runtime"}


def measure_engine(path: Path, model: onnx.ModelProto, graph: StudentGraph, format: str, target: str) -> EngineParity:
    """Run both on the same picture, of the size that the engine is fastest at.

    Args:
        path: the engine file.
        model: what it was built from.
        graph: the student's paint graph, for its inputs.

    Raises:
        UserError: the engine cannot be run here, or its picture is another one.
    """
    engine = TensorRtEngine(path, allow_host_code=True)  # it was built here
    try:
        precision = engine.facts.precision
        height, width = engine.facts.profiles[0]["content"].usual[2:]
        inputs = graph.example(height, width, _SEED)
        feeds = {spec.name: x.numpy() for spec, x in zip(graph.inputs, inputs, strict=True)}
        found = engine.run(feeds)["picture"]
    finally:
        engine.close()
    expected = open_session(model).run(["picture"], feeds)[0]
    likeness, least = psnr(expected, found), LEAST_PSNR[precision]
    if not likeness >= least:
        raise UserError(
            f"the engine's picture is {likeness:.1f} dB from its graph's, where {least:g} dB is asked for: it is not "
            "kept; try another version of TensorRT or another precision"
        )
    error = float(np.abs(expected - found).max())
    return EngineParity(
        format, precision, round(likeness, 1), float(f"{error:.1e}"), f"psnr >= {least:g}", (height, width), target
    )
