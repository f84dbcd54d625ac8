"""What an ONNX file may hold before any engine reads it.

An engine's own checks are not made for files from strangers: some run loops without end, open other files, take
gigabytes for a number in the graph, or hang on an operator set of version two billion. A student needs none of that.
This module walks the file's protocol buffers (onnx.proto), without onnx and without reading weights, and refuses what
no student has. Within what it allows engines have to be trusted: with the consistency of shapes and weights, which they
check, and with memory and time, which a graph of allowed operations can still ask for without measure.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# What a graph may compute, by the least and the most inputs; None where any number may be given. Engines do not always
# ask whether an input is there before they read it: a Max that leaves one out crashes ONNX Runtime 1.32, a Conv without
# weights OpenVINO 2026.4.
# All of it is arithmetic whose result is as large as its operands, or is sized by weights and constants. Not among it:
# control flow, whatever makes large tensors out of small numbers (Expand, Tile, Range, ConstantOfShape, OneHot), random
# numbers, text, sequences, and everything outside ONNX's own operator set.
# fmt: off
_BY_INPUTS = {
    (0, 0): ("Constant",),
    (1, 1): (
        "Abs", "AveragePool", "Cast", "Ceil", "DepthToSpace", "Elu", "Erf", "Exp", "Flatten", "Floor", "Gelu",
        "GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "MaxPool", "Mish", "Neg",
        "Not", "Reciprocal", "Relu", "Round", "Selu", "Shape", "Sigmoid", "Sign", "Softmax", "Softplus", "Softsign",
        "SpaceToDepth", "Sqrt", "Tanh", "Transpose",
    ),
    (1, 2): (
        "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Split", "Squeeze", "Unsqueeze",
        "Upsample",
    ),
    (1, 3): ("Clip",),
    (1, 4): ("Resize",),
    (1, None): ("Concat", "Max", "Mean", "Min", "Sum"),
    (2, 2): (
        "Add", "And", "Div", "Equal", "Gather", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "MatMul", "Mul",
        "Or", "Pow", "PRelu", "Reshape", "Sub",
    ),
    (2, 3): ("Conv", "ConvTranspose", "DequantizeLinear", "Gemm", "LayerNormalization", "QuantizeLinear"),
    (2, 4): ("Pad",),
    (3, 3): ("GroupNormalization", "InstanceNormalization", "Where"),
    (3, 5): ("Slice",),
    (5, 5): ("BatchNormalization",),
}
# fmt: on
#: Least and most inputs by the name of the operation.
OPERATIONS = {name: bounds for bounds, names in _BY_INPUTS.items() for name in names}
#: Bounds far above any student: its graphs have some hundred nodes.
MAX_NODES = 10_000
MAX_FIELDS = 100_000
MAX_OPERATOR_SET = 100

_OWN_DOMAINS = (b"", b"ai.onnx")
_INPUTS = {name.encode(): bounds for name, bounds in OPERATIONS.items()}
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_LONGEST_VARINT = 10
_EXTERNAL = 1  # TensorProto.DataLocation

#: Messages inside messages, by the number of the field that holds them.
_INNER = {
    "model": {7: "graph", 8: "operator set"},
    "graph": {1: "node", 5: "tensor"},
    "attribute": {5: "tensor", 10: "tensor"},
}
#: Fields that no student has.
_REFUSED = {
    "model": {20: "training instructions", 25: "functions of its own"},
    "graph": {15: "sparse weights"},
    "attribute": {6: "a graph inside a node", 11: "graphs inside a node", 22: "sparse weights", 23: "sparse weights"},
}
_EXTERNAL_WEIGHTS = "keeps its weights in another file: export it with the weights inside"
_DAMAGED = "is not an ONNX graph, or is damaged"


class OnnxRefused(ValueError):
    """The file is no ONNX, or holds what no student has; the text goes on after the file's name."""


class _Field(NamedTuple):
    """One field of a message: ``value`` is a number, or the start of what ``end`` ends."""

    number: int
    wire: int
    value: int
    end: int


