"""The paint graph in ncnn beside ONNX Runtime and OpenVINO: ``python -m tests.bench.paint_in_ncnn``.

Needs ``pip install ncnn pnnx``. pnnx turns the bundle's ONNX graph into ncnn's layers; its pictures are compared with
ONNX Runtime's before anything is timed. All engines take turns in one process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measure import Effort, Task, measure
from benchmarks.statistics import ratio_interval
from benchmarks.subjects import example_picture
from runtime import Stylizer, UserError, open_bundle
from runtime.engines import open_engine
from runtime.framing import STYLE_SHORT_SIDE, pad, to_tensor
from runtime.shipped import find_model

Feeds = Mapping[str, np.ndarray]
#: Largest difference of a picture's values, whose range is 1: ncnn's fast convolutions are less exact than others'.
MOST_DIFFERENCE = 2 / 255


def convert(graph: Path, feeds: Feeds, folder: Path) -> Path:
    """ncnn's two files of an ONNX graph, in float32; returns the one that ends in .param.

    Raises:
        UserError: pnnx is not installed, or cannot convert it.
    """
    spec = find_spec("pnnx")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("pnnx is not installed: pip install ncnn pnnx")
    source = folder / "paint.onnx"
    source.write_bytes(graph.read_bytes())  # pnnx writes beside what it reads
    shapes = ",".join(f"[{','.join(map(str, value.shape))}]f32" for value in feeds.values())
    program = Path(spec.submodule_search_locations[0]) / "pnnx"
    done = subprocess.run(
        [program, source, f"inputshape={shapes}", "fp16=0"], cwd=folder, capture_output=True, text=True, timeout=600
    )
    path = folder / "paint.ncnn.param"
    if done.returncode or not path.exists():
        raise UserError(f"pnnx cannot convert {graph}: {(done.stderr or done.stdout).strip()[-300:]}")
    return path


def open_ncnn(param: Path, threads: int) -> Callable[[Feeds], np.ndarray]:
    """The network as a function of its inputs, in their order, to the picture (1, 3, H, W)."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a thread that spins slows the other engines
    try:
        import ncnn
    except ImportError as error:
        raise UserError(f"ncnn cannot be imported ({error}): pip install ncnn pnnx") from error
    network = ncnn.Net()
    network.opt.num_threads = threads
    network.opt.use_vulkan_compute = False
    for half in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(network.opt, half, False)
    if network.load_param(str(param)) or network.load_model(str(param.with_suffix(".bin"))):
        raise UserError(f"ncnn cannot load {param}")

    def run(feeds: Feeds) -> np.ndarray:
        extractor = network.create_extractor()
        for number, value in enumerate(feeds.values()):
            extractor.input(f"in{number}", ncnn.Mat(value[0]))
        status, picture = extractor.extract("out0")
        if status:
            raise UserError(f"ncnn failed with status {status}")
        return np.array(picture)[None]

    return run


def paint_inputs(model: str, size: int) -> dict[str, np.ndarray]:
    """The paint graph's inputs for an example picture, in the graph's order."""
    content = example_picture(size)
    with Stylizer.load(model) as stylizer:
        code = stylizer.style(example_picture(STYLE_SHORT_SIDE, seed=1))
        padded, _ = pad(content, stylizer.student.size_multiple, 0, "edge")
        feeds = {"content": to_tensor(padded)}
        for index, (scale, shift) in enumerate(stylizer.affine(content, code)):
            feeds[f"scale_{index}"], feeds[f"shift_{index}"] = scale, shift
    return feeds


def compare(model: str, size: int, threads: int, effort: Effort) -> dict[str, list[float]]:
    """Milliseconds of every run by engine; OpenVINO is left out where it is not installed.

    Raises:
        UserError: a package is missing, or ncnn paints another picture.
    """
    bundle = open_bundle(find_model(model))
    graph, feeds = bundle.path(bundle.graph("paint", "fp32", "onnx")), paint_inputs(model, size)
    reference = open_engine("onnxruntime", graph, threads)
    calls: dict[str, Callable[[], object]] = {"onnxruntime": lambda: reference.run(feeds)}
    if find_spec("openvino"):
        openvino = open_engine("openvino", graph, threads)
        calls["openvino"] = lambda: openvino.run(feeds)
    with TemporaryDirectory() as folder:
        ncnn = open_ncnn(convert(graph, feeds, Path(folder)), threads)
        apart = float(np.abs(ncnn(feeds) - reference.run(feeds)["picture"]).max())
        if not apart <= MOST_DIFFERENCE:
            raise UserError(f"ncnn paints another picture: {apart:.3g} apart, at most {MOST_DIFFERENCE:.3g} is allowed")
        calls["ncnn"] = lambda: ncnn(feeds)
        series = measure([Task(name, call, effort) for name, call in calls.items()])
    return {each.name: [ns / 1e6 for ns in each.samples_ns] for each in series}


def main(arguments: list[str] | None = None) -> int:
    """Measure as asked and print it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("model", nargs="?", default="adain-w025", help="a bundle, or a student that ships")
    options.add_argument("--size", type=int, default=512)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--runs", type=int, default=50)
    options.add_argument("--seconds", type=float, default=5.0)
    asked = options.parse_args(arguments)
    try:
        found = compare(asked.model, asked.size, asked.threads, Effort(runs=asked.runs, seconds=asked.seconds))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"the paint graph of {asked.model} at {asked.size} px, fp32, {asked.threads} threads: median milliseconds")
    for name, times in found.items():
        ratio = ratio_interval(times, found["onnxruntime"])
        print(f"  {name:12} {median(times):8.2f}  {ratio.value:5.2f}x ({ratio.low:.2f} to {ratio.high:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
