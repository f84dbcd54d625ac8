"""The Core ML engine with a stand-in for Core ML: the export's reference evaluator runs the packages.

The packages, their descriptions and everything around `predict` are real.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

coremltools = pytest.importorskip("coremltools")

from distill.students import HaarPainter  # noqa: E402
from export.coreml.app_graphs import app_graphs  # noqa: E402
from export.coreml.convert import Details, to_program  # noqa: E402
from export.coreml.mil_evaluator import MilEvaluator  # noqa: E402
from export.coreml.package_file import save_package  # noqa: E402
from runtime.engines import open_engine  # noqa: E402
from runtime.engines.coreml_engine import CoreMlEngine  # noqa: E402
from runtime.errors import UserError  # noqa: E402
from runtime.framing import to_picture, to_tensor  # noqa: E402
from runtime.tiles import SizeRange  # noqa: E402
from tests.smooth_picture import smooth_picture  # noqa: E402

MLMODEL = coremltools.models.MLModel
SIZES = ((48, 32), (32, 32))


class EvaluatedModel:
    """coremltools' MLModel as far as the engine uses it; sizes and types are as strict as Core ML's."""

    def __init__(self, path: str, compute_units: object) -> None:
        self._spec = MLMODEL(path, skip_model_load=True).get_spec()
        self._evaluator = MilEvaluator(path)
        self.compute_units = compute_units

    def get_spec(self) -> Any:
        return self._spec

    def predict(self, feeds: dict[str, Any]) -> dict[str, Any]:
        assert isinstance(feeds["content"], Image.Image) and feeds["content"].mode == "RGB"
        assert all(value.dtype == np.float32 for value in feeds.values() if isinstance(value, np.ndarray))
        arrays = {name: np.asarray(value) for name, value in feeds.items()}
        return {name: Image.fromarray(value) for name, value in self._evaluator.predict(arrays).items()}


@pytest.fixture(scope="module")
def student() -> HaarPainter:
    torch.manual_seed(0)
    return HaarPainter(0.125, blocks=1).eval()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, student: HaarPainter) -> Path:
    graph = next(graph for graph in app_graphs(student) if graph.role == "paint")
    path = tmp_path_factory.mktemp("packages") / "paint.mlpackage"
    save_package(to_program(graph, SIZES, "iOS16", Details("tiny", "CC0", "1", {})), path)
    return path


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    class Models:
        MLModel = EvaluatedModel

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(coremltools, "models", Models)


def affine(student: HaarPainter) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    feeds = {}
    for index, site in enumerate(student.sites):
        shape = (1, site.channels, 1, 1)
        feeds[f"scale_{index}"] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        feeds[f"shift_{index}"] = rng.uniform(-0.2, 0.2, shape).astype(np.float32)
    return feeds


def test_scales_and_shifts_arrive_as_a_style_code(mac: None, package: Path, student: HaarPainter):
    content, feeds = smooth_picture(32, 0), affine(student)
    engine = open_engine("coreml", package)
    painted = engine.run({"content": to_tensor(content), **feeds})["picture"]
    pairs = [(torch.tensor(feeds[f"scale_{i}"]), torch.tensor(feeds[f"shift_{i}"])) for i in range(len(student.sites))]
    with torch.no_grad():
        expected = student.paint(torch.tensor(to_tensor(content)), pairs).clamp(0, 1).numpy()
    assert painted.shape == expected.shape and painted.dtype == np.float32
    assert np.abs(painted - expected).max() < 0.02  # fp16, and 8 bits at the end


def test_bytes_give_the_same_picture_in_bytes(mac: None, package: Path, student: HaarPainter):
    content, feeds = smooth_picture(32, 0), affine(student)
    engine = open_engine("coreml", package)
    painted = engine.run({"content": content[None], **feeds})["picture"]
    planes = engine.run({"content": to_tensor(content), **feeds})["picture"]
    assert engine.takes_bytes and painted.dtype == np.uint8 and painted.flags.writeable
    assert np.array_equal(painted[0], to_picture(planes))


def test_it_says_which_sizes_it_takes(mac: None, package: Path):
    engine = CoreMlEngine(package, compute_units="neural-engine")
    assert set(engine.content_sizes) == {SizeRange((h, w), (h, w)) for w, h in SIZES}


def test_what_does_not_fit_is_one_line(mac: None, package: Path, student: HaarPainter, tmp_path: Path):
    engine = CoreMlEngine(package)
    feeds = affine(student)
    with pytest.raises(UserError, match="Core ML failed on .*paint.mlpackage: .*pixels, not 40x40"):
        engine.run({"content": to_tensor(smooth_picture(40, 0)), **feeds})
    feeds["scale_0"] = np.ones((1, student.sites[0].channels, 16, 16), np.float32)
    with pytest.raises(UserError, match="one style for the whole picture"):
        engine.run({"content": to_tensor(smooth_picture(32, 0)), **feeds})
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.run({"content": to_tensor(smooth_picture(32, 0)), **affine(student)})
    with pytest.raises(UserError, match="Core ML cannot load"):
        CoreMlEngine(tmp_path / "none.mlpackage")
    with pytest.raises(UserError, match="compute_units must be one of all, cpu, gpu, neural-engine, not 'ane'"):
        CoreMlEngine(package, compute_units="ane")


@pytest.mark.skipif(sys.platform == "darwin", reason="this is a Mac")
def test_elsewhere_it_says_what_to_use(package: Path):
    with pytest.raises(UserError, match="Core ML runs on macOS only: choose --engine onnxruntime"):
        CoreMlEngine(package)
