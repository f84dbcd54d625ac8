"""Paint graphs in the three precisions that engines are built from: of a small student, with random calibration."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import nn

from distill.students import HaarPainter
from export.graphs import StudentGraph, student_graphs
from export.to_onnx import to_onnx
from tests.runtime.engines.fake_cuda import FakeCuda


class RandomPictures(CalibrationDataReader):
    """Two random pictures with the scales and shifts of random styles."""

    def __init__(self, graph: StudentGraph) -> None:
        names = [spec.name for spec in graph.inputs]
        examples = (graph.example(64, 64, seed) for seed in range(2))
        self._feeds = iter([dict(zip(names, (x.numpy() for x in inputs), strict=True)) for inputs in examples])

    def get_next(self) -> dict | None:
        return next(self._feeds, None)


def quantized(graph: StudentGraph, model: onnx.ModelProto, folder: Path) -> bytes:
    """The graph as TensorRT wants it: symmetric int8 Q/DQ at the inputs of convolutions, float biases."""
    source, target = folder / "paint.onnx", folder / "paint.int8.onnx"
    onnx.save(model, source)
    quantize_static(
        source,
        target,
        RandomPictures(graph),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": ["Conv"],
        },
    )
    return target.read_bytes()


def in_every_precision(student: nn.Module, folder: Path) -> dict[str, bytes]:
    graph = student_graphs(student)[-1]
    model = to_onnx(graph)
    single = model.SerializeToString()
    half = convert_float_to_float16(model, keep_io_types=True).SerializeToString()
    return {"fp32": single, "fp16": half, "int8": quantized(graph, onnx.load_from_string(single), folder)}


@pytest.fixture(scope="session")
def graphs(student: HaarPainter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Serialised paint graphs by precision."""
    return in_every_precision(student, tmp_path_factory.mktemp("graphs"))


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda("8.7").install(monkeypatch)
