"""How to build an engine, written down: for a machine that cannot, so that one which can does exactly the same."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from export.tensorrt.build_engine import EngineOptions
from export.tensorrt.flavours import FLAVOURS, PRECISIONS
from export.tensorrt.gpus import compute_capability, sm_name
from export.tensorrt.profiles import MOST_SIZES, Inputs, Profile, parse_sizes, profile_for
from runtime.errors import UserError
from runtime.json_fields import Fields

SCHEMA = 1
#: The versions that the recipe is for.
VERSIONS = {"tensorrt": ">=10.3,<12", "tensorrt-rtx": ">=1.7,<2"}
_TRTEXEC = {"10.3 to 10.11": "flags", "10.12 to 10.16": "--stronglyTyped", "11": "implied"}


def make_recipe(options: EngineOptions, inputs: Inputs, graph_file: str, onnx: bytes) -> dict[str, Any]:
    """All that decides what comes out, as JSON, and the equivalent command lines of NVIDIA's own tools.

    Args:
        inputs: shapes by name, as for `export.tensorrt.profiles.profile_for`.
        graph_file: what the ONNX file is called in the bundle.
        onnx: its contents.
    """
    kept = {key: value for key, value in asdict(options).items() if key != "timing_cache"}
    profiles = [
        profile_for(size, inputs, options.multiple, static=options.dla is not None)
        for size in parse_sizes(options.sizes)
    ]
    return {
        "schema": SCHEMA,
        "versions": VERSIONS[options.flavour],
        "graph": graph_file,
        "graph_sha256": hashlib.sha256(onnx).hexdigest(),
        "options": {**kept, "sizes": list(options.sizes)},
        "profiles": [{name: asdict(shapes) for name, shapes in profile.items()} for profile in profiles],
        "commands": _commands(options, profiles, graph_file),
    }


def read_recipe(data: object, where: str) -> tuple[EngineOptions, str]:
    """The options and the SHA-256 of the graph in a recipe.

    Raises:
        UserError: it is no recipe, one of another version of brushlet, or asks for what cannot be built.
    """
    fields = Fields(data, where)
    if fields.integer("schema", 1, 10**6) != SCHEMA:
        raise UserError(f"{where} is a recipe of another version: export again")
    asked = fields.inner("options")
    values = fields.mapping("options")
    sizes = asked.sequence("sizes", MOST_SIZES)
    if not all(isinstance(size, str) for size in sizes):
        raise asked.fail("sizes", "must hold texts such as 512")
    options = EngineOptions(
        flavour=asked.choice("flavour", tuple(FLAVOURS)),
        precision=asked.choice("precision", PRECISIONS),
        sizes=tuple(sizes),
        multiple=asked.integer("multiple", 1, 64),
        gpu=asked.text("gpu", 100) if values.get("gpu") is not None else None,
        dla=asked.integer("dla", 0, 7) if values.get("dla") is not None else None,
        workspace_mb=asked.integer("workspace_mb", 1, 2**20) if values.get("workspace_mb") is not None else None,
        version_compatible=asked.boolean("version_compatible"),
        hardware_compatible=asked.boolean("hardware_compatible"),
    )
    return options, fields.text("graph_sha256", 64)


def _commands(options: EngineOptions, profiles: Sequence[Profile], graph_file: str) -> dict[str, str]:
    """A command line by the version that it is for."""
    plan = graph_file.removesuffix(".onnx") + ".plan"
    common = [f"--onnx={graph_file}", f"--saveEngine={plan}", *_shapes(profiles), "--profilingVerbosity=detailed"]
    if options.precision == "fp32":
        common.append("--noTF32")
    if options.workspace_mb is not None:
        common.append(f"--memPoolSize=workspace:{options.workspace_mb}")
    common.append("--skipInference")
    if options.flavour == "tensorrt-rtx":
        if options.gpu is not None:
            common.append(f"--computeCapabilities={sm_name(compute_capability(options.gpu)).removeprefix('sm')}")
        return {f"tensorrt_rtx {VERSIONS[options.flavour]}": shlex.join(["tensorrt_rtx", *common])}
    if options.dla is not None:
        common += [f"--useDLACore={options.dla}", "--allowGPUFallback"]
    if options.version_compatible:
        common.append("--versionCompatible")
    if options.hardware_compatible:
        common.append("--hardwareCompatibilityLevel=ampere+")
    return {
        f"trtexec {versions}": shlex.join(["trtexec", *common, *_precision(options.precision, typing)])
        for versions, typing in _TRTEXEC.items()
        if not (typing == "flags" and options.dla is not None and options.precision == "int8")
    }


def _precision(precision: str, typing: str) -> list[str]:
    if typing == "flags":
        return {"fp32": [], "fp16": ["--fp16"], "int8": ["--fp16", "--int8"]}[precision]
    return [typing] if typing.startswith("--") else []


def _shapes(profiles: Sequence[Profile]) -> list[str]:
    """The profiles as trtexec takes them; numbered if there are several."""
    arguments = []
    for index, profile in enumerate(profiles):
        arguments += [f"--profile={index}"] if len(profiles) > 1 else []
        for option, attribute in (("minShapes", "least"), ("optShapes", "usual"), ("maxShapes", "most")):
            shapes = (f"{name}:{'x'.join(map(str, getattr(shape, attribute)))}" for name, shape in profile.items())
            arguments.append(f"--{option}={','.join(shapes)}")
    return arguments
