"""TensorRT engines from ONNX graphs: classic TensorRT 10.3 to 11, and TensorRT-RTX. Importing this needs neither."""

from __future__ import annotations

from export.tensorrt.build_engine import BuiltEngine, EngineOptions, build_engine
from export.tensorrt.bundle_engines import add_engine, evidence_of, write_engine
from export.tensorrt.layer_report import Layer, precisions_of
from export.tensorrt.profiles import parse_size, parse_sizes
from export.tensorrt.recipe import make_recipe, read_recipe

__all__ = [
    "BuiltEngine",
    "EngineOptions",
    "Layer",
    "add_engine",
    "build_engine",
    "evidence_of",
    "make_recipe",
    "parse_size",
    "parse_sizes",
    "precisions_of",
    "read_recipe",
    "write_engine",
]
