from __future__ import annotations

import hashlib
import json
import shlex

import pytest

from export.tensorrt.build_engine import EngineOptions
from export.tensorrt.recipe import make_recipe, read_recipe
from runtime.errors import UserError

INPUTS = {"content": (1, 3, "H", "W"), "scale_0": (1, 16, "h_0", "w_0")}
GRAPH = "paint.int8.tensorrt.onnx"

EVERYTHING = [
    EngineOptions(),
    EngineOptions(precision="int8", sizes=("512", "256..1080"), workspace_mb=64),
    EngineOptions(precision="fp16", sizes=("512",), dla=1, version_compatible=True, hardware_compatible=True),
    EngineOptions("tensorrt-rtx", "int8", gpu="rtx4090", multiple=8),
    EngineOptions("tensorrt-rtx", "fp32"),
]


def recipe_of(options: EngineOptions) -> dict:
    return json.loads(json.dumps(make_recipe(options, INPUTS, GRAPH, b"graph")))


@pytest.mark.parametrize("options", EVERYTHING)
def test_a_recipe_gives_the_options_back(options: EngineOptions):
    found, digest = read_recipe(recipe_of(options), "the recipe")
    assert found == options
    assert digest == hashlib.sha256(b"graph").hexdigest()


def test_the_timing_cache_stays_on_its_machine(tmp_path):
    recipe = recipe_of(EngineOptions(timing_cache=tmp_path / "timings"))
    assert str(tmp_path) not in json.dumps(recipe)


def arguments(recipe: dict, tool: str) -> list[str]:
    (command,) = (command for name, command in recipe["commands"].items() if name.startswith(tool))
    return shlex.split(command)


def test_the_command_line_of_each_version():
    recipe = recipe_of(EngineOptions(precision="int8", sizes=("512",), workspace_mb=64))
    common = [
        "trtexec",
        f"--onnx={GRAPH}",
        "--saveEngine=paint.int8.tensorrt.plan",
        "--minShapes=content:1x3x512x512,scale_0:1x16x1x1",
        "--optShapes=content:1x3x544x544,scale_0:1x16x1x1",
        "--maxShapes=content:1x3x544x544,scale_0:1x16x1x1",
        "--profilingVerbosity=detailed",
        "--memPoolSize=workspace:64",
        "--skipInference",
    ]
    assert arguments(recipe, "trtexec 10.3") == [*common, "--fp16", "--int8"]
    assert arguments(recipe, "trtexec 10.12") == [*common, "--stronglyTyped"]
    assert arguments(recipe, "trtexec 11") == common


def test_precision_flags():
    assert "--noTF32" in arguments(recipe_of(EngineOptions(precision="fp32")), "trtexec 11")
    flags = arguments(recipe_of(EngineOptions(precision="fp16")), "trtexec 10.3")
    assert "--fp16" in flags and "--int8" not in flags and "--noTF32" not in flags


def test_several_sizes_are_numbered_profiles():
    given = arguments(recipe_of(EngineOptions(sizes=("512", "1280x720"))), "trtexec 11")
    first, second = given.index("--profile=0"), given.index("--profile=1")
    assert given[first + 1].startswith("--minShapes=content:1x3x512x512")
    assert given[second + 1].startswith("--minShapes=content:1x3x720x1280")


def test_what_only_tensorrt_has():
    options = EngineOptions(precision="fp16", sizes=("512",), dla=1, version_compatible=True, hardware_compatible=True)
    given = arguments(recipe_of(options), "trtexec 10.3")
    for wanted in (
        "--useDLACore=1",
        "--allowGPUFallback",
        "--versionCompatible",
        "--hardwareCompatibilityLevel=ampere+",
    ):
        assert wanted in given
    int8 = recipe_of(EngineOptions(precision="int8", sizes=("512",), dla=0))
    assert not any(name.startswith("trtexec 10.3") for name in int8["commands"])


def test_tensorrt_rtx_has_a_tool_of_its_own():
    recipe = recipe_of(EngineOptions("tensorrt-rtx", "int8", gpu="rtx4090"))
    given = arguments(recipe, "tensorrt_rtx")
    assert given[0] == "tensorrt_rtx" and "--computeCapabilities=89" in given
    assert list(recipe["commands"]) == ["tensorrt_rtx >=1.7,<2"]


def changed(**options: object) -> dict:
    recipe = recipe_of(EngineOptions(sizes=("512",)))
    return {**recipe, "options": {**recipe["options"], **options}}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"schema": 2},
        {**changed(), "options": None},
        {**changed(), "graph_sha256": 3},
        changed(flavour="tensorrt9"),
        changed(precision=8),
        changed(sizes="512"),
        changed(sizes=[512]),
        changed(sizes=["nothing"]),
        changed(multiple="4"),
        changed(dla=True),
        changed(workspace_mb=-1),
        changed(version_compatible="no"),
        changed(gpu="sm89"),
    ],
    ids=str,
)
def test_recipes_that_make_no_sense(data: object):
    with pytest.raises(UserError) as caught:
        read_recipe(data, "the recipe of x.onnx")
    assert "\n" not in str(caught.value)
