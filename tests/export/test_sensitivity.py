"""Layers by what rounding them does, and the work of each."""

from __future__ import annotations

import pytest

from export.graphs import student_graphs
from export.quantize import quantizable
from export.sensitivity import conv_macs, float_share, rank_layers
from export.to_onnx import to_onnx


@pytest.fixture(scope="module")
def model(student):
    return to_onnx(student_graphs(student)[-1])


def test_multiply_accumulates_by_hand(model):
    macs = conv_macs(model, 64)
    assert macs["/stem/Conv"] == 32 * 32 * 8 * 3 * 36
    assert macs["/down/Conv"] == 16 * 16 * 16 * 8 * 16
    assert macs["/blocks.0/inner/Conv"] == 16 * 16 * 16 * 16 * 9
    assert macs["/up/up.0/Conv"] == 16 * 16 * 32 * 16 * 9
    assert macs["/head/Conv"] == 32 * 32 * 12 * 8 * 9
    assert len(macs) == sum(node.op_type == "Conv" for node in model.graph.node)
    assert conv_macs(model, 128) == {name: 4 * count for name, count in macs.items()}


def test_the_share_left_in_float(model):
    macs = conv_macs(model)
    assert float_share(model, []) == 1
    assert float_share(model, macs) == pytest.approx(0)
    assert float_share(model, ["/down/Conv"]) == pytest.approx(1 - macs["/down/Conv"] / sum(macs.values()))


def test_layers_come_the_worst_first(model):
    """Each layer is judged with all others in float."""
    layers = quantizable(model)
    alone = {name: 60.0 - i for i, name in enumerate(layers)}

    class FakeJudge:
        def psnr(self, kept) -> float:
            (quantised,) = set(layers) - kept
            return alone[quantised]

    ranked = rank_layers(model, layers, lambda keep: set(keep), FakeJudge())
    assert [layer.name for layer in ranked] == layers[::-1]
    assert [layer.psnr for layer in ranked] == sorted(alone.values())
    record = next(layer for layer in ranked if layer.name == "/down/Conv").to_json()
    assert record == {
        "name": "/down/Conv",
        "psnr": alone["/down/Conv"],
        "macs_share": pytest.approx(conv_macs(model)["/down/Conv"] / sum(conv_macs(model).values()), abs=1e-4),
        "weights": 16 * 8 * 16,
    }
