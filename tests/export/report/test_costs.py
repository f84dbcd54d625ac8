"""`export.report.costs`: the graph's multiplications are the student's, and int8 ones are told apart."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest

from distill.layer_costs import student_cost
from distill.students import HaarPainter
from export.report.costs import SIDE, paint_cost
from export.to_bundle import Exported
from tests.fuzz.conv_painter import conv_painter


def test_the_exported_graph_costs_what_the_student_costs(exported: Exported, student: HaarPainter):
    """Counted once on ONNX and once on torch; kernels are folded at export, which keeps multiplications."""
    cost = paint_cost(exported.directory / "paint.onnx")
    assert cost.macs == {"fp32": student_cost(student).macs}
    assert cost.weights >= student_cost(student).params


def test_convolutions_between_dequantised_operands_are_int8(tmp_path: Path):
    (tmp_path / "paint.onnx").write_bytes(conv_painter().SerializeToString())
    cost = paint_cost(tmp_path / "paint.onnx")
    half = (SIDE // 2) ** 2
    stem, block, head = (half * prod(shape) for shape in ((8, 3, 3, 3), (8, 8, 3, 3), (12, 8)))
    assert cost.macs == {"fp32": stem + head, "int8": block}
    assert cost.total == stem + head + block
    assert cost.weights == 8 * 27 + 8 + 8 * 72 + 12 * 8


@pytest.mark.parametrize("data", [b"", b"\x08\x08", b"no graph"])
def test_what_cannot_be_counted(tmp_path: Path, data: bytes):
    (tmp_path / "paint.onnx").write_bytes(data)
    with pytest.raises(ValueError):
        paint_cost(tmp_path / "paint.onnx")
