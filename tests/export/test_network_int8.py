"""`export.network_int8`: any network in eight bits, with its worst layers in float."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.network_int8 import int8_network
from export.onnx_session import open_session
from runtime.errors import UserError


def graph_of(network: nn.Module, tmp_path) -> onnx.ModelProto:
    size = {0: "n", 2: "h", 3: "w"}
    torch.onnx.export(
        network, torch.rand(1, 3, 32, 32), tmp_path / "n.onnx", input_names=["content"], output_names=["picture"],
        dynamic_axes={"content": size, "picture": size}, dynamo=False, opset_version=17,
    )  # fmt: skip
    return onnx.load(tmp_path / "n.onnx")


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 3, 1),
        nn.Sigmoid(),
    ).eval()


def pictures(count: int, seed: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [{"content": rng.random((1, 3, 32, 32), dtype=np.float32)} for _ in range(count)]


def test_what_can_be_is_quantised_and_the_picture_stays(network, tmp_path):
    model = graph_of(network, tmp_path)
    found = int8_network(model, pictures(8, 0), pictures(2, 1), pictures(4, 2))
    assert (found.layers, found.float_layers) == (2, ())
    assert found.psnr == found.before >= 35
    errors = [open_session(m).run(None, feeds)[0] for feeds in pictures(4, 2) for m in (model, found.model)]
    error = np.mean([np.mean(np.square(a - b)) for a, b in zip(errors[::2], errors[1::2], strict=True)])
    assert found.psnr == pytest.approx(-10 * np.log10(error), abs=0.1)
    assert found.psnr < 99, "something was rounded"


def test_layers_return_to_float_until_the_gate_is_passed(network, tmp_path):
    model = graph_of(network, tmp_path)
    plain = int8_network(model, pictures(8, 0), pictures(2, 1), pictures(4, 2))
    strict = int8_network(model, pictures(8, 0), pictures(2, 1), pictures(4, 2), least=plain.before + 0.5)
    assert len(strict.float_layers) == 1 and strict.psnr >= plain.before + 0.5 and strict.before == plain.before


def test_a_gate_beyond_reach_is_refused(network, tmp_path):
    with pytest.raises(UserError, match=r"int8: \d+\.\d dB, and \d+\.\d dB with half of its work back in float, of 99"):
        int8_network(graph_of(network, tmp_path), pictures(8, 0), pictures(2, 1), pictures(2, 2), least=99)


def test_without_layers_for_it(tmp_path):
    with pytest.raises(UserError, match="no convolution whose channels are multiples of 8"):
        int8_network(graph_of(nn.Conv2d(3, 3, 3), tmp_path), pictures(1, 0), pictures(1, 1), pictures(1, 2))
