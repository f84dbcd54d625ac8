"""Edits that make a wrong graph of a right one: each takes a model and four free choices, and changes it in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from runtime.onnx_check import OPERATIONS

#: Numbers at which arithmetic goes wrong.
NUMBERS = (
    *(0, 1, -1, 2, 3, 5, 8, 64, 255, 1000, 65536, 10**6, 10**9),
    *(2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1, -(2**63)),
)
_OPERATIONS = sorted(OPERATIONS)
#: Operations that can stand for each other: what comes of it is consistent, and gets farther into an engine.
_ALIKE = (
    ("Relu", "Sigmoid", "Tanh", "Sqrt", "Log", "Exp", "Neg", "Reciprocal", "Softmax", "Abs", "Floor", "Identity"),
    ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "PRelu", "MatMul"),
    ("AveragePool", "MaxPool", "GlobalAveragePool", "ReduceMean", "ReduceMax", "DepthToSpace", "SpaceToDepth"),
)
_FOREIGN = ("Loop", "If", "Expand", "ConstantOfShape", "Range", "Tile", "EPContext", "", "\x00", "É")
_ATTRIBUTES = (
    *("pads", "strides", "dilations", "kernel_shape", "group", "auto_pad", "ceil_mode", "axis", "axes", "keepdims"),
    *("to", "blocksize", "mode", "perm", "scales", "sizes", "block_size", "storage_order", "allowzero", "transA"),
)
_TEXTS = (b"", b"\xff", b"SAME_UPPER", b"VALID", b"linear", b"cubic", b"CRD", b"x" * 1000)


class Choice(NamedTuple):
    """Free choices of an edit: two places and two numbers."""

    first: int
    second: int
    number: int
    other: int


def change_operation(model: ModelProto, choice: Choice) -> None:
    node = _pick(model.graph.node, choice.first)
    node.op_type = _pick(_OPERATIONS if choice.second % 4 else _FOREIGN, choice.second // 4)


def change_to_alike(model: ModelProto, choice: Choice) -> None:
    """Another operation of the same kind, with the attributes of the first."""
    changeable = [(node, group) for node in model.graph.node for group in _ALIKE if node.op_type in group]
    if changeable:
        node, group = _pick(changeable, choice.first)
        node.op_type = _pick(group, choice.second)


def insert_alike(model: ModelProto, choice: Choice) -> None:
    """One more operation of one input on the way to a node."""
    place = choice.first % len(model.graph.node)
    after, name = model.graph.node[place], f"inserted.{len(model.graph.node)}"
    if after.input:
        index = choice.other % len(after.input)
        node = NodeProto(op_type=_pick(_ALIKE[0] + _ALIKE[2], choice.second), input=[after.input[index]], output=[name])
        after.input[index] = name
        model.graph.node.insert(place, node)


def rewire_input(model: ModelProto, choice: Choice) -> None:
    node = _pick(model.graph.node, choice.first)
    if node.input:
        node.input[choice.number % len(node.input)] = _pick(_names(model), choice.second)


def rename_output(model: ModelProto, choice: Choice) -> None:
    node = _pick(model.graph.node, choice.first)
    if node.output:
        node.output[choice.number % len(node.output)] = _pick(_names(model), choice.second)


def change_number_of_inputs(model: ModelProto, choice: Choice) -> None:
    node = _pick(model.graph.node, choice.first)
    if choice.second % 2 and node.input:
        del node.input[choice.number % len(node.input) :]
    else:
        node.input.extend([_pick(_names(model), choice.other)] * (1 + choice.second % 40))


def change_attribute(model: ModelProto, choice: Choice) -> None:
    held = [(node, attribute) for node in model.graph.node for attribute in node.attribute]
    if not held:
        return
    node, attribute = _pick(held, choice.first)
    if choice.second % 5 == 0:
        node.attribute.remove(attribute)
    elif attribute.ints:
        attribute.ints[choice.second % len(attribute.ints)] = choice.number
    elif choice.second % 5 == 1:
        attribute.type = choice.other % 15
    else:
        attribute.i, attribute.f, attribute.s = choice.number, float(choice.number), _pick(_TEXTS, choice.second)


def add_attribute(model: ModelProto, choice: Choice) -> None:
    node, name = _pick(model.graph.node, choice.first), _pick(_ATTRIBUTES, choice.second)
    for attribute in [held for held in node.attribute if held.name == name]:
        node.attribute.remove(attribute)
    values: tuple[Any, ...] = (choice.number, [choice.number] * (1 + choice.second % 5), [choice.number, choice.other])
    node.attribute.append(helper.make_attribute(name, _pick(values, choice.other)))


def change_dimensions(model: ModelProto, choice: Choice) -> None:
    tensor = _pick_tensor(model, choice)
    if tensor.dims and choice.second % 3:
        tensor.dims[choice.second % len(tensor.dims)] = choice.number
    else:
        tensor.dims.extend([choice.number] * (1 + choice.second % 9))


def arrange_anew(model: ModelProto, choice: Choice) -> None:
    """The same numbers in another shape, which is consistent in itself."""
    tensor = _pick_tensor(model, choice)
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError, KeyError):
        return
    size = max(1, array.size)
    shapes = (array.shape[::-1], (size,), (1, size), (size, 1, 1, 1), (1, 1, 1, size), (size, 0), (1,) * 9 + (size,))
    shape = _pick(shapes, choice.second)
    tensor.CopyFrom(numpy_helper.from_array(np.resize(array, shape), tensor.name))


def change_type(model: ModelProto, choice: Choice) -> None:
    _pick_tensor(model, choice).data_type = choice.second % 26


def change_weights(model: ModelProto, choice: Choice) -> None:
    """Other numbers, or too few or too many of them."""
    tensor = _pick_tensor(model, choice)
    data = tensor.raw_data
    edits = (data[: choice.second % (len(data) + 1)], data * 3, b"\xff" * len(data), b"\x7f" * len(data), b"")
    tensor.raw_data = _pick(edits, choice.other)


def put_numbers(model: ModelProto, choice: Choice) -> None:
    """Whole numbers where weights, scales, axes or shapes were."""
    tensor = _pick_tensor(model, choice)
    numbers = np.array([choice.number, choice.other] * (1 + choice.second % 3), np.int64)
    tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))


def change_ends(model: ModelProto, choice: Choice) -> None:
    """Name, type or shape of an input or output."""
    end = _pick([*model.graph.input, *model.graph.output], choice.first)
    kind = end.type.tensor_type
    if choice.second % 4 == 0:
        end.name = _pick(_names(model), choice.other)
    elif choice.second % 4 == 1:
        kind.elem_type = choice.other % 26
    elif choice.second % 4 == 2 or not kind.shape.dim:
        kind.shape.dim.add().dim_value = choice.number
    else:
        kind.shape.dim[choice.other % len(kind.shape.dim)].dim_value = choice.number


def repeat_node(model: ModelProto, choice: Choice) -> None:
    model.graph.node.add().CopyFrom(_pick(model.graph.node, choice.first))


def drop_node(model: ModelProto, choice: Choice) -> None:
    model.graph.node.remove(_pick(model.graph.node, choice.first))


def insert_node(model: ModelProto, choice: Choice) -> None:
    """A new node in the way of one that is there."""
    after, names = _pick(model.graph.node, choice.first), _names(model)
    inputs = [_pick(names, choice.other + index * 7) for index in range(choice.second % 5)]
    node = NodeProto(op_type=_pick(_OPERATIONS, choice.second), input=inputs, output=["inserted"])
    model.graph.node.insert(0, node)
    if after.input:
        after.input[0] = "inserted"


def change_versions(model: ModelProto, choice: Choice) -> None:
    if choice.first % 2:
        model.ir_version = choice.number
    else:
        model.opset_import[0].version = _pick((choice.number, 1, 7, 11, 13, 18, 21, 23), choice.second)


EDITS: tuple[Callable[[ModelProto, Choice], None], ...] = (
    *(change_operation, rewire_input, rename_output, change_number_of_inputs, change_attribute, add_attribute),
    *(change_dimensions, arrange_anew, change_type, change_weights, put_numbers, change_ends, repeat_node, drop_node),
    *(insert_node, change_versions, change_to_alike, change_to_alike, insert_alike, insert_alike, change_weights),
)
_places = st.integers(0, 10**6)
_numbers = st.integers(-2, 9) | st.sampled_from(NUMBERS)
#: Edits with their choices, one to three in a row.
EDITED = st.lists(
    st.tuples(st.sampled_from(EDITS), st.builds(Choice, _places, _places, _numbers, _numbers)), min_size=1, max_size=3
)


def edited(data: bytes, edits: Sequence[tuple[Callable[[ModelProto, Choice], None], Choice]]) -> bytes:
    """The serialised model after all edits."""
    model = ModelProto.FromString(data)
    for edit, choice in edits:
        if model.graph.node:
            edit(model, choice)
    return model.SerializeToString()


def _pick(items: Sequence[Any], place: int) -> Any:
    return items[place % len(items)]


def _pick_tensor(model: ModelProto, choice: Choice) -> TensorProto:
    return _pick(model.graph.initializer, choice.first) if model.graph.initializer else TensorProto()


def _names(model: ModelProto) -> list[str]:
    graph = model.graph
    ends = [end.name for end in (*graph.input, *graph.initializer)]
    return [*ends, *(name for node in graph.node for name in (*node.input, *node.output)), "", "nowhere"]
