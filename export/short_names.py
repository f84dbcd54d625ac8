"""Nothing in a graph that says nothing: in a student's, names and defaults make up to a tenth of the file."""

from __future__ import annotations

import onnx

NAMED = ("Conv", "Gemm")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def shorten(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose inner tensors have names of one or two letters, and without attributes that state their defaults.

    Inputs and outputs keep their names, and so do layers with weights, which reports speak of; other nodes lose them.
    """
    short = onnx.ModelProto()
    short.CopyFrom(model)
    graph = short.graph
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    for tensor in graph.initializer:
        names[tensor.name] = _name(len(names))
        tensor.name = names[tensor.name]
    for node in graph.node:
        for output in node.output:
            names.setdefault(output, _name(len(names)))
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        if node.op_type in NAMED:
            stated = [attribute for attribute in node.attribute if not _is_default(attribute)]
            del node.attribute[:]
            node.attribute.extend(stated)
        else:
            node.ClearField("name")
    return short


def _is_default(attribute: onnx.AttributeProto) -> bool:
    if attribute.name == "group":
        return attribute.i == 1
    return set(attribute.ints) == {"dilations": {1}, "strides": {1}, "pads": {0}}.get(attribute.name)


def _name(number: int) -> str:
    """a, b … z, aa, ab …: a different name for every number."""
    name = _LETTERS[number % 26]
    while number >= 26:
        number = number // 26 - 1
        name = _LETTERS[number % 26] + name
    return name
