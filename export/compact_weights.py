"""Weights stored in two bytes: half the file, the same arithmetic.

A weight that fp16 holds exactly is stored as fp16 with a Cast to float32 beside it. ONNX Runtime folds the Cast when it
loads the graph (constant folding), so that the graph it runs, and its speed, are those of the float32 file. Weights
that fp16 would change stay as they are; `round_weights` makes a student whose weights all fit.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from runtime.errors import UserError

#: Below this many numbers the Cast costs more bytes than it saves.
SMALLEST = 128


def compact_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model with its large weights stored as fp16 wherever that is exact."""
    compact = onnx.ModelProto()
    compact.CopyFrom(model)
    kept, casts = [], []
    for tensor in compact.graph.initializer:
        half = _as_half(tensor)
        if half is None:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(half, f"{tensor.name}.fp16"))
        casts.append(
            helper.make_node(
                "Cast", [f"{tensor.name}.fp16"], [tensor.name], f"{tensor.name}.cast", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = [*casts, *compact.graph.node]
    del compact.graph.initializer[:], compact.graph.node[:]
    compact.graph.initializer.extend(kept)
    compact.graph.node.extend(nodes)
    onnx.checker.check_model(compact, full_check=True)
    return compact


@torch.no_grad()
def round_weights(student: nn.Module) -> nn.Module:
    """A copy of the student whose weights are the nearest fp16 numbers, still computing in float32.

    Raises:
        UserError: a weight is too large for fp16.
    """
    rounded = deepcopy(student)
    for name, value in rounded.state_dict().items():
        if value.is_floating_point():
            value.copy_(value.half().float())
            if not torch.isfinite(value).all():
                raise UserError(f"the weights {name} are too large to be stored as fp16: export with --no-compact")
    return rounded


def _as_half(tensor: onnx.TensorProto) -> np.ndarray | None:
    if tensor.data_type != onnx.TensorProto.FLOAT:
        return None
    array = numpy_helper.to_array(tensor)
    if array.size < SMALLEST:
        return None
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else None
