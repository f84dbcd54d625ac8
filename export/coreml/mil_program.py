"""A saved .mlpackage as data: its inputs and outputs, its operations in order, its constants on demand.

What a package is: ``Data/com.apple.CoreML/model.mlmodel`` holds the description and the program as protocol buffers,
``weights/weight.bin`` beside it the large constants. Only ML Programs with one function are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from export.coreml.coremltools_here import coremltools
from export.coreml.mil_types import ELEMENT_TYPES, MilError, TensorType, decode
from export.coreml.weight_file import WeightFile

MODEL_FILE = Path("Data", "com.apple.CoreML", "model.mlmodel")
WEIGHT_FILE = Path("Data", "com.apple.CoreML", "weights", "weight.bin")
MAX_MODEL_BYTES = 64 * 2**20
MAX_OPERATIONS = 20_000
#: No tensor of a painter comes near this; a damaged package may ask for anything.
MAX_ELEMENTS = 2**28
_WEIGHTS_NAME = "@model_path/weights/weight.bin"


@dataclass(frozen=True)
class Reference:
    """An operation's input that is another operation's output, or the program's input."""

    name: str


#: What an operation's parameter is bound to; several for parameters that take a list.
Binding = Reference | np.ndarray | str


@dataclass(frozen=True)
class MilOperation:
    """One operation: its type, its parameters by name, and the names and types of what it gives."""

    kind: str
    parameters: dict[str, tuple[Binding, ...]]
    outputs: tuple[tuple[str, TensorType], ...]


