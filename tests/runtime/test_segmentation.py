"""`runtime.segmentation`: models that users bring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from runtime.errors import UserError
from runtime.segmentation import Segmenter


def write_model(path: Path, channels: int = 1, shape: Sequence[int | str] = (1, 3, "H", "W"), inputs: int = 1) -> Path:
    """The subject is where the photo is bright: the mean of the normalised channels, times 8, is its logit."""
    names = [f"image_{index}" for index in range(inputs)]
    weight = np.full((channels, 3, 1, 1), 8 / 3, np.float32)
    weight[0] *= 1 if channels == 1 else 0
    graph = helper.make_graph(
        [helper.make_node("Conv", [names[0], "weight"], ["scores"])],
        "segment",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, channels, *shape[2:]))],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def photo() -> np.ndarray:
    """Dark left, bright right: (60, 90, 3)."""
    rgb = np.zeros((60, 90, 3), np.uint8)
    rgb[:, 45:] = 255
    return rgb


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("shape", [(1, 3, "H", "W"), (1, 3, 64, 96)])
def test_the_subject_is_found(tmp_path: Path, channels: int, shape):
    mask = Segmenter(write_model(tmp_path / "model.onnx", channels, shape)).mask(photo())
    assert mask.shape == (60, 90) and mask.dtype == np.uint8
    assert mask[:, :40].max() < 20 and mask[:, 50:].min() > 235


def test_models_that_are_refused(tmp_path: Path):
    (tmp_path / "junk.onnx").write_bytes(b"junk" * 100)
    with pytest.raises(UserError, match="junk.onnx is not an ONNX graph, or is damaged"):
        Segmenter(tmp_path / "junk.onnx")
    with pytest.raises(UserError, match="there is no model .*none.onnx"):
        Segmenter(tmp_path / "none.onnx")
    with pytest.raises(UserError, match="takes 2 inputs: a segmentation model takes the photo alone"):
        Segmenter(write_model(tmp_path / "two.onnx", inputs=2))
    with pytest.raises(UserError, match="up to 1024 pixels"):
        Segmenter(write_model(tmp_path / "large.onnx", shape=(1, 3, 5000, 5000)))
    with pytest.raises(UserError, match="flat.onnx"):
        Segmenter(write_model(tmp_path / "flat.onnx", shape=(1, 3, 8)))


def test_a_model_with_a_loop_never_reaches_an_engine(tmp_path: Path):
    path = write_model(tmp_path / "model.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "Loop"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="uses 'Loop', which no student does"):
        Segmenter(path)
