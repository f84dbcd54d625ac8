from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.tensorrt.layer_report import Layer, layers_of_inspector, layers_of_program, number_type, precisions_of

#: As NVIDIA's documentation of the engine inspector shows it for TensorRT 8.5 to 10.
CONVOLUTION_10 = {
    "Name": "res4_0_branch2a_1 + res4_0_branch2a_bn_1",
    "LayerType": "CaskConvolution",
    "Inputs": [{"Name": "x", "Format/Datatype": "Thirty-two wide channel vectorized row major Int8 format."}],
    "Outputs": [{"Name": "y", "Format/Datatype": "Thirty-two wide channel vectorized row major Int8 format."}],
    "Weights": {"Type": "Int8", "Count": 131072},
    "TacticName": "sm80_xmma_fprop_implicit_gemm_interleaved_i8i8_i8i32_f32",
}
#: The same with the fields of TensorRT 11, which splits format and type.
CONVOLUTION_11 = {
    **CONVOLUTION_10,
    "Inputs": [{"Name": "x", "Format": "Row major linear FP32 format (kLINEAR)", "DataType": "Int8"}],
    "Outputs": [{"Name": "y", "Format": "Row major linear FP32 format (kLINEAR)", "DataType": "Half"}],
}

PROGRAM = b"""\x00\x01binary\xffheader {
  version = 5
  tensor={ alignment=128 dims={ 1 4 "h" "w" } name="in.1" offset=0 type=int8 }
  tensor={ alignment=128 dims={ 16 3 6 6 } name="weights_dconst" strides={ 1 2 } type=int8 }
  tensor={ dims={ 1 16 "h" "w" } name="out.1" type=float }
  tensor={ dims={ } name="h" type=int64 }
  tensor={ name="half.1" type=half }
  corrltn={ name="/stem/Conv" output={"out.1" } input={"in.1" "weights_dconst" "missing" } layers="[ONNX Layer: /stem]
[ONNX Layer: stem.weight_DequantizeLinear]" swap_ab=false }
  function={ name=__myl_MulAdd fqn=__myl_MulAdd_0x1 args={ "x" } input_args={ "h" "out.1" } output_args={ "half.1" } }
\x00\x02"""


def test_the_program_of_a_plan():
    convolution, pointwise = layers_of_program(PROGRAM)
    assert convolution == Layer("/stem/Conv", "convolution", ("int8",), "int8", ("fp32",))
    assert convolution.precision == "int8"
    assert pointwise == Layer("__myl_MulAdd", "pointwise", ("fp32",), "", ("fp16",))
    assert precisions_of([convolution, pointwise]) == {"convolutions": {"int8": 1}, "others": {"fp16": 1}}


@pytest.mark.parametrize("layer", [CONVOLUTION_10, CONVOLUTION_11])
def test_the_inspector_of_10_and_11(layer: dict):
    (found,) = layers_of_inspector(json.dumps({"Layers": [layer], "Bindings": ["x", "y"]}))
    assert (found.kind, found.inputs, found.weights, found.precision) == ("convolution", ("int8",), "int8", "int8")
    assert found.outputs == (("fp16",) if layer is CONVOLUTION_11 else ("int8",))
    assert "i8i8" in found.kernel and found.to_json()["precision"] == "int8"


def test_convolutions_that_the_compiler_calls_correlations():
    layer = {"LayerType": "correlation", "Metadata": "[ONNX Layer: /down/Conv]", "Inputs": [{"DataType": "Half"}]}
    matrix = {**layer, "Metadata": "[ONNX Layer: /MatMul]"}
    found = layers_of_inspector(json.dumps({"Layers": [layer, matrix]}))
    assert [(item.kind, item.precision) for item in found] == [("convolution", "fp16"), ("correlation", "unknown")]


def test_a_convolution_of_two_types_is_mixed():
    assert Layer("c", "convolution", ("fp16",), "int8", ("fp16",)).precision == "mixed"
    assert Layer("c", "convolution", ("",), "", ()).precision == "unknown"


@pytest.mark.parametrize("report", ["", "no JSON", "[]", "null", '{"Layers": ["only a name"]}', "{}"])
def test_reports_without_layers(report: str):
    assert layers_of_inspector(report) == []


@given(st.binary(max_size=300))
def test_any_bytes_can_be_asked_for_their_program(data: bytes):
    assert isinstance(layers_of_program(data), list)
    assert layers_of_program(data + b"\n" + PROGRAM)[-1].name == "__myl_MulAdd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Half", "fp16"), ("UInt8", "uint8"), ("float16", "fp16"), ("FP32", "fp32"), ("bf16", "bf16"), ("N/A", "")],
)
def test_number_types(text: str, expected: str):
    assert number_type(text) == expected
