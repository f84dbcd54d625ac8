"""Which quantizer makes the best int8 painter: ours, ONNX Runtime's own calibrators, or NNCF.

    pip install 'nncf>=3,<4'          # left out of the comparison where it is absent
    python -m tests.bench.quantizers adain-w025 --calibration PICTURES --size 512

All calibrate on the same crops and are judged on the same held-back pairs; style and measure stay float32 throughout.
"Same layers" leaves to float what ours leaves to float. Latencies are of the paint graph, all candidates interleaved,
as ratios to float32 in the same engine.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import onnx
from onnxruntime import quantization
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Effort, Task, measure
from distill.checkpoint import load_student
from export.accurate_int8 import calibrate, plain_int8
from export.activation_ranges import Range
from export.calibration import CROPS, Calibration, Feeds, open_calibration, student_feeds
from export.quantize import quantizable, quantize
from runtime.engines import open_engine

ORT_METHODS = ("MinMax", "Percentile", "Entropy")


class Reader(quantization.CalibrationDataReader):
    """Feeds one after another, as ONNX Runtime's calibrators ask for them."""

    def __init__(self, feeds: list[Feeds]) -> None:
        self._rest = iter(feeds)

    def get_next(self) -> Feeds | None:
        return next(self._rest, None)


def by_onnxruntime(model: onnx.ModelProto, feeds: list[Feeds], method: str, layers: list[str]) -> onnx.ModelProto:
    """U8S8 with 7-bit weights per channel, by one of ONNX Runtime's calibrators."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)  # given the model itself, it moves the weights to a file that is gone when it returns
        quantization.quantize_static(
            source,
            target,
            Reader(feeds),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod[method],
            nodes_to_quantize=layers,
            op_types_to_quantize=["Conv"],
        )
        return onnx.load(target)


def by_nncf(model: onnx.ModelProto, feeds: list[Feeds], ignored: list[str]) -> onnx.ModelProto:
    """NNCF's post-training quantisation of ONNX models."""
    import nncf

    return nncf.quantize(
        model,
        nncf.Dataset(feeds),
        preset=nncf.QuantizationPreset.MIXED,
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(feeds),
        ignored_scope=nncf.IgnoredScope(names=ignored),
    )


def candidates(
    model: onnx.ModelProto, ranges: Mapping[str, Range], feeds: list[Feeds]
) -> dict[str, Callable[[], onnx.ModelProto]]:
    """Quantizers by what the table calls them."""
    layers = quantizable(model)
    every = [node.name for node in model.graph.node if node.op_type == "Conv"]
    others = [node.name for node in model.graph.node if node.name not in layers]
    found: dict[str, Callable[[], onnx.ModelProto]] = {
        "ours": lambda: quantize(model, ranges, "cpu"),
        "ours, residual branches in float": lambda: quantize(model, ranges, "cpu", float_residuals=True),
    }
    # The histogram calibrators keep every activation in memory, and take one size only.
    alike = [each for each in feeds if each["content"].shape == feeds[0]["content"].shape][:32]
    for method in ORT_METHODS:
        some = feeds if method == "MinMax" else alike
        found[f"ONNX Runtime {method}, same layers"] = lambda m=method, s=some: by_onnxruntime(model, s, m, layers)
    found["ONNX Runtime MinMax, all convolutions"] = lambda: by_onnxruntime(model, feeds, "MinMax", every)
    try:
        import nncf  # noqa: F401
    except ImportError:
        return found
    found["NNCF, same layers"] = lambda: by_nncf(model, feeds, others)
    found["NNCF, as it comes"] = lambda: by_nncf(model, feeds, [])
    return found


def ratios(
    models: dict[str, onnx.ModelProto], engine: str, size: int, threads: int, seconds: float
) -> dict[str, float]:
    """Median latency of every graph over that of the first, interleaved."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        tasks = []
        for number, (name, model) in enumerate(models.items()):
            path = Path(folder) / f"{number}.onnx"
            onnx.save(model, path)
            feeds = {value.name: rng.random(_shape(value, size), np.float32) for value in model.graph.input}
            runner = open_engine(engine, path, threads)
            tasks.append(Task(name, lambda r=runner, f=feeds: r.run(f), Effort(runs=20, seconds=seconds)))
        medians = {series.name: median(series.samples_ns) for series in measure(tasks)}
    first = next(iter(medians.values()))
    return {name: value / first for name, value in medians.items()}


def _shape(value: onnx.ValueInfoProto, size: int) -> tuple[int, ...]:
    channels = value.type.tensor_type.shape.dim[1].dim_value
    side = size if value.name == "content" else 1
    return (1, channels, side, side)


def compare(
    student: str, calibration: Calibration, engines: list[str], size: int, threads: int, seconds: float
) -> Table:
    """The table: dB, shift, size, and ratios per engine."""
    network = load_student(student).student
    calibrated = calibrate(network, calibration)
    ranges = plain_int8(calibrated, "cpu")[2]
    model = calibrated.models["paint"]
    feeds = student_feeds(network, calibration.pairs)["paint"]
    models = {"fp32": model}
    rows: dict[str, list[str]] = {"fp32": ["", "", str(model.ByteSize() // 1000)]}
    for name, quantized in candidates(model, ranges, feeds).items():
        models[name] = quantized()
        found = calibrated.held_back.fidelity({**calibrated.models, "paint": models[name]})
        shift = max(map(abs, found.mean_shift)) * 255
        rows[name] = [f"{found.psnr:.1f}", f"{shift:.2f}", str(models[name].ByteSize() // 1000)]
    for engine in engines:
        for name, ratio in ratios(models, engine, size, threads, seconds).items():
            rows[name].append(f"{ratio:.2f}")
    table = Table("", "dB", "shift / 255", "kB", *engines, title=f"{student}, {size}x{size}, {threads} threads")
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("student", nargs="?", default="adain-w025")
    parser.add_argument("--calibration", help="folder with content/ and style/; what ships by default")
    parser.add_argument("--crops", type=int, default=CROPS)
    parser.add_argument("--engine", action="append", help="onnxruntime and openvino by default")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args(arguments)
    engines = asked.engine or ["onnxruntime", "openvino"]
    calibration = open_calibration(asked.calibration, asked.crops)
    Console(width=110).print(compare(asked.student, calibration, engines, asked.size, asked.threads, asked.seconds))

    return 0


if __name__ == "__main__":
    raise SystemExit(main())
