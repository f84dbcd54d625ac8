"""Torch operations that coremltools does not convert by itself, written as its guide to custom operators has it."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Prefix of the operations that compute means and deviations.
MOMENTS = "moments"


def register_missing_operations() -> None:
    """Make them known to coremltools; registering again does no harm."""
    from coremltools.converters.mil import register_torch_op

    for convert in (var_mean, new_ones, fake_quantize_per_tensor_affine):
        register_torch_op(convert, override=True)


def var_mean(context: Any, node: Any) -> None:
    """Population variance and mean over axes that are kept, as `distill.perceptual.moments` takes them."""
    builder, (x, axes, correction, keep) = _inputs(context, node)
    if keep is None or not keep.val or correction is None or correction.val != 0:
        raise NotImplementedError("var_mean other than correction=0, keepdim=True")
    name = f"{MOMENTS}_{node.name}"
    mean = builder.reduce_mean(x=x, axes=axes, keep_dims=True, name=f"{name}_mean")
    centred = builder.sub(x=x, y=mean, name=f"{name}_centred")
    squared = builder.mul(x=centred, y=centred, name=f"{name}_squared")
    context.add(builder.reduce_mean(x=squared, axes=axes, keep_dims=True, name=f"{name}_variance"), node.outputs[0])
    context.add(mean, node.outputs[1])


def new_ones(context: Any, node: Any) -> None:
    """A constant, as is every shape in a graph of fixed batch and channels."""
    builder, inputs = _inputs(context, node)
    sizes = inputs[1]
    shape = [int(size.val) for size in sizes] if isinstance(sizes, list) else sizes.val.tolist()
    context.add(builder.const(val=np.ones(shape, np.float32), name=node.name))


def fake_quantize_per_tensor_affine(context: Any, node: Any) -> None:
    """What `export.coreml.compress.QuantizedInput` does to its input: 8 bits and back."""
    builder, (x, scale, zero, least, most) = _inputs(context, node)
    kind = {(-128, 127): "int8", (0, 255): "uint8"}.get((least.val, most.val))
    if kind is None or zero.val != 0:
        raise NotImplementedError("quantization other than to 8 bits with a zero of 0")
    levels = builder.quantize(input=x, scale=scale.val, output_dtype=kind)
    context.add(builder.dequantize(input=levels, scale=scale.val, name=node.name))


def _inputs(context: Any, node: Any) -> tuple[Any, list[Any]]:
    """MIL's builder, and the node's inputs as MIL values."""
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs

    return Builder, _get_inputs(context, node)
