"""Small ML Programs for tests, written as they are and not by way of torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from export.coreml.coremltools_here import quietly


def save_program(path: Path, build: Callable[[Any, Any], Any], shape: tuple[int, ...], target: str = "iOS16") -> None:
    """Save a program with the fp32 input ``x`` of that shape; ``build`` takes MIL's builder and ``x``."""
    with quietly():
        import coremltools as ct
        from coremltools.converters.mil.mil import Builder

        opset = getattr(ct.target, target)

        @Builder.program(input_specs=[Builder.TensorSpec(shape=shape)], opset_version=opset)
        def program(x: Any) -> Any:
            return build(Builder, x)

        model = ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=opset,
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
        model.save(str(path))
