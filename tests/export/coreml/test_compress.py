"""Cheaper arithmetic in torch, and that the stored form holds exactly what torch computes with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from export.coreml.app_graphs import AppGraph, app_graphs
from export.coreml.compress import (
    Levels,
    QuantizedInput,
    compressible,
    correct_biases,
    find_levels,
    stored,
    with_int8_inputs,
    with_int8_weights,
    with_palettes,
)
from export.coreml.parity import picture_psnr


@pytest.fixture(scope="module")
def paint(student):
    return app_graphs(student)[2]


@pytest.fixture(scope="module")
def inputs(student):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(4, 1, 3, 32, 32, generator=generator)
    styles = torch.rand(4, 1, 3, 64, 64, generator=generator)
    with torch.no_grad():
        return [
            (picture, student.style(style), student.measure(picture), torch.ones(1))
            for picture, style in zip(pictures, styles, strict=True)
        ]


def weights(graph) -> dict[str, np.ndarray]:
    return {name: graph.module.get_submodule(name).weight.double().numpy() for name in graph.layers()}


def test_int8_weights_are_multiples_of_a_scale_per_channel(paint):
    before, after = weights(paint), weights(with_int8_weights(paint))
    assert compressible(paint)
    for name in compressible(paint):
        for old, new in zip(before[name], after[name], strict=True):
            scale = np.abs(old).max() / 127
            np.testing.assert_allclose(new / scale, np.rint(new / scale), atol=1e-3)
            assert np.abs(new - old).max() <= scale * 0.501


@pytest.mark.parametrize("bits", [4, 6])
def test_palettes_have_so_many_fp16_numbers(paint, bits):
    names = compressible(paint)[:3]
    before, after = weights(paint), weights(with_palettes(paint, {name: bits for name in names}))
    for name in before:
        if name in names:
            assert len(np.unique(after[name])) <= 1 << bits
            assert np.array_equal(after[name], after[name].astype(np.float16))
        else:
            assert np.array_equal(after[name], before[name])


def test_the_graph_itself_is_not_changed(paint, inputs):
    before = weights(paint)
    changed = with_int8_inputs(with_int8_weights(paint), find_levels(paint, inputs))
    correct_biases(paint, changed, inputs)
    assert all(np.array_equal(before[name], now) for name, now in weights(paint).items())
    assert not any(isinstance(layer, QuantizedInput) for layer in paint.module.modules())


@settings(max_examples=30)
@given(st.floats(0.01, 1), st.booleans(), st.integers(0, 99))
def test_levels_are_256_multiples_of_the_scale(scale, signed, seed):
    levels = Levels(scale, signed)
    x = torch.randn(1000, generator=torch.Generator().manual_seed(seed)) * 300 * scale
    steps = levels.rounded(x) / scale
    assert torch.allclose(steps, steps.round(), atol=1e-3)
    assert steps.min() >= levels.least - 1e-3 and steps.max() <= levels.most + 1e-3
    assert levels.most - levels.least == 255 and (levels.least < 0) == signed
    inside = (x / scale > levels.least) & (x / scale < levels.most)
    assert (levels.rounded(x) - x)[inside].abs().max() <= scale * 0.501


def test_levels_fit_what_enters_each_convolution(paint, inputs):
    levels = find_levels(paint, inputs)
    assert set(levels) == set(compressible(paint))
    assert levels["student.stem"] == Levels(1 / 255, False)
    assert not levels["student.down"].signed, "behind a ReLU"
    assert levels["student.blocks.0.inner"].signed, "a sum"
    assert all(found.scale > 0 for found in levels.values())


def test_pictures_survive_8_bit_inputs_and_weights(paint, inputs):
    changed = with_int8_inputs(with_int8_weights(paint), find_levels(paint, inputs))
    correct_biases(paint, changed, inputs)
    assert min(picture_psnr(paint.run(x), changed.run(x)) for x in inputs) > 30


def test_biases_take_off_the_mean_shift_of_their_layer(paint, inputs):
    changed = with_palettes(paint, {name: 4 for name in compressible(paint)})

    def shift(name: str) -> float:
        """Of the layer's mean outputs, given the original's inputs."""
        found = []

        def compare(layer: nn.Module, given: tuple, output: torch.Tensor) -> None:
            found.append((changed.module.get_submodule(name)(given[0]) - output).mean((0, 2, 3)))

        hook = paint.module.get_submodule(name).register_forward_hook(compare)
        for x in inputs:
            paint.run(x)
        hook.remove()
        return float(torch.stack(found).mean(0).abs().max())

    before = {name: shift(name) for name in compressible(paint)}
    correct_biases(paint, changed, inputs)
    for name, shifted in before.items():
        assert shift(name) < 0.01 * shifted + 1e-5, name


def test_int8_is_stored_as_torch_computes_it(paint, inputs, tmp_path, draw):
    changed = with_int8_inputs(with_int8_weights(paint), find_levels(paint, inputs))
    evaluator = saved(changed, (32, 32), "int8", tmp_path)
    kinds = [op.kind for op in evaluator.program.operations]
    assert kinds.count("constexpr_affine_dequantize") == kinds.count("quantize") == len(compressible(paint))
    picture, (_, code, stats, strength) = draw(3, 32, 32), inputs[0]
    expected = changed.run((tensor(picture), code, stats, strength))[0].permute(1, 2, 0)
    numbers = {"style_code": code.numpy(), "content_stats": stats.numpy(), "strength": strength.numpy()}
    found = evaluator.predict({"content": picture, **numbers})["picture"]
    # An activation that fp16 moves to the other side of a level's middle changes by a whole level.
    assert picture_psnr(expected, found) > 40


def test_palettes_are_stored_as_torch_computes_them(student, tmp_path, draw):
    style = app_graphs(student)[0]
    changed = with_palettes(style, {name: (4, 6, 8)[i % 3] for i, name in enumerate(compressible(style))})
    evaluator = saved(changed, (48, 32), "palettized", tmp_path)
    kinds = [op.kind for op in evaluator.program.operations]
    assert kinds.count("constexpr_lut_to_dense") == len(compressible(style))
    picture = draw(3, 48, 32)
    found = evaluator.predict({"style": picture})["style_code"]
    np.testing.assert_allclose(found, changed.run((tensor(picture),)).numpy(), atol=5e-3, rtol=5e-3)


def saved(graph: AppGraph, size: tuple[int, int], precision: str, folder: Path):
    """The evaluator of the graph's package, which has to be smaller than without compression."""
    pytest.importorskip("coremltools")
    from export.coreml.convert import TARGETS, Details, to_program
    from export.coreml.mil_evaluator import MilEvaluator
    from export.coreml.package_file import package_bytes, save_package

    model = to_program(graph, [size], TARGETS[precision], Details("tiny", "CC0", "1", {}))
    save_package(model, folder / "plain.mlpackage")
    save_package(stored(model, precision), folder / "small.mlpackage")
    assert package_bytes(folder / "small.mlpackage") < 0.8 * package_bytes(folder / "plain.mlpackage")
    return MilEvaluator(folder / "small.mlpackage")


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(255))
