"""Which precision a parsed graph asks for, convolution by convolution: what the engine is held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from export.tensorrt.flavours import Flavour
from runtime.errors import UserError


def convolutions_asked(trt: Any, network: Any) -> dict[str, int]:
    """How many convolutions of the network read int8 (through a DequantizeLinear), fp16 and fp32 numbers."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    dequantized = {layer.get_output(0).name for layer in layers if layer.type == trt.LayerType.DEQUANTIZE}
    read = [layer.get_input(0) for layer in layers if layer.type == trt.LayerType.CONVOLUTION]
    half = trt.DataType.HALF
    return dict(
        Counter("int8" if tensor.name in dequantized else "fp16" if tensor.dtype == half else "fp32" for tensor in read)
    )


def require_asked(asked: Mapping[str, int], precision: str, flavour: Flavour) -> None:
    """Pass if a graph with these convolutions becomes an engine that may be called after that precision.

    Raises:
        UserError: it has none of that precision, and this TensorRT takes precisions from the graph.
    """
    if precision == "int8" and not asked.get("int8"):
        raise UserError("the graph has no Q/DQ, so there is nothing to build in int8: quantize it first")
    if precision == "fp16" and flavour.strongly_typed and not asked.get("fp16"):
        raise UserError("the graph has no fp16 in it, so an engine would compute in fp32: convert it first")


def shortfall(asked: Mapping[str, int], found: Mapping[str, int], precision: str) -> str:
    """What is to be said where the builder kept convolutions in another precision; empty where it did not.

    Args:
        found: convolutions of the engine by precision. It may count each several times, once per profile, and knows
            none where nothing is known of the engine.
    """
    share = found.get(precision, 0) / max(1, sum(found.values()))
    wanted = asked.get(precision, 0) / max(1, sum(asked.values()))
    if not found or share >= wanted:
        return ""
    counts = ", ".join(f"{count} in {name}" for name, count in sorted(found.items()))
    return f"note: the graph has {asked[precision]} convolutions in {precision}, but the engine computes {counts}"
