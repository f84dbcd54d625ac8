"""How near the paint graph comes to what the machine can: ``python -m tests.bench.gemm_share``.

The peak is a product of two square float32 matrices in the same engine with the same threads, the best of several
sides. Graph and products take turns in one process. The graph's operations are two for each multiplication of its
convolutions; its additions, activations and layout changes take time and count for nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.macs import onnx_macs
from benchmarks.measure import Effort, Task, measure
from runtime.bundle import open_bundle
from runtime.engines import Engine, open_engine
from runtime.shipped import find_model

SIDES = (512, 1024, 2048)


@dataclass(frozen=True)
class Share:
    """Billions of floating-point operations a second: of the paint graph, and of products by their sides."""

    graph: float
    products: dict[int, float]

    @property
    def percent(self) -> float:
        return 100 * self.graph / max(self.products.values())


def measure_share(model: str, size: int, engine: str, threads: int, effort: Effort, sides: tuple[int, ...]) -> Share:
    """Measure, in this process; ``size`` is of the square picture, in pixels."""
    bundle = open_bundle(find_model(model))
    path = bundle.path(bundle.graph("paint", "fp32"))
    feeds = {"content": np.full((1, 3, size, size), 0.5, np.float32)}
    for number, site in enumerate(bundle.manifest.student.sites):
        feeds[f"scale_{number}"] = np.ones((1, site.channels, 1, 1), np.float32)
        feeds[f"shift_{number}"] = np.zeros((1, site.channels, 1, 1), np.float32)
    operations = {"graph": 2 * onnx_macs(path, {name: value.shape for name, value in feeds.items()})}
    with TemporaryDirectory() as folder:
        painter = open_engine(engine, path, threads=threads)
        tasks = [Task("graph", partial(painter.run, feeds), effort)]
        for side in sides:
            product, square = _product(Path(folder), side, engine, threads), np.ones((side, side), np.float32)
            operations[str(side)] = 2 * side**3
            tasks.append(Task(str(side), partial(product.run, {"a": square, "b": square}), effort))
        series = measure(tasks)
    speeds = {each.name: operations[each.name] / median(each.samples_ns) for each in series}
    return Share(speeds.pop("graph"), {int(side): speed for side, speed in speeds.items()})


def _product(folder: Path, side: int, engine: str, threads: int) -> Engine:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", values[:2], values[2:])
    path = folder / f"{side}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return open_engine(engine, path, threads=threads)


def main(arguments: list[str] | None = None) -> int:
    """Measure as asked and print it; the exit status is 1 where the share is below ``--least``."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("model", nargs="?", default="adain-w025", help="a bundle, or the name of one that ships")
    options.add_argument("--size", type=int, default=512, help="side of the square picture in pixels")
    options.add_argument("--sides", type=int, nargs="+", default=SIDES, help="of the matrices")
    options.add_argument("--engine", default="onnxruntime", help="onnxruntime or openvino")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--runs", type=int, default=30)
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--least", type=float, default=60.0, metavar="PERCENT", help="that is promised")
    options.add_argument("--json", action="store_true")
    asked = options.parse_args(arguments)
    effort = Effort(runs=asked.runs, seconds=asked.seconds)
    found = measure_share(asked.model, asked.size, asked.engine, asked.threads, effort, tuple(asked.sides))
    if asked.json:
        print(json.dumps({"graph_gflops": found.graph, "product_gflops": found.products, "percent": found.percent}))
    else:
        print(f"{asked.model} at {asked.size}x{asked.size} in {asked.engine}, {asked.threads} threads, fp32")
        print(f"  paint graph     {found.graph:7.0f} GFLOP/s")
        for side, speed in found.products.items():
            print(f"  product of {side:<5}{speed:7.0f} GFLOP/s")
        print(f"{found.percent:.0f} % of the best product (promised {asked.least:g})")
    return int(found.percent < asked.least)


if __name__ == "__main__":
    sys.exit(main())
