"""Which layers of an engine compute in which precision, as far as the builder tells.

Two sources, because they exist in different places:

- the *inspector*, TensorRT's own report as JSON. It needs the engine loaded, and that needs the GPU;
- the *program* inside a plan of TensorRT-RTX: a text that lists every operation with the types of its operands. It
  can be read anywhere. Nothing documents it, so whatever is not understood is left out, and an engine about which
  nothing is known says so instead of guessing. The kernel itself is chosen when the engine is loaded on a GPU; the
  types of what it reads and writes are not.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

CONVOLUTION = "convolution"
#: Names of number types in either source, most telling first: a format such as "... FP16 format ..." holds one.
_TYPES = (
    ("uint8", "uint8"),
    ("int8", "int8"),
    ("fp16", "fp16"),
    ("float16", "fp16"),
    ("half", "fp16"),
    ("bf16", "bf16"),
    ("fp32", "fp32"),
    ("float", "fp32"),
    ("int32", "int32"),
    ("int64", "int64"),
)
_PROGRAM_LINE = re.compile(rb"^[ \t]*(tensor|corrltn|function)=\{ (.*)$", re.MULTILINE)
_NAME = re.compile(rb'\bname="?([^" ]+)"?')
_TYPE = re.compile(rb"\btype=(\w+)")
_LIST = {
    (kind, side): re.compile(rb"\b" + field + rb"=\{([^{}]*)\}")
    for kind, inputs, outputs in ((b"corrltn", b"input", b"output"), (b"function", b"input_args", b"output_args"))
    for side, field in (("inputs", inputs), ("outputs", outputs))
}
_QUOTED = re.compile(rb'"([^"]+)"')


@dataclass(frozen=True)
class Layer:
    """One layer of an engine.

    Attributes:
        kind: "convolution", or what the source calls it.
        inputs: number types of the activations it reads; those that only carry sizes are left out.
        weights: number type of its weights; empty if it has none or they are not told.
        outputs: number types of what it writes.
        kernel: name of the kernel, where it is chosen already.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    weights: str
    outputs: tuple[str, ...]
    kernel: str = ""

    @property
    def precision(self) -> str:
        """Of a convolution what it multiplies, activations and weights; of others what they write."""
        numbers = (*self.inputs[:1], self.weights) if self.kind == CONVOLUTION else self.outputs[:1]
        types = {number for number in numbers if number}
        return types.pop() if len(types) == 1 else "mixed" if types else "unknown"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "precision": self.precision}


def precisions_of(layers: Sequence[Layer]) -> dict[str, dict[str, int]]:
    """How many convolutions, and how many other layers, compute in each precision."""
    convolutions = Counter(layer.precision for layer in layers if layer.kind == CONVOLUTION)
    others = Counter(layer.precision for layer in layers if layer.kind != CONVOLUTION)
    return {"convolutions": dict(convolutions), "others": dict(others)}


def layers_of_inspector(report: str) -> list[Layer]:
    """Read the JSON of ``EngineInspector.get_engine_information``, of TensorRT 10 or 11.

    Layers are objects only in engines built with detailed verbosity; layers given by name alone are left out.
    """
    try:
        layers = json.loads(report).get("Layers", [])
    except (ValueError, AttributeError):
        return []
    return [_inspected(layer) for layer in layers if isinstance(layer, dict)]


def layers_of_program(plan: bytes) -> list[Layer]:
    """Read the program inside a plan of TensorRT-RTX; empty if there is none that is understood."""
    types: dict[bytes, str] = {}
    operations: list[tuple[bytes, bytes]] = []
    for kind, rest in _lines(plan):
        if kind != b"tensor":
            operations.append((kind, rest))
        elif (name := _NAME.search(rest)) and (found := _TYPE.search(rest)):
            types[name[1]] = number_type(found[1].decode())
    return [_operation(kind, rest, types) for kind, rest in operations]


def number_type(text: str) -> str:
    """The number type that a word or a format description names; empty if there is none."""
    lowered = text.lower()
    return next((name for word, name in _TYPES if word in lowered), "")


def _lines(plan: bytes) -> Iterator[tuple[bytes, bytes]]:
    yield from (match.groups() for match in _PROGRAM_LINE.finditer(plan))


def _operation(kind: bytes, rest: bytes, types: dict[bytes, str]) -> Layer:
    name = _NAME.search(rest)
    inputs, outputs = (_operands(rest, kind, side, types) for side in ("inputs", "outputs"))
    convolution = kind == b"corrltn"  # its second operand are the weights, the rest scales and sizes
    return Layer(
        name=name[1].decode(errors="replace") if name else "",
        kind=CONVOLUTION if convolution else "pointwise",
        inputs=tuple(inputs[:1] if convolution else (found for found in inputs if found != "int64")),
        weights=inputs[1] if convolution and len(inputs) > 1 else "",
        outputs=tuple(outputs),
    )


def _operands(rest: bytes, kind: bytes, side: str, types: dict[bytes, str]) -> list[str]:
    listed = _LIST[kind, side].search(rest)
    return [types.get(name, "") for name in _QUOTED.findall(listed[1])] if listed else []


def _inspected(layer: dict[str, Any]) -> Layer:
    kind = str(layer.get("LayerType", ""))
    weights = layer.get("Weights")
    convolution = "convolution" in kind.lower() or (kind == "correlation" and "Conv" in str(layer.get("Metadata", "")))
    return Layer(
        name=str(layer.get("Name", "")),
        kind=CONVOLUTION if convolution else kind,
        inputs=_tensor_types(layer.get("Inputs")),
        weights=number_type(str(weights.get("Type", ""))) if isinstance(weights, dict) else "",
        outputs=_tensor_types(layer.get("Outputs")),
        kernel=str(layer.get("TacticName", "")),
    )


def _tensor_types(tensors: object) -> tuple[str, ...]:
    """Types of an inspected layer's tensors: "Format/Datatype" in TensorRT 10, "DataType" beside "Format" in 11."""
    listed = tensors if isinstance(tensors, list) else []
    return tuple(
        number_type(str(tensor.get("DataType") or tensor.get("Format/Datatype") or tensor.get("Format") or ""))
        for tensor in listed
        if isinstance(tensor, dict)
    )
