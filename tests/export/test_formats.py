"""Formats and precisions as a user writes them."""

from __future__ import annotations

import pytest

from export.formats import FORMATS, Format, Target, plan_targets
from export.options import ExportOptions
from runtime.errors import UserError


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only these, whatever else there is."""
    for name in list(FORMATS):
        monkeypatch.delitem(FORMATS, name)
    monkeypatch.setitem(FORMATS, "onnx", Format("a", "b", ("fp32", "fp16", "int8"), ()))
    monkeypatch.setitem(FORMATS, "coreml", Format("a", "b", ("fp16", "int8", "palettized"), ()))
    monkeypatch.setitem(FORMATS, "tensorrt-rtx", Format("a", "b", ("fp16", "int8"), ()))


def test_without_precisions_each_format_has_its_default():
    assert plan_targets(["onnx", "coreml"], [], ExportOptions()) == (Target("onnx", "fp32"), Target("coreml", "fp16"))


def test_each_format_takes_the_precisions_that_it_has():
    assert plan_targets(["onnx", "coreml"], ["fp32", "int8", "int8", "palettized"], ExportOptions()) == (
        Target("onnx", "fp32"),
        Target("onnx", "int8"),
        Target("coreml", "int8"),
        Target("coreml", "palettized"),
    )


def test_an_engine_is_for_a_machine():
    (target,) = plan_targets(["tensorrt-rtx"], ["int8"], ExportOptions(gpu="sm89"))
    assert target == Target("tensorrt-rtx", "int8", "sm89")
    assert str(target) == "tensorrt-rtx int8 sm89"
    assert str(Target("onnx", "int8")) == "onnx int8"


@pytest.mark.parametrize(
    ("formats", "precisions", "message"),
    [
        (["onx"], [], "there is no format 'onx': did you mean 'onnx'"),
        (["onnx"], ["palettized"], "there is no precision 'palettized' here: onnx has fp32, fp16, int8"),
        (["onnx", "coreml"], ["fp8"], "there is no precision 'fp8' here: onnx has .*; coreml has"),
    ],
)
def test_what_does_not_exist(formats: list[str], precisions: list[str], message: str):
    with pytest.raises(UserError, match=message):
        plan_targets(formats, precisions, ExportOptions())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("min_psnr", 5, "--min-psnr must be from 10 to 100"),
        ("min_psnr", float("nan"), "--min-psnr"),
        ("max_shift", 0, "--max-shift"),
        ("qat_steps", -1, "--qat"),
        ("workspace_mb", 0, "--workspace"),
        ("dla", 9, "--dla"),
        ("seed", -1, "--seed"),
    ],
)
def test_bad_options(option: str, value: float, message: str):
    with pytest.raises(UserError, match=message):
        ExportOptions(**{option: value})
