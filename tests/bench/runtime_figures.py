"""The figures of the runtime in the README, measured in one go and printed as a Markdown table.

    python -m tests.bench.runtime_figures -o tests/bench/records/runtime-MACHINE.json

measures with the scripts beside this one, in some ten minutes on two quiet cores: what a large picture takes, seams,
what videos flicker, how fast they are painted, and what a `Stylizer` adds to its engine. What cannot be measured
here, because an extra or the data folder is missing, is left out and said.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Effort
from devices import describe_this_machine, measure_load
from runtime import Stylizer, UserError
from runtime.atomic_write import write_atomically
from tests.bench import any_size, stylizer_overhead, video_flicker, video_speed

MODEL, FASTER, STYLE = "adain-w025", "adain-w0125", "the_ninth_wave"
SCENES = "still, sensor noise", "still, visitor comes in", "pan, 0.3 px a frame"
BEFORE, AFTER = "each frame on its own", "both (the default)"


@dataclass(frozen=True)
class Setting:
    """How thoroughly to measure: the real thing by default, or a rehearsal."""

    megapixels: float = 100
    stills: int = 2
    clip_frames: int = 72
    rounds: int = 3
    threads: int = 2
    overhead_seconds: float = 10
    overhead_runs: int = 100


REHEARSAL = Setting(megapixels=25, stills=1, clip_frames=3, rounds=1, overhead_seconds=0, overhead_runs=5)


def large_picture(setting: Setting) -> list[dict[str, Any]]:
    """JPEG to JPEG and PNG to PNG, each in a process of its own."""
    options = ["--megapixels", str(setting.megapixels), "--threads", str(setting.threads), "--model", MODEL]
    with tempfile.TemporaryDirectory() as folder:
        sources = any_size.write_sources(Path(folder), setting.megapixels)
        return [
            any_size.in_own_process(sources[kind], Path(folder) / f"out.{kind}", options) for kind in ("jpg", "png")
        ]


def seams(setting: Setting) -> list[dict[str, Any]]:
    """Tiles against the whole picture, in each engine and precision."""
    return [any_size.seam(MODEL, *kind) for kind in any_size.ENGINES]


def flicker(setting: Setting, data: Path) -> dict[str, dict[str, float]]:
    """Change from frame to frame by scene and way, see `video_flicker`."""
    frames = {"bunny": video_flicker.frames_of(_video(data), setting.clip_frames)}
    with Stylizer.load(MODEL) as stylizer:
        stills = video_flicker.stills_of(data / "content" / "kodak", setting.stills)
        return video_flicker.score_all(stylizer, stylizer.style(STYLE), stills, frames)


def speed(setting: Setting, data: Path) -> dict[str, dict[str, list[float]]]:
    """Frames per second at 640x360 by student, engine and precision, and by part."""
    kinds = [MODEL, FASTER], ["onnxruntime", "openvino"], ["fp32", "int8"]
    return video_speed.measure(_video(data), STYLE, *kinds, setting.threads, setting.rounds)


def overhead(setting: Setting) -> list[dict[str, Any]]:
    """Percent that a `Stylizer` adds to its engine at 512x512, with one thread and all."""
    effort = Effort(runs=setting.overhead_runs, seconds=setting.overhead_seconds)
    found = []
    for threads in dict.fromkeys((1, setting.threads)):
        one = stylizer_overhead.measure_overhead(MODEL, 512, threads, "fp32", effort)
        interval = {"percent": one.percent, "low": 100 * (one.ratio.low - 1), "high": 100 * (one.ratio.high - 1)}
        found.append({"threads": threads, "stylizer_ms": one.stylizer_ms, "bare_ms": one.bare_ms, **interval})
    return found


def table(found: dict[str, Any]) -> str:
    """What was measured, as rows of a Markdown table."""
    rows: list[tuple[str, str]] = []
    for row in found.get("large_picture", ()):
        size = f"{row['width'] * row['height'] / 1e6:.0f} megapixels, {row['source']} to {row['target']}"
        rows.append(
            (f"{size}, int8", f"{row['bytes_above_model'] / 1e6:.0f} MB above the model, {row['seconds']:.0f} s")
        )
    for row in found.get("seams", ()):
        share = f", {100 * row['share_above_1']:.2g} % of the pixels by more than 1" if row["most"] > 1 else ""
        kind = f"{row['engine']} {row['precision']}"
        rows.append((f"tiles against the whole picture, {kind}", f"at most {row['most']} of 255 levels apart{share}"))
    if found.get("flicker"):
        for scene in SCENES:
            score = found["flicker"][scene]
            rows.append((f"flicker, {scene}", f"{score[BEFORE]:.2f} levels before, {score[AFTER]:.2f} after"))
    for name, parts in found.get("speed", {}).items():
        fps = {part: statistics.median(values) for part, values in parts.items()}
        said = f"{fps['engine']:.0f} engine alone, {fps['steady']:.0f} steady, {fps['file to file']:.0f} file to file"
        rows.append((f"frames per second at 640x360, {name}", said))
    for row in found.get("overhead", ()):
        bare = f"{row['bare_ms']:.1f} ms of engine alone"
        rows.append((f"overhead at 512x512, threads: {row['threads']}", f"{row['percent']:.1f} % of {bare}"))
    return "\n".join(["| | |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])


def measure(setting: Setting, data: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Every section that can be measured here; `left_out` has the reasons of the others."""
    sections: dict[str, Callable[[Setting], Any]] = {
        "overhead": overhead,
        "speed": partial(speed, data=data),
        "seams": seams,
        "flicker": partial(flicker, data=data),
        "large_picture": large_picture,
    }
    found: dict[str, Any] = {"left_out": {}}
    for name, section in sections.items():
        tell(f"measuring: {name.replace('_', ' ')}")
        try:
            found[name] = section(setting)
        except (UserError, ModuleNotFoundError, OSError, subprocess.CalledProcessError) as error:
            found["left_out"][name] = str(error)
            tell(f"left out: {name.replace('_', ' ')}: {error}")
    return found


def _video(data: Path) -> Path:
    return data / "video" / "bunny_640x360.mp4"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the record; the exit status is 1 if something was left out."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("-o", "--output", type=Path, help="the record (JSON)")
    options.add_argument("--threads", type=int, default=2, help="of the engines")
    options.add_argument("--rehearse", action="store_true", help="as little as possible of everything")
    asked = options.parse_args(arguments)
    data = Path(os.environ.get("BRUSHLET_DATA", "../shared/data"))
    setting = REHEARSAL if asked.rehearse else Setting(threads=asked.threads)
    load = measure_load()
    for warning in load.warnings():
        print(f"warning: {warning}", file=sys.stderr)
    found = measure(setting, data, lambda line: print(line, file=sys.stderr, flush=True))
    environment = {"machine": describe_this_machine().to_json(), "load_before": load.to_json()}
    record = {"command": "python -m tests.bench.runtime_figures", **vars(setting), **environment, **found}
    if asked.output is not None:
        asked.output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(asked.output, (json.dumps(record, indent=1) + "\n").encode())
    print(table(found))
    return int(bool(found["left_out"]))


if __name__ == "__main__":
    sys.exit(main())
