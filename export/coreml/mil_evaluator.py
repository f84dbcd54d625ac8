"""The reference evaluator: runs a saved .mlpackage in numpy, so that its pictures can be judged without a Mac.

It reads the file that ships, compressed weights included, and computes what the MIL operations are documented to
compute. Values are stored in the types the program declares: what is fp16 there is rounded to fp16 after every
operation, as in Core ML. Inside an operation sums are float32; the Neural Engine may add up in less, which only a
measurement on the device can tell.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from export.coreml.image_inputs import to_picture, to_planes
from export.coreml.mil_arithmetic import ARITHMETIC
from export.coreml.mil_compression import COMPRESSION
from export.coreml.mil_planes import PLANES
from export.coreml.mil_program import Feature, MilOperation, MilProgram, Reference, read_program
from export.coreml.mil_types import MilError, TensorType

OPERATIONS = {**ARITHMETIC, **COMPRESSION, **PLANES}
_LISTS = {"concat": ("values",), "stack": ("values",)}
_HALF = np.float16

Value = np.ndarray | str


class MilEvaluator:
    """Runs one package; constants are decompressed once, when it is opened.

    Args:
        package: a .mlpackage directory.

    Raises:
        MilError: it is damaged, or uses an operation that `OPERATIONS` does not have.
    """

    name = "reference evaluator"

    def __init__(self, package: str | Path) -> None:
        self.program: MilProgram = read_program(Path(package))
        unknown = sorted({op.kind for op in self.program.operations} - OPERATIONS.keys() - {"const"})
        if unknown:
            raise MilError(f"{package} uses {', '.join(unknown)}, which the reference evaluator does not run")
        self._constants: dict[str, Value] = {}
        self._steps: list[MilOperation] = []
        for operation in self.program.operations:
            if operation.kind == "const" or operation.kind.startswith("constexpr_"):
                self._constants.update(_run(operation, self._constants))
            else:
                self._steps.append(operation)
        self._last_use = _last_use(self._steps, self.program.results)
        self._require_agreement(package)

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name: a picture as uint8 (H, W, 3) RGB, an array in the program's type.

        Args:
            feeds: every input by name: pictures as uint8 (H, W, 3) RGB, arrays as numbers of the input's shape.

        Raises:
            MilError: an input is missing, unknown or of a size that the package does not take; an operation fails.
        """
        values = self._inputs(feeds)
        for index, operation in enumerate(self._steps):
            values.update(_run(operation, ChainMap(values, self._constants)))
            for name in [name for name in values if self._last_use.get(name, -1) <= index]:
                del values[name]
        results = ChainMap(values, self._constants)
        return {
            feature.name: to_picture(results[name], feature.colour) if feature.colour else results[name]
            for feature, name in zip(self.program.outputs, self.program.results, strict=True)
        }

    def _require_agreement(self, package: str | Path) -> None:
        """Refuse a description that names other inputs or outputs than the program has."""
        made = {*self.program.types, *self._constants, *(name for step in self._steps for name, _ in step.outputs)}
        known = {feature.name for feature in self.program.inputs} <= self.program.types.keys()
        if not known or not made.issuperset(self.program.results):
            raise MilError(f"{package} describes inputs or outputs that its program does not have: it is damaged")
        if len(self.program.outputs) != len(self.program.results):
            raise MilError(f"{package} describes another number of outputs than its program has: it is damaged")

    def _inputs(self, feeds: Mapping[str, np.ndarray]) -> dict[str, Value]:
        wanted = {feature.name for feature in self.program.inputs}
        if set(feeds) != wanted:
            raise MilError(
                f"the package takes {', '.join(sorted(wanted))}, not {', '.join(sorted(feeds)) or 'nothing'}"
            )
        values: dict[str, Value] = {}
        for feature in self.program.inputs:
            kind = self.program.types[feature.name]
            array = _picture_input(feature, feeds[feature.name]) if feature.colour else np.asarray(feeds[feature.name])
            if not kind.fits(array.shape):
                raise MilError(f"the input {feature.name!r} has the shape {kind.shape}, not {array.shape}")
            values[feature.name] = _stored(array, kind)
        return values


def _picture_input(feature: Feature, picture: np.ndarray) -> np.ndarray:
    planes = to_planes(picture, feature.colour)
    size = (planes.shape[3], planes.shape[2])
    if feature.sizes and size not in feature.sizes:
        sizes = ", ".join(f"{width}x{height}" for width, height in feature.sizes)
        raise MilError(f"the input {feature.name!r} is {sizes} pixels, not {size[0]}x{size[1]}")
    return planes


def _run(operation: MilOperation, values: Mapping[str, Value]) -> dict[str, Value]:
    """The operation's outputs by name."""
    arguments = {name: [_value(item, values) for item in items] for name, items in operation.parameters.items()}
    lists = _LISTS.get(operation.kind, ())
    single = {name: items if name in lists else _only(name, items, operation) for name, items in arguments.items()}
    found = single.get("val") if operation.kind == "const" else _compute(operation, single)
    results = found if isinstance(found, (list, tuple)) else [found]
    if len(results) != len(operation.outputs):
        raise MilError(f"{operation.kind} gave {len(results)} values where {len(operation.outputs)} were declared")
    return {
        name: _checked(result, kind, operation) for result, (name, kind) in zip(results, operation.outputs, strict=True)
    }


def _compute(operation: MilOperation, arguments: dict[str, object]) -> object:
    widened = {name: _widened(value) for name, value in arguments.items()}
    try:
        with np.errstate(all="ignore"):
            return OPERATIONS[operation.kind](**widened)
    except MilError:
        raise
    except (TypeError, ValueError, IndexError, RuntimeError, MemoryError, ArithmeticError) as error:
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise MilError(f"the operation {operation.kind} ({operation.outputs[0][0]}) cannot be run: {reason}") from error


def _checked(result: object, kind: TensorType, operation: MilOperation) -> Value:
    """The result in its declared type, which its shape has to fit."""
    if isinstance(result, str):
        return result
    array = np.asarray(result)
    if not kind.fits(array.shape):
        raise MilError(f"{operation.kind} gave a tensor of shape {array.shape} where {kind.shape} was declared")
    return _stored(array, kind)


def _stored(array: np.ndarray, kind: TensorType) -> np.ndarray:
    with np.errstate(all="ignore"):  # fp16 overflows to infinity, as it does on the device
        return array.astype(kind.element.numpy, copy=False)


def _widened(value: object) -> object:
    if isinstance(value, list):
        return [_widened(item) for item in value]
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == _HALF else value


def _value(item: Reference | Value, values: Mapping[str, Value]) -> Value:
    if not isinstance(item, Reference):
        return item
    if item.name not in values:
        raise MilError(f"the value {item.name!r} is used before it is made: the package is damaged")
    return values[item.name]


def _only(name: str, items: list[Value], operation: MilOperation) -> Value:
    if len(items) != 1:
        raise MilError(f"{operation.kind} has {len(items)} values for its parameter {name!r}: the package is damaged")
    return items[0]


def _last_use(steps: list[MilOperation], results: tuple[str, ...]) -> dict[str, int]:
    """The last step that needs each value, so that memory is bounded by what is alive; results live to the end."""
    last = {name: -1 for step in steps for name, _ in step.outputs}
    for index, step in enumerate(steps):
        for items in step.parameters.values():
            last.update({item.name: index for item in items if isinstance(item, Reference)})
    return {**last, **{name: len(steps) for name in results}}
