"""Fine-tuning with rounding in the loop: it rounds as the int8 graph does, and the int8 pictures come nearer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.checkpoint import load_student
from export import qat
from export.activation_ranges import observe, ranges_of
from export.calibration import Pair, student_feeds
from export.graphs import student_graphs
from export.onnx_session import open_session
from export.qat import _Rounding, fine_tune_int8
from export.quantize import RECIPES, quantizable, quantize
from export.to_onnx import to_onnx


@pytest.fixture(scope="module")
def student():
    return load_student("adain-w025").student


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """Blobs of colour, at full and at half strength."""
    rng = np.random.default_rng(0)
    pictures = [np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(8)]
    return [Pair(*pictures[2 * i : 2 * i + 2], strength=1 - i % 2 / 2) for i in range(4)]


@pytest.fixture(scope="module")
def model(student):
    return to_onnx(student_graphs(student)[-1])


@pytest.fixture(scope="module")
def feeds(student, pairs):
    return student_feeds(student, pairs)["paint"]


@pytest.fixture(scope="module")
def ranges(model, feeds):
    return ranges_of(observe(model, feeds), "mse", symmetric=False)


def pictures(model, feeds) -> list[np.ndarray]:
    session = open_session(model, 1)
    return [session.run(None, feed)[0].clip(0, 1) for feed in feeds]


def painted(student, feeds) -> list[np.ndarray]:
    def affine(feed):
        names = [(f"scale_{i}", f"shift_{i}") for i in range(len(student.sites))]
        return [tuple(torch.from_numpy(feed[name]) for name in pair) for pair in names]

    with torch.no_grad():
        return [student.paint(torch.from_numpy(f["content"]), affine(f)).clamp(0, 1).numpy() for f in feeds]


def psnr(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    error = np.mean([np.square(a - b).mean() for a, b in zip(found, wanted, strict=True)])
    return -10 * np.log10(max(error, 1e-12))


@pytest.mark.parametrize("recipe", ["cpu", "tensorrt"])
@pytest.mark.parametrize("layer", ["/skip/Conv", "/up/up.0/Conv", "/blocks.1/outer/Conv"])
def test_a_layer_is_rounded_as_in_the_graph(student, model, feeds, layer: str, recipe: str):
    """What rounding one layer costs is the same in torch and in the int8 graph."""
    ranges = ranges_of(observe(model, feeds), "mse", RECIPES[recipe].symmetric)
    keep = set(quantizable(model)) - {layer}
    wanted = painted(student, feeds)
    in_graph = psnr(pictures(quantize(model, ranges, recipe, keep, float_residuals=True), feeds), wanted)
    copy = load_student("adain-w025").student
    rounding = _Rounding(copy, model, ranges, RECIPES[recipe], keep)
    with rounding:
        in_torch = psnr(painted(copy, feeds), wanted)
    assert in_torch == pytest.approx(in_graph, abs=1)
    assert psnr(painted(copy, feeds), wanted) > 100  # nothing is rounded outside of `with`
    rounding.remove()
    with rounding:
        assert psnr(painted(copy, feeds), wanted) > 100


def test_int8_pictures_come_nearer(student, model, ranges, feeds, pairs):
    lines = []
    tuned = fine_tune_int8(student, model, ranges, pairs, steps=40, log=lines.append)
    wanted = pictures(model, feeds)
    before = psnr(pictures(quantize(model, ranges, "cpu"), feeds), wanted)
    after = psnr(pictures(quantize(to_onnx(student_graphs(tuned)[-1]), ranges, "cpu"), feeds), wanted)
    assert after > before + 0.5
    assert lines[-1].startswith("fine-tuning for int8: step 40 of 40, ")


def test_codes_and_statistics_stay(student, model, ranges, pairs):
    tuned = fine_tune_int8(student, model, ranges, pairs, steps=1)
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(tuned.measure(picture), student.measure(picture))
    assert torch.equal(tuned.style(picture), student.style(picture))
    changed = {name for name, p in tuned.named_parameters() if not torch.equal(p, student.get_parameter(name))}
    assert {"mix.weight", "up.conv5.weight", "blocks.0.inner.weight"} <= changed
    assert not any(name.startswith(("stem", "down", "encode", "style")) for name in changed)


def test_the_same_seed_gives_the_same_student(student, model, ranges, pairs):
    one, other, third = (
        fine_tune_int8(student, model, ranges, pairs, steps=2, seed=seed).state_dict() for seed in (3, 3, 4)
    )
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert not all(torch.equal(one[key], third[key]) for key in one)


def test_batches_hold_pictures_of_one_size(pairs):
    small = [Pair(pair.content[:32], pair.style, 1.0) for pair in pairs[:2]]
    for batch in qat._batches([*pairs, *small], 20, seed=0):
        assert len(batch) == qat.BATCH
        assert len({pair.content.shape for pair in batch}) == 1
