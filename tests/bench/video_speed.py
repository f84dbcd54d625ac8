"""How fast videos are painted: the engine alone, the painting with all that steadies it, and from file to file.

The ways are measured in turns, several times, and the best of each is shown with the median: other work on the machine
only ever adds time.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Column, Table

from runtime import Stylizer, UserError
from runtime.affine import Affine
from runtime.video.read_video import Frame, VideoReader
from runtime.video.steadiness import UNSTEADY, Steadiness

PARTS = ("engine", "each frame on its own", "steady", "file to file")


def parts(
    stylizer: Stylizer, style: str, clip: Path, frames: list[Frame], folder: Path
) -> dict[str, Callable[[], float]]:
    """What is measured: each gives frames per second."""
    code = stylizer.style(style)
    affine = stylizer.affine(frames[0].rgb, code)
    feeds = _feeds(stylizer, frames[0].rgb, affine)

    def engine() -> float:
        engine = stylizer.engine("paint")
        return _fps(lambda: [engine.run(feeds) for _ in frames], len(frames))

    def painting(steadiness: Steadiness) -> float:
        painter = stylizer.frames(code, 1.0, steadiness)
        return _fps(lambda: [painter(frame.rgb, frame.seconds) for frame in frames], len(frames))

    return {
        "engine": engine,
        "each frame on its own": lambda: painting(UNSTEADY),
        "steady": lambda: painting(Steadiness()),
        "file to file": lambda: stylizer.video(clip, code, folder / "out.mp4").fps,
    }


def measure(
    clip: Path, style: str, models: list[str], engines: list[str], precisions: list[str], threads: int, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Frames per second by combination and part, one number for each round."""
    with VideoReader(clip) as reader:
        frames = [item for item in reader if isinstance(item, Frame)][:72]
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for model, engine, precision in ((m, e, p) for m in models for e in engines for p in precisions):
                name = f"{model} {engine} {precision}"
                try:
                    with Stylizer.load(model, engine, threads, precision=precision) as stylizer:
                        for part, fps in parts(stylizer, style, clip, frames, Path(folder)).items():
                            found.setdefault(name, {}).setdefault(part, []).append(fps())
                except UserError as error:
                    Console(stderr=True).print(f"left out: {name}: {error}")
    return found


def _feeds(stylizer: Stylizer, rgb: np.ndarray, affine: list[Affine]) -> dict[str, np.ndarray]:
    from runtime import framing

    padded, _ = framing.pad(rgb, stylizer.student.size_multiple, 16, "reflect")
    feeds = {"content": framing.to_tensor(padded)}
    for index, (scale, shift) in enumerate(affine):
        feeds[f"scale_{index}"], feeds[f"shift_{index}"] = scale, shift
    return feeds


def _fps(work: Callable[[], object], frames: int) -> float:
    begun = time.perf_counter()
    work()
    return frames / (time.perf_counter() - begun)


def main(
    clip: Annotated[Path | None, typer.Option(help="A video; that of $BRUSHLET_DATA, 640x360.")] = None,
    style: Annotated[str, typer.Option(help="As in brushlet stylize.")] = "the_ninth_wave",
    model: Annotated[list[str] | None, typer.Option(help="A bundle or a student that ships; both of them.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="onnxruntime and openvino.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="fp32 and int8.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of the engine.")] = os.cpu_count() or 2,
    rounds: Annotated[int, typer.Option(help="How often everything is measured.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON record instead of a table.")] = False,
) -> None:
    """Measure frames per second.

    Example: python -m tests.bench.video_speed --model adain-w0125 --engine openvino --precision int8
    """
    data = Path(os.environ.get("BRUSHLET_DATA", "../shared/data"))
    found = measure(
        clip or data / "video" / "bunny_640x360.mp4",
        style,
        model or ["adain-w025", "adain-w0125"],
        engine or ["onnxruntime", "openvino"],
        precision or ["fp32", "int8"],
        threads,
        rounds,
    )
    if as_json:
        print(json.dumps({"threads": threads, "fps": found}, indent=1))
        return
    table = Table(
        Column("student, engine, precision", no_wrap=True),
        *PARTS,
        title=f"Frames per second, best (median), {threads} threads",
    )
    for name, row in found.items():
        table.add_row(name, *(f"{max(row[part]):.1f} ({statistics.median(row[part]):.1f})" for part in PARTS))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
