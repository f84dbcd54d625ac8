"""What a device's facts choose."""

from __future__ import annotations

import pytest

from devices import DeviceError
from export.for_device import choose_for_device
from export.options import ExportOptions
from runtime.errors import UserError

OWN = """
title = "My board"
kind = "board"

[sources.me]
title = "My notes"
url = "https://example.org/notes"

[precisions]
native = ["fp32", "fp16", "int8"]
compute_capability = "8.9"
source = "me"

[[recommended]]
format = "onnx"
precision = "fp32"
basis = "rule of thumb"
reason = "int8 is slower here"

[[recommended]]
format = "tensorrt-rtx"
precision = "fp16"
basis = "rule of thumb"
reason = "it has tensor cores"
"""


@pytest.fixture(autouse=True)
def my_board(tmp_path, monkeypatch):
    (tmp_path / "my-board.toml").write_text(OWN)
    monkeypatch.setenv("BRUSHLET_DEVICES", str(tmp_path))


def test_the_first_recommendation_is_taken_and_told():
    lines = []
    formats, precisions, options = choose_for_device("my-board", [], [], ExportOptions(), lines.append)
    assert (list(formats), list(precisions)) == (["onnx"], ["fp32"])
    assert lines == ["for My board: onnx fp32 is recommended (rule of thumb): int8 is slower here"]
    assert options == ExportOptions()


def test_what_the_user_named_stays_with_a_remark():
    lines = []
    formats, precisions, _ = choose_for_device("my-board", ["onnx"], ["int8"], ExportOptions(), lines.append)
    assert (list(formats), list(precisions)) == (["onnx"], ["int8"])
    assert lines == ["note: for My board onnx fp32 is recommended (rule of thumb): int8 is slower here"]


def test_an_engine_is_built_for_the_devices_gpu():
    formats, precisions, options = choose_for_device(
        "my-board", ["tensorrt-rtx"], [], ExportOptions(), lambda line: None
    )
    assert (list(formats), list(precisions), options.gpu) == (["tensorrt-rtx"], ["fp16"], "sm89")


def test_nothing_to_recommend_and_no_such_device():
    with pytest.raises(UserError, match="nothing is recommended for My board"):
        choose_for_device("my-board", ["coreml"], [], ExportOptions(), lambda line: None)
    with pytest.raises(DeviceError):
        choose_for_device("my-bord", [], [], ExportOptions(), lambda line: None)