def check_onnx(path: Path) -> None:
    """Pass if the file is built of what students are built of.

    Raises:
        OnnxRefused: it is not.
        OSError: it cannot be read.
    """
    with open(path, "rb") as stream:
        if not stream.read(1):
            raise OnnxRefused("is empty")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _Walk(data).run()


class _Walk:
    """One walk through a file."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.fields = self.nodes = self.graphs = 0

    def run(self) -> None:
        self._message("model", 0, len(self.data))
        if not self.graphs:
            raise OnnxRefused(_DAMAGED)

    def _message(self, kind: str, start: int, end: int) -> None:
        """Check a message; the kinds nest five deep at most, whatever the file says."""
        if kind == "node":
            return self._node(start, end)
        inner, refused = _INNER.get(kind, {}), _REFUSED.get(kind, {})
        for field in self._fields(start, end):
            if field.number in refused:
                raise OnnxRefused(f"holds {refused[field.number]}, which no student needs")
            if field.wire == _BYTES and field.number in inner:
                self._message(inner[field.number], field.value, field.end)
            else:
                self._check(kind, field)
        self.graphs += kind == "graph"

    def _check(self, kind: str, field: _Field) -> None:
        if kind == "tensor" and (field.number == 13 or field[:3] == (14, _VARINT, _EXTERNAL)):
            raise OnnxRefused(_EXTERNAL_WEIGHTS)
        if kind == "operator set" and field.number == 2 and not 1 <= field.value <= MAX_OPERATOR_SET:
            raise OnnxRefused(f"wants an operator set of version {field.value}, which there is not")

    def _node(self, start: int, end: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise OnnxRefused(f"has more than {MAX_NODES} nodes, which no student has")
        operation, given = b"", []
        for field in self._fields(start, end):
            text = self.data[field.value : min(field.end, field.value + 100)] if field.wire == _BYTES else b""
            if field.number == 1:
                given.append(bool(text))
            elif field.number == 4:
                operation = text
            elif field.number == 5 and field.wire == _BYTES:
                self._message("attribute", field.value, field.end)
            elif field.number == 7 and text not in _OWN_DOMAINS:
                raise OnnxRefused(f"uses {_shown(text)}, which no student does: it is not run")
        self._require_known(operation, given)

    def _require_known(self, operation: bytes, given: list[bool]) -> None:
        """Pass for an operation of `OPERATIONS` with as many inputs as it takes; ``given`` tells which are named."""
        if operation not in _INPUTS:
            raise OnnxRefused(f"uses {_shown(operation)}, which no student does: it is not run")
        least, most = _INPUTS[operation]
        needed = given if most is None else given[:least]
        if len(given) < least or not all(needed):
            raise OnnxRefused(f"lacks an input of {operation.decode()}: it is damaged")
        if most is not None and len(given) > most:
            raise OnnxRefused(f"has too many inputs of {operation.decode()}: it is damaged")

    def _fields(self, start: int, end: int) -> Iterator[_Field]:
        place = start
        while place < end:
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise OnnxRefused(f"is built of more than {MAX_FIELDS} parts, which no student is")
            tag, place = self._varint(place, end)
            number, wire = tag >> 3, tag & 7
            if wire == _VARINT:
                value, place = self._varint(place, end)
                yield _Field(number, wire, value, place)
                continue
            if wire == _BYTES:
                size, place = self._varint(place, end)
            elif wire in _FIXED:
                size = _FIXED[wire]
            else:  # groups, which nobody has written for twenty years
                raise OnnxRefused(_DAMAGED)
            if not number or size > end - place:
                raise OnnxRefused(_DAMAGED)
            yield _Field(number, wire, place, place + size)
            place += size

    def _varint(self, place: int, end: int) -> tuple[int, int]:
        """A number in groups of seven bits, and where it ends."""
        value = 0
        for index in range(min(_LONGEST_VARINT, end - place)):
            byte = self.data[place + index]
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value, place + index + 1
        raise OnnxRefused(_DAMAGED)


def _shown(text: bytes) -> str:
    """A name from the file as printable text of moderate length."""
    decoded = text.decode("utf-8", "replace")[:40]
    return repr(decoded)
