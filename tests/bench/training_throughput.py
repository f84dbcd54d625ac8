"""Pictures a second that training takes in, and that the straightforward loop does.

The straightforward loop lets the teacher paint every sample of every step and compares with VGG-19, in float32 with
contiguous tensors and Adam. Training as `distill` does it has the teacher's pictures on disk, a compact perceptual
network (VGG-19 itself for the last steps), channels-last tensors and Muon. Both train the same student with the same
objective on crops of the pictures that ship, and take turns in one process. What it costs to paint the pictures on disk
once is counted in.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from torch import nn

from benchmarks.measure import Effort, Task, measure
from distill.accelerator import accelerator_for
from distill.objective import Objective
from distill.perceptual import compact_perception, vgg19_perception
from distill.run_pictures import open_all
from distill.samples import Batch, Samples
from distill.settings import Settings
from distill.students import build_student
from distill.teacher_cache import TeacherCache
from distill.teachers import Teacher, load_teacher
from distill.train import Trainer
from runtime.errors import UserError

#: Pairs that are on disk while measuring; a run has more, which only costs disk.
CACHED = 8


@dataclass(frozen=True)
class Throughput:
    """Median seconds: of a step with each perceptual network, of a straightforward step, of one teacher's picture."""

    settings: Settings
    compact_s: float
    vgg19_s: float
    straightforward_s: float
    teacher_s: float

    @property
    def step_s(self) -> float:
        """Of a step on average over a run: its last ones with VGG-19, and its share of painting the cached pairs."""
        s = self.settings
        painting = s.pairs * self.teacher_s / s.steps
        return (1 - s.vgg_share) * self.compact_s + s.vgg_share * self.vgg19_s + painting

    @property
    def ratio(self) -> float:
        """How many times as many pictures a second as the straightforward loop."""
        return self.straightforward_s / self.step_s


def measure_throughput(settings: Settings, runs: int) -> Throughput:
    """Measure steps of training as ``settings`` say, on the CPU. Raises UserError where VGG-19's weights are not."""
    vgg19, teacher = vgg19_perception(settings.weights), load_teacher(settings.teacher, settings.weights)
    if vgg19 is None:
        raise UserError("name the folder with vgg_normalised.pth and decoder.pth: --weights")
    with TemporaryDirectory() as folder:
        few = replace(settings, pairs=CACHED)
        samples = _samples(few, teacher, Path(folder))
        compact = _trainer(few, samples, {"compact": compact_perception()})
        late = _trainer(replace(few, vgg_share=1.0), samples, {"vgg19": vgg19})
        content, style = (samples.batch(0).content, samples.batch(0).style)
        calls = {
            "compact": _steps(compact, samples),
            "vgg19": _steps(late, samples),
            "straightforward": _straightforward(few, samples, teacher, vgg19_perception(settings.weights)),
            "teacher": lambda: teacher.stylize(content[:1], style[:1]),
        }
        effort = Effort(runs=runs, seconds=0, window=2, tolerance=0.2, warmup_most=10)
        series = measure([Task(name, call, effort) for name, call in calls.items()])
    seconds = {f"{each.name}_s": median(each.samples_ns) / 1e9 for each in series}
    return Throughput(settings, **seconds)


def _samples(settings: Settings, teacher: Teacher, folder: Path) -> Samples:
    """The batches of a run whose teacher's pictures are all painted."""
    pictures = open_all(settings, lambda line: None)
    cache = TeacherCache(teacher, "throughput", settings.size, settings.pairs, folder)
    samples = Samples(settings, pictures.content, pictures.style, cache)
    everything = replace(settings, teacher_share=1.0, identity_share=0.0)
    for step in range(10_000):
        if all(cache.holds(index) for index in range(settings.pairs)):
            return samples
        Samples(everything, pictures.content, pictures.style, cache).batch(step)
    raise RuntimeError("the cache never filled")


def _trainer(settings: Settings, samples: Samples, perceptions: dict[str, nn.Module]) -> Trainer:
    student = build_student(settings.student, width=settings.width)
    objective = Objective(student, perceptions, settings.loss)
    return Trainer(settings, objective, samples, accelerator_for("cpu"), Path("nowhere"))


def _steps(trainer: Trainer, samples: Samples) -> Callable[[], object]:
    """One step with the reading of its batch, which training itself does ahead in a thread."""
    return lambda: trainer.advance(samples.batch(trainer.step))


def _straightforward(
    settings: Settings, samples: Samples, teacher: Teacher, vgg19: nn.Module | None
) -> Callable[[], object]:
    """One step of the loop that one would write first."""
    student = build_student(settings.student, width=settings.width)
    objective = Objective(student, {"vgg19": vgg19}, settings.loss)
    optimiser = torch.optim.Adam([p for p in student.parameters() if p.requires_grad], settings.adam_lr)
    everyone = torch.ones(settings.batch, dtype=torch.bool)
    untaught = Samples(replace(settings, teacher_share=0.0), samples.content, samples.style, samples.cache)
    step = iter(range(10**9))

    def advance() -> None:
        drawn = untaught.batch(next(step))
        content, style = drawn.content.contiguous(), drawn.style.contiguous()
        batch = Batch(content, style, teacher.stylize(content, style), everyone, drawn.identity, drawn.thumbnail_ratio)
        optimiser.zero_grad()
        sum(objective(batch, "vgg19").values()).backward()
        optimiser.step()

    return advance


def main(arguments: list[str] | None = None) -> int:
    """Measure as asked and print it; the exit status is 1 where the ratio is below ``--least``."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--weights", required=True, help="folder with vgg_normalised.pth and decoder.pth")
    options.add_argument("--width", type=float, default=Settings.width)
    options.add_argument("--batch", type=int, default=Settings.batch)
    options.add_argument("--size", type=int, default=Settings.size, help="of the crops, in pixels")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--runs", type=int, default=10, help="steps of each kind, after the warm-up")
    options.add_argument("--least", type=float, default=3.0, metavar="RATIO", help="that is promised")
    options.add_argument("--json", action="store_true")
    asked = options.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    settings = Settings(weights=asked.weights, width=asked.width, batch=asked.batch, size=asked.size)
    try:
        found = measure_throughput(settings, asked.runs)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    rows = {
        "compact network": found.compact_s,
        "VGG-19": found.vgg19_s,
        "a run on average": found.step_s,
        "straightforward": found.straightforward_s,
    }
    if asked.json:
        pictures = {name: settings.batch / seconds for name, seconds in rows.items()}
        print(json.dumps({"seconds": rows, "pictures_per_second": pictures, "ratio": found.ratio}, indent=1))
    else:
        print(f"width {settings.width:g}, batches of {settings.batch} at {settings.size} px, {asked.threads} threads")
        for name, seconds in rows.items():
            print(f"  {name:18} {seconds:7.3f} s a step  {settings.batch / seconds:7.2f} pictures/s")
        print(f"{found.ratio:.1f} times as many pictures a second (promised {asked.least:g})")
    return int(found.ratio < asked.least)


if __name__ == "__main__":
    sys.exit(main())