@dataclass(frozen=True)
class Feature:
    """An input or output of the package as an app sees it.

    Attributes:
        colour: "RGB" or "BGR" for a picture, empty for an array.
        sizes: (width, height) that a picture may have; empty where that is not fixed.
        shape: of an array; of a picture (1, 3, None, None).
    """

    name: str
    description: str
    colour: str
    sizes: tuple[tuple[int, int], ...]
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class MilProgram:
    """A package's program.

    Attributes:
        inputs, outputs: in the package's order.
        types: of the program's inputs by name.
        results: names of the values that are the outputs.
        opset: such as ``CoreML6``.
        metadata: author, licence, version, description, and what else the package says of itself.
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    types: dict[str, TensorType]
    operations: tuple[MilOperation, ...]
    results: tuple[str, ...]
    opset: str
    specification: int
    metadata: dict[str, str] = field(default_factory=dict)


def read_program(package: Path) -> MilProgram:
    """Read a package.

    Raises:
        MilError: it is missing or damaged, holds no ML Program, or reaches outside its files.
    """
    model = _read_model(package)
    if model.WhichOneof("Type") != "mlProgram":
        raise MilError(f"{package} holds no ML Program (but {model.WhichOneof('Type') or 'nothing'})")
    program = model.mlProgram
    if list(program.functions) != ["main"]:
        raise MilError(f"{package} has the functions {', '.join(program.functions) or 'none'}; only 'main' is run")
    function = program.functions["main"]
    if function.opset not in function.block_specializations:
        raise MilError(f"{package} has no block for its opset {function.opset!r}: it is damaged")
    block = function.block_specializations[function.opset]
    if len(block.operations) > MAX_OPERATIONS:
        raise MilError(
            f"{package} has {len(block.operations)} operations, more than the {MAX_OPERATIONS} that are read"
        )
    reader = _Reader(package)
    return MilProgram(
        inputs=tuple(_feature(item) for item in model.description.input),
        outputs=tuple(_feature(item) for item in model.description.output),
        types={item.name: _tensor_type(item.type) for item in function.inputs},
        operations=tuple(reader.operation(item) for item in block.operations),
        results=tuple(block.outputs),
        opset=function.opset,
        specification=model.specificationVersion,
        metadata=_metadata(model.description.metadata),
    )


def _read_model(package: Path) -> Any:
    path = package / MODEL_FILE
    coremltools()
    from coremltools.proto import Model_pb2
    from google.protobuf.message import DecodeError

    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise MilError(f"{path} has {path.stat().st_size} bytes, more than the {MAX_MODEL_BYTES} that are read")
        return Model_pb2.Model.FromString(path.read_bytes())
    except OSError as error:
        raise MilError(f"{package} is no Core ML package: cannot read {path} ({error.strerror or error})") from error
    except DecodeError as error:
        raise MilError(f"{path} is damaged: {error}") from error


class _Reader:
    """Turns operations of the protocol buffer into `MilOperation`; opens the weight file when a blob is wanted."""

    def __init__(self, package: Path) -> None:
        self._package = package
        self._weights: WeightFile | None = None

    def operation(self, spec: Any) -> MilOperation:
        if spec.blocks:
            raise MilError(f"the operation {spec.type} holds blocks of its own, which this evaluator does not run")
        parameters = {name: (self._value(value),) for name, value in spec.attributes.items() if name != "name"}
        for name, argument in spec.inputs.items():
            parameters[name] = tuple(self._binding(binding) for binding in argument.arguments)
        outputs = tuple((output.name, _tensor_type(output.type)) for output in spec.outputs)
        return MilOperation(spec.type, parameters, outputs)

    def _binding(self, binding: Any) -> Binding:
        return Reference(binding.name) if binding.WhichOneof("binding") == "name" else self._value(binding.value)

    def _value(self, value: Any) -> np.ndarray | str:
        kind = _tensor_type(value.type)
        if value.WhichOneof("value") == "blobFileValue":
            return self._blob(value.blobFileValue, kind)
        if value.WhichOneof("value") != "immediateValue" or value.immediateValue.WhichOneof("value") != "tensor":
            raise MilError("a constant is neither a tensor nor in the weight file, which this evaluator does not read")
        if None in kind.shape:
            raise MilError("a constant is of unknown size: the package is damaged")
        return _immediate(value.immediateValue.tensor, kind)

    def _blob(self, place: Any, kind: TensorType) -> np.ndarray:
        if place.fileName != _WEIGHTS_NAME:
            raise MilError(f"a constant is in the file {place.fileName!r}, where only {_WEIGHTS_NAME!r} may be")
        if self._weights is None:
            self._weights = WeightFile(self._package / WEIGHT_FILE)
        return self._weights.read(place.offset, kind)


def _immediate(tensor: Any, kind: TensorType) -> np.ndarray | str:
    """A constant that stands in the program itself."""
    field_name = tensor.WhichOneof("value")
    if field_name is None:
        raise MilError("a constant has no value: the package is damaged")
    values = getattr(tensor, field_name).values
    if field_name == "bytes":
        return decode(values, kind.element, kind.shape)
    if len(values) != prod(kind.shape):
        raise MilError(f"a constant of shape {kind.shape} has {len(values)} numbers: the package is damaged")
    if kind.element.name == "string":
        if kind.shape:
            raise MilError("a constant is a list of strings, which this evaluator does not read")
        return str(values[0])
    return np.array(values, kind.element.numpy).reshape(kind.shape)


def _tensor_type(spec: Any) -> TensorType:
    if spec.WhichOneof("type") != "tensorType":
        raise MilError(f"a value is of type {spec.WhichOneof('type')}, where only tensors are read")
    tensor = spec.tensorType
    if tensor.dataType not in ELEMENT_TYPES:
        raise MilError(f"a tensor is of element type {tensor.dataType}, which this evaluator does not know")
    sizes = tuple(d.constant.size if d.WhichOneof("dimension") == "constant" else None for d in tensor.dimensions)
    if prod(size or 1 for size in sizes) > MAX_ELEMENTS:
        raise MilError(f"a tensor of shape {sizes} is larger than the {MAX_ELEMENTS} numbers that are read")
    return TensorType(ELEMENT_TYPES[tensor.dataType], sizes)


def _feature(spec: Any) -> Feature:
    kind = spec.type.WhichOneof("Type")
    if kind == "imageType":
        image = spec.type.imageType
        colour = {20: "RGB", 30: "BGR"}.get(image.colorSpace)
        if colour is None:
            raise MilError(f"the picture {spec.name!r} is neither RGB nor BGR, which this evaluator does not convert")
        return Feature(spec.name, spec.shortDescription, colour, _image_sizes(image), (1, 3, None, None))
    if kind == "multiArrayType":
        return Feature(spec.name, spec.shortDescription, "", (), tuple(spec.type.multiArrayType.shape))
    raise MilError(f"{spec.name!r} is of type {kind}, where only pictures and arrays are read")


def _image_sizes(image: Any) -> tuple[tuple[int, int], ...]:
    flexibility = image.WhichOneof("SizeFlexibility")
    if flexibility == "enumeratedSizes":
        return tuple((size.width, size.height) for size in image.enumeratedSizes.sizes)
    return () if flexibility else ((image.width, image.height),)


def _metadata(spec: Any) -> dict[str, str]:
    named = {
        "author": spec.author,
        "license": spec.license,
        "version": spec.versionString,
        "description": spec.shortDescription,
    }
    return {**named, **dict(spec.userDefined)}
