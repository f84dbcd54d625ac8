"""Engines in bundles: where their files are, and how a bundle that holds a recipe gets its engine on the device itself.

The second needs neither torch nor onnx: ``python -m export.tensorrt BUNDLE`` runs on a Jetson with the base install and
the TensorRT that came with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.tensorrt.build_engine import BuiltEngine, adopt_plan, build_engine
from export.tensorrt.gpus import sm_name
from export.tensorrt.layer_report import CONVOLUTION
from export.tensorrt.profiles import CONTENT
from export.tensorrt.recipe import read_recipe
from runtime.atomic_write import write_atomically
from runtime.bundle import Bundle, Graph, TensorSpec, open_bundle
from runtime.digests import digest_of
from runtime.errors import UserError

#: The format of graphs that engines are built from.
SOURCE_FORMAT = "tensorrt-onnx"
#: Where an engine goes that several GPUs run.
ANY_AMPERE = "ampere-plus"
_MOST_PLAN_BYTES = 2**31
#: What an engine's file is called after its precision; both kinds may be in one bundle.
_SUFFIXES = {"tensorrt": "engine", "tensorrt-rtx": "rtx.engine"}


def write_engine(folder: Path, built: BuiltEngine, source: Graph) -> Graph:
    """Write an engine into the bundle in ``folder``, and describe it as the manifest does.

    Args:
        source: the paint graph that it was built from, for its inputs and outputs.

    Raises:
        UserError: the file cannot be written.
    """
    facts = built.facts
    target = engine_target(facts["compute_capabilities"][0], facts["newer_gpus"])
    format = facts["flavour"].replace("_", "-")
    name = f"engines/{target}/{source.role}.{facts['precision']}.{_SUFFIXES[format]}"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, built.engine)
    details = {"version": facts["version"], "profiles": [_shown(profile) for profile in facts["profiles"]]}
    inputs = tuple(_without_maps(spec) for spec in source.inputs)
    digest, size = digest_of(path)
    return Graph(source.role, facts["precision"], format, name, digest, size, inputs, source.outputs, target, details)


def engine_target(capability: str, newer_gpus: bool) -> str:
    """What the machines that run an engine are called in a bundle."""
    return ANY_AMPERE if newer_gpus else sm_name(capability)


def evidence_of(built: BuiltEngine) -> dict[str, Any]:
    """What the builder said, for the report: all but the profiles, and its convolutions one by one."""
    said = {key: value for key, value in built.facts.items() if key != "profiles"}
    return {**said, "layers": [layer.to_json() for layer in built.layers if layer.kind == CONVOLUTION]}


def add_engine(
    directory: str | Path,
    precision: str | None = None,
    plan: Path | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Graph:
    """Build the engine that a bundle holds the recipe of, and add it to the bundle.

    Args:
        precision: which recipe, where there are several.
        plan: what ``trtexec`` made of the recipe on this machine, to be taken instead of building.

    Raises:
        UserError: no such recipe, or the engine cannot be built here.
        BundleError: the bundle is damaged.
    """
    bundle = open_bundle(directory)
    source = _source(bundle, precision)
    onnx = bundle.path(source).read_bytes()
    options, digest = read_recipe(source.details.get("recipe"), f"the recipe of {source.file}")
    if digest != source.sha256:
        raise UserError(f"the recipe of {source.file} is for another graph: export again")
    if plan is None:
        built = build_engine(onnx, options, log)
    else:
        built = adopt_plan(_read_plan(plan), onnx, options, {spec.name: spec.shape for spec in source.inputs})
    graph = write_engine(bundle.directory, built, source)
    others = tuple(held for held in bundle.manifest.graphs if held.file != graph.file)
    noted = _noted(bundle.manifest.provenance, source.file, graph.file)
    replace(bundle.manifest, graphs=(*others, graph), provenance=noted).write(bundle.directory)
    return graph


def _source(bundle: Bundle, precision: str | None) -> Graph:
    held = [graph for graph in bundle.manifest.graphs if graph.format == SOURCE_FORMAT and "recipe" in graph.details]
    fitting = [graph for graph in held if precision in (None, graph.precision)]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(graph.precision for graph in held)
    if fitting:
        raise UserError(f"{bundle.directory} holds several recipes: choose with --precision from {listed}")
    hint = f"it has {listed}" if held else "make it with 'brushlet export --format tensorrt --recipe-only'"
    raise UserError(f"{bundle.directory} holds no such recipe: {hint}")


def _noted(provenance: dict[str, Any], source: str, engine: str) -> dict[str, Any]:
    """The provenance with the engine among the files of its source's export: the next export replaces both."""
    export = provenance.get("export")
    targets = export.get("targets") if isinstance(export, dict) else None
    if not isinstance(targets, dict):
        return provenance
    noted = {name: _with_file(record, source, engine) for name, record in targets.items()}
    return {**provenance, "export": {**export, "targets": noted}}


def _with_file(record: Any, beside: str, file: str) -> Any:
    """What an export noted of a target, with one file more if it wrote the other."""
    files = record.get("files") if isinstance(record, dict) else None
    if not isinstance(files, list) or beside not in files or file in files:
        return record
    return {**record, "files": [*files, file]}


def _read_plan(path: Path) -> bytes:
    try:
        if not path.is_file() or not 0 < path.stat().st_size <= _MOST_PLAN_BYTES:
            raise UserError(f"{path} is not what trtexec --saveEngine writes")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _without_maps(spec: TensorSpec) -> TensorSpec:
    """An engine's scales and shifts are 1x1."""
    if spec.name == CONTENT:
        return spec
    return TensorSpec(spec.name, tuple(size if isinstance(size, int) else 1 for size in spec.shape), spec.dtype)


def _shown(profile: dict[str, Any]) -> dict[str, list[int]]:
    """Height and width of the pictures of a profile: least, usual and most."""
    return {key: shape[-2:] for key, shape in profile[CONTENT].items()}
