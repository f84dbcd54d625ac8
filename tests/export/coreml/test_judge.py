"""Who runs a saved package."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from export.coreml import judge
from export.coreml.judge import CoreMlJudge, open_judge
from runtime.errors import UserError


class Model:
    """What coremltools gives on a Mac: pictures are Pillow's on both sides."""

    def __init__(self, path: str) -> None:
        if "broken" in path:
            raise RuntimeError("Error compiling model\nwith details")

    def predict(self, feeds):
        assert isinstance(feeds["content"], Image.Image) and feeds["strength"].dtype == np.float32
        inverted = np.asarray(feeds["content"]).astype(int) * -1 + 255
        picture = Image.fromarray(inverted.astype(np.uint8)).convert("RGBA")
        return {"picture": picture, "number": np.float32(2) * feeds["strength"]}


@pytest.fixture
def on_a_mac(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    fake = SimpleNamespace(models=SimpleNamespace(MLModel=Model))
    monkeypatch.setattr(judge, "coremltools", lambda: fake)


def test_a_mac_judges_with_core_ml(on_a_mac, tmp_path):
    found = open_judge(tmp_path / "p.mlpackage")
    assert isinstance(found, CoreMlJudge) and found.name == "coremltools predict on macOS"
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    outputs = found.predict({"content": picture, "strength": np.array([0.5])})
    assert np.array_equal(outputs["picture"], 255 - picture) and outputs["picture"].dtype == np.uint8
    assert outputs["number"].tolist() == [1.0]


def test_a_package_that_core_ml_refuses_is_told_in_one_line(on_a_mac, tmp_path):
    with pytest.raises(UserError, match="Core ML cannot load .*broken.mlpackage: Error compiling model$"):
        open_judge(tmp_path / "broken.mlpackage")


@pytest.mark.skipif(sys.platform == "darwin", reason="there Core ML itself judges")
def test_elsewhere_the_reference_evaluator_judges(fp16_packages):
    assert open_judge(fp16_packages["measure"]).name == "reference evaluator"
