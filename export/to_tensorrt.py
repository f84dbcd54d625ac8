"""The formats ``tensorrt`` and ``tensorrt-rtx``: the paint graph as an engine, or a recipe for one.

Engines exist for the paint graph alone; style and measure graphs run in ONNX Runtime beside it. The graph that an
engine is built from is judged as any graph is, and where a GPU is at hand the engine is held against that graph.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import onnx

from export.formats import Evidence, PartlyWritten, Request, Written
from export.graphs import StudentGraph, student_graphs
from export.onnx_files import write_graph
from export.parity import measure_parity
from export.tensorrt.build_engine import EngineOptions, build_engine
from export.tensorrt.bundle_engines import SOURCE_FORMAT, engine_target, evidence_of, write_engine
from export.tensorrt.engine_parity import measure_engine
from export.tensorrt.flavours import AMPERE, CannotBuildHere
from export.tensorrt.gpus import compute_capability
from export.tensorrt.recipe import make_recipe
from export.to_onnx import to_onnx
from runtime.atomic_write import write_atomically
from runtime.bundle import Graph
from runtime.digests import digest_of
from runtime.engines.cuda_memory import Cuda
from runtime.engines.engine_file import read_engine_file
from runtime.errors import UserError


@dataclass(frozen=True, eq=False)
class _Source:
    """The paint graph in the precision asked for, as a file of the bundle, and what is known of its pictures."""

    model: onnx.ModelProto
    onnx: bytes
    graph: Graph
    parity: Evidence
    evidence: dict[str, Any]


def write_tensorrt(request: Request) -> Written:
    """Write the graph with its recipe, and the engine for the GPU of this machine.

    Raises:
        PartlyWritten: this machine has no TensorRT or no GPU, and ``recipe_only`` is not set.
        UserError: the options make no sense, a gate is missed, or TensorRT refuses the graph.
    """
    return _write(request, "tensorrt")


def write_tensorrt_rtx(request: Request) -> Written:
    """Write the engine for ``gpu``, or for all from Ampere on; the graph and a recipe where TensorRT-RTX is missing.

    Raises:
        PartlyWritten: TensorRT-RTX is not installed, and ``recipe_only`` is not set.
        UserError: as `write_tensorrt`.
    """
    return _write(request, "tensorrt-rtx")


def _write(request: Request, flavour: str) -> Written:
    options = _options(request, flavour)
    paint = student_graphs(request.student)[-1]
    source = _write_source(request, paint, options)
    try:
        built = build_engine(source.onnx, options, request.log)
    except CannotBuildHere as error:
        return _without_engine(request, source, error)
    engine = write_engine(request.folder, built, source.graph)
    parity = (source.parity, *_run(request, engine, source, paint))
    evidence = {**evidence_of(built), **source.evidence}
    if flavour == "tensorrt":  # whoever has another GPU builds from the same graph
        return Written((source.graph, engine), parity, evidence)
    (request.folder / source.graph.file).unlink()
    return Written((engine,), parity, evidence)


def _options(request: Request, flavour: str) -> EngineOptions:
    """The export's options for an engine; those that have a name of their own come from the student and the format."""
    own = {"flavour": flavour, "precision": request.precision, "multiple": request.student.size_multiple}
    shared = {item.name: getattr(request.options, item.name) for item in fields(EngineOptions) if item.name not in own}
    return EngineOptions(**own, **shared)


def _write_source(request: Request, paint: StudentGraph, options: EngineOptions) -> _Source:
    """Make, judge and write the graph that the engine is built from; its entry in the manifest holds the recipe."""
    model, parity, evidence = _model(request, paint)
    graph = _write_graph(request, paint, model, options)
    path = request.folder / graph.file
    if parity is None:
        parity = replace(measure_parity(paint, path), format=SOURCE_FORMAT)
    encoded = path.read_bytes()
    recipe = make_recipe(options, {spec.name: spec.shape for spec in paint.inputs}, path.name, encoded)
    return _Source(model, encoded, replace(graph, details={"recipe": recipe}), parity, evidence)


def _write_graph(request: Request, paint: StudentGraph, model: onnx.ModelProto, options: EngineOptions) -> Graph:
    """As a file of its own for each machine that TensorRT-RTX builds for; TensorRT builds for this one alone."""
    if options.flavour == "tensorrt":
        return write_graph(request, paint, model, SOURCE_FORMAT)
    target = engine_target(compute_capability(options.gpu or AMPERE), options.gpu is None)
    path = request.folder / "engines" / target / f"paint.{request.precision}.rtx.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, model.SerializeToString(deterministic=True))
    name = path.relative_to(request.folder).as_posix()
    return Graph("paint", request.precision, SOURCE_FORMAT, name, *digest_of(path), paint.inputs, paint.outputs, target)


def _model(request: Request, paint: StudentGraph) -> tuple[onnx.ModelProto, Evidence | None, dict[str, Any]]:
    """The graph, how near its pictures are where they are not torch's, and what was found out making it."""
    if request.precision == "fp32":
        return to_onnx(paint), None, {}
    if request.precision == "fp16":
        from export.reduced_precision import half_graphs

        half = half_graphs(request, SOURCE_FORMAT)
        return half.models["paint"], half.parity, {}
    from export.reduced_precision import int8_graphs

    int8 = int8_graphs(request, "tensorrt", SOURCE_FORMAT)
    return int8.models["paint"], int8.parity, {"quantization": int8.evidence}


def _without_engine(request: Request, source: _Source, error: CannotBuildHere) -> Written:
    written = Written((source.graph,), (source.parity,), source.evidence)
    said = f"{error}; {source.graph.file} and the recipe to build it with are written instead of an engine"
    if not request.options.recipe_only:
        raise PartlyWritten(f"{said} (--recipe-only is content with that)", written) from error
    request.log(said)
    return written


def _run(request: Request, engine: Graph, source: _Source, paint: StudentGraph) -> tuple[Evidence, ...]:
    """The engine against its graph, if there is a GPU that it was built for."""
    path = request.folder / engine.file
    try:
        cuda = Cuda()
        here = cuda.compute_capability()
        cuda.close()
    except UserError as error:
        request.log(f"the engine was not run: {error}")
        return ()
    if not read_engine_file(path).facts.runs_on(here):
        request.log(f"the engine was not run: it is for {engine.target}, and this GPU has compute capability {here}")
        return ()
    return (measure_engine(path, source.model, paint, engine.format, engine.target),)
