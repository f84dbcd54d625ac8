"""A student's graph becomes an ML Program: traced by torch, converted by coremltools.

Precision inside the program: planes and their convolutions are fp16, which the Neural Engine computes in; statistics
and the affine arithmetic, a few hundred numbers, are fp32. Sums over a picture overflow fp16, and a variance near zero
loses everything in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from export.coreml.app_graphs import DESCRIPTIONS, AppGraph
from export.coreml.coremltools_here import coremltools, quietly, require_writer
from export.coreml.image_sizes import Size
from export.coreml.missing_operations import MOMENTS, register_missing_operations
from runtime.errors import UserError

#: Least system by what a package needs: 8-bit activations came with iOS 17 (macOS 14).
TARGETS = {"fp16": "iOS16", "palettized": "iOS16", "int8": "iOS17"}
_TITLES = {
    "style": "Style encoder of the student {name}: a style picture becomes a style code.",
    "measure": "Content statistics of the student {name}: a thumbnail becomes means and deviations.",
    "paint": "Painter of the student {name}: paints a photo in the style that a style code describes.",
}
_FIXED_STYLE = "Painter of the student {name}: paints a photo in the one style that is folded into it."


@dataclass(frozen=True)
class Details:
    """What a package says of itself.

    Attributes:
        name: the student's.
        licence: of the weights it was distilled from.
        version: of brushlet.
        facts: further entries of the metadata, such as versions of tools.
    """

    name: str
    licence: str
    version: str
    facts: dict[str, str]


def to_program(graph: AppGraph, sizes: Sequence[Size], target: str, details: Details) -> Any:
    """The graph as a ``coremltools.models.MLModel``, not compressed.

    Args:
        sizes: (width, height) of the picture; the first is the default.
        target: least system, such as ``iOS16``.

    Raises:
        UserError: coremltools is absent or cannot write here, or the graph cannot be converted.
    """
    require_writer()
    with quietly():
        traced = torch.jit.trace(graph.module, graph.example(*sizes[0]), check_trace=False)
        register_missing_operations()
        try:
            model = _converted(graph, traced, sizes, target)
        except (NotImplementedError, RuntimeError, ValueError, TypeError) as error:
            reason = str(error).strip().split("\n")[0][:200]
            raise UserError(f"coremltools cannot convert the {graph.role} graph: {reason}") from error
    _describe(model, graph, details)
    return model


def _converted(graph: AppGraph, traced: Any, sizes: Sequence[Size], target: str) -> Any:
    ct = coremltools()
    picture = ct.ImageType(graph.picture, _picture_shape(sizes), scale=1 / 255, color_layout=ct.colorlayout.RGB)
    arrays = [ct.TensorType(name, shape, dtype=np.float32) for name, shape in graph.arrays.items()]
    output = (
        ct.ImageType(graph.output, color_layout=ct.colorlayout.RGB)
        if graph.paints
        else ct.TensorType(graph.output, dtype=np.float32)
    )
    return ct.convert(
        traced,
        source="pytorch",
        convert_to="mlprogram",
        inputs=[picture, *arrays],
        outputs=[output],
        compute_precision=ct.transform.FP16ComputePrecision(_in_half),
        minimum_deployment_target=getattr(ct.target, target),
        skip_model_load=True,
    )


def _picture_shape(sizes: Sequence[Size]) -> Any:
    ct = coremltools()
    shapes = [(1, 3, height, width) for width, height in sizes]
    return ct.EnumeratedShapes(shapes, default=shapes[0]) if len(shapes) > 1 else ct.Shape(shapes[0])


def _in_half(operation: Any) -> bool:
    """Whether coremltools is to turn that operation into fp16: those on planes, and linear layers for their weights.

    Scales and shifts are cut apart in fp16 as well, so that two tensors are cast instead of two per site.
    """
    if operation.name.startswith(MOMENTS):
        return False
    if operation.op_type == "linear":
        return True
    planes = all(output.rank == 4 for output in operation.outputs)
    single = tuple(operation.outputs[0].shape[2:]) == (1, 1)
    return planes and (operation.op_type == "split" or not single)


def _describe(model: Any, graph: AppGraph, details: Details) -> None:
    """Author, licence, version and a description of everything; the date of conversion goes, it tells nothing."""
    model.author = "brushlet"
    model.license = details.licence
    model.version = details.version
    fixed = graph.paints and not graph.arrays
    model.short_description = (_FIXED_STYLE if fixed else _TITLES[graph.role]).format(name=details.name)
    for name in (graph.picture, *graph.arrays):
        model.input_description[name] = DESCRIPTIONS[name]
    model.output_description[graph.output] = DESCRIPTIONS[graph.output]
    for key in [key for key in model.user_defined_metadata if key.endswith("conversion_date")]:
        del model.user_defined_metadata[key]
    for key, value in details.facts.items():
        model.user_defined_metadata[f"brushlet.{key}"] = value
