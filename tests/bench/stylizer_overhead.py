"""What a `Stylizer` adds to bare calls of its engine: ``python -m tests.bench.stylizer_overhead``.

Bare calls are those of the measure and the paint graph on inputs that are ready; the stylizer goes from a picture in
memory to a picture in memory. Both take turns in one process, so that a drift of the machine meets them alike. What
each step between picture and engine takes by itself stands below the ratio.

The steps are all that there is: no page faults, no copies beside them, and the engine takes as long as it does
alone. They move 9 MB between bytes side by side and floats in planes, which numpy does in one thread at about
memory's speed. A graph that takes and gives bytes would not do better: as ONNX nodes (Transpose, Cast, Mul; Mul,
Add, Clip, Cast, Transpose) the same took ONNX Runtime longer than numpy, and no less with two threads than with one.
So the share grows as the engine gets faster, with threads or int8.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from benchmarks.count_macs import MARGIN
from benchmarks.measure import Effort, Task, measure
from benchmarks.statistics import Interval, ratio_interval
from benchmarks.subjects import example_picture
from runtime import Stylizer, framing
from runtime.affine import affine_of, split_sites
from runtime.framing import STYLE_SHORT_SIDE


@dataclass(frozen=True)
class Overhead:
    """Medians in milliseconds, and the stylizer's time over that of the bare calls."""

    stylizer_ms: float
    bare_ms: float
    ratio: Interval
    steps_ms: dict[str, float]

    @property
    def percent(self) -> float:
        """What the stylizer adds, of the bare calls' time."""
        return 100 * (self.ratio.value - 1)


def measure_overhead(model: str, size: int, threads: int | None, precision: str, effort: Effort) -> Overhead:
    """Measure, in this process."""
    content = example_picture(size)
    with Stylizer.load(model, threads=threads, precision=precision, margin=MARGIN) as stylizer:
        code = stylizer.style(example_picture(STYLE_SHORT_SIDE, seed=1))
        bare, steps = _bare_calls(stylizer, content, code.values)
        tasks = [Task("stylizer", lambda: stylizer(content, code), effort), Task("bare", bare, effort)]
        short = replace(effort, seconds=effort.seconds / 5)
        series = measure([*tasks, *(Task(name, call, short) for name, call in steps.items())])
    samples = {each.name: [ns / 1e6 for ns in each.samples_ns] for each in series}
    whole, engine = samples.pop("stylizer"), samples.pop("bare")
    medians = {name: median(times) for name, times in samples.items()}
    return Overhead(median(whole), median(engine), ratio_interval(whole, engine), medians)


def _bare_calls(
    stylizer: Stylizer, content: np.ndarray, code: np.ndarray
) -> tuple[Callable[[], object], dict[str, Callable[[], object]]]:
    """Both engine calls on inputs that are ready; and each step that makes these inputs, or a picture of the output."""
    student = stylizer.student
    paint, measure_engine = stylizer.engine("paint"), stylizer.engine("measure")
    small = framing.thumbnail(content, student.thumbnail, student.size_multiple)
    thumbnail = {"thumbnail": framing.to_tensor(small)}
    stats = measure_engine.run(thumbnail)["stats"][0]
    channels = [site.channels for site in student.sites]
    planes, inside = framing.framed_tensor(content, student.size_multiple, MARGIN, "reflect")
    feeds = {"content": planes}
    for index, (scale, shift) in enumerate(split_sites(*affine_of(code, stats), channels)):
        feeds[f"scale_{index}"], feeds[f"shift_{index}"] = scale, shift
    painted = paint.run(feeds)["picture"]

    def bare() -> None:
        measure_engine.run(thumbnail)
        paint.run(feeds)

    return bare, {
        "thumbnail": lambda: framing.thumbnail(content, student.thumbnail, student.size_multiple),
        "thumbnail to planes": lambda: framing.to_tensor(small),
        "scale and shift": lambda: split_sites(*affine_of(code, stats), channels),
        "picture to planes": lambda: framing.framed_tensor(content, student.size_multiple, MARGIN, "reflect"),
        "finite?": lambda: np.isfinite(painted).all(),
        "planes to picture": lambda: framing.to_picture(painted[:, :, inside[0], inside[1]]),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure as asked and print it; the exit status is 1 where the overhead is certainly above ``--most``."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("model", nargs="?", default="adain-w025", help="a bundle, or a student that ships")
    options.add_argument("--size", type=int, default=512)
    options.add_argument("--threads", type=int, help="of the engine; one per core by default")
    options.add_argument("--precision", default="fp32")
    options.add_argument("--runs", type=int, default=100)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--most", type=float, default=3.0, metavar="PERCENT", help="that is promised")
    options.add_argument("--json", action="store_true")
    asked = options.parse_args(arguments)
    effort = Effort(runs=asked.runs, seconds=asked.seconds)
    found = measure_overhead(asked.model, asked.size, asked.threads, asked.precision, effort)
    low, high = (100 * (bound - 1) for bound in (found.ratio.low, found.ratio.high))
    if asked.json:
        numbers = {"stylizer_ms": found.stylizer_ms, "bare_ms": found.bare_ms, "steps_ms": found.steps_ms}
        print(json.dumps({**numbers, "percent": found.percent, "low": low, "high": high}, indent=1))
    else:
        print(f"stylizer {found.stylizer_ms:.2f} ms, bare engine calls {found.bare_ms:.2f} ms at {asked.size} px:")
        print(f"overhead {found.percent:.1f} % (95 % interval {low:.1f} to {high:.1f} %; promised {asked.most:g} %)")
        for name, ms in found.steps_ms.items():
            print(f"  {name:20} {ms:7.3f} ms  {100 * ms / found.bare_ms:5.2f} %")
        total = sum(found.steps_ms.values())
        print(f"  {'all steps':20} {total:7.3f} ms  {100 * total / found.bare_ms:5.2f} %")
    return int(low > asked.most)


if __name__ == "__main__":
    sys.exit(main())
