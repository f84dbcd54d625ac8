"""How much painted videos flicker, frame by frame on its own and with what steadies them.

Clips with known motion are made of stills (`synthetic_clips`); on real clips, what is scored is how much the painting
changes from frame to frame where the original changes by less than two levels.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Column, Table

from runtime import StyleCode, Stylizer, list_pictures, read_picture
from runtime.framing import resize
from runtime.video.read_video import Frame, VideoReader
from runtime.video.steadiness import UNSTEADY, Steadiness
from tests.bench.synthetic_clips import HEIGHT, WIDTH, Clip, make_clip, pan, unrest, warping_error, zoom

RATE = 24
FRAMES = 24
NOISE = 3.0  # levels: a phone's sensor indoors
STILL_LEVELS = 2.0
NOISY = "still, sensor noise"
DEFAULT = Steadiness()
WAYS = {
    "each frame on its own": UNSTEADY,
    "steady statistics": Steadiness(DEFAULT.statistics, 0, DEFAULT.every),
    "blending": Steadiness(0, DEFAULT.blend, 0),
    "both (the default)": DEFAULT,
}
Score = Callable[[Sequence[np.ndarray]], float]


def scenes(still: np.ndarray) -> dict[str, tuple[Clip, Score]]:
    """Clips of a still, each with the score that fits it."""

    def flicker(t: int) -> float:
        return 1 + 0.03 * np.sin(2 * np.pi * t / 7)

    moving = {
        "pan, 0.3 px a frame": make_clip(still, FRAMES, pan(0.3), NOISE),
        "pan, 1.7 px a frame": make_clip(still, FRAMES, pan(1.7), NOISE),
        "zoom, 0.4 % a frame": make_clip(still, FRAMES, zoom(0.004), NOISE),
    }
    resting = {
        NOISY: make_clip(still, FRAMES, pan(0), NOISE),
        "still, lamp of ±3 %": make_clip(still, FRAMES, pan(0), exposure=flicker),
        "still, visitor comes in": make_clip(still, FRAMES, pan(0), visitor=True),
    }
    scored: dict[str, tuple[Clip, Score]] = {}
    for name, clip in {**moving, **resting}.items():
        scored[name] = clip, lambda frames, clip=clip: warping_error(frames, clip)
        if name == NOISY:
            scored[f"{NOISY}: deviation over time"] = clip, lambda frames, clip=clip: unrest(frames, clip)
    return scored


def paint(
    stylizer: Stylizer, code: StyleCode, frames: Sequence[np.ndarray], steadiness: Steadiness
) -> list[np.ndarray]:
    """The painted frames."""
    with stylizer.frames(code, 1.0, steadiness) as painter:
        return list(painter.paint_all(frames, RATE))


def change_where_still(frames: Sequence[np.ndarray], originals: Sequence[np.ndarray]) -> float:
    """Root mean square change from frame to frame, in levels, where the original's changes are below STILL_LEVELS."""
    squares, pixels = 0.0, 0
    for t in range(len(frames) - 1):
        still = np.abs(originals[t + 1].astype(np.int16) - originals[t]).max(axis=2) < STILL_LEVELS
        step = frames[t + 1].astype(np.float32) - frames[t]
        squares += float(np.square(step[still]).sum())
        pixels += int(still.sum()) * 3
    return (squares / max(pixels, 1)) ** 0.5


def distance_from_clean(
    stylizer: Stylizer, code: StyleCode, stills: Sequence[np.ndarray]
) -> dict[str, dict[str, float]]:
    """What steadiness costs: how far paintings of noisy clips are from the painting of the same without noise.

    Root mean square in levels: noise moves a picture away from the clean one, and so does what lags behind.
    """
    found: dict[str, dict[str, float]] = {}
    for scene, view in {"still": pan(0), "pan, 0.3 px a frame": pan(0.3), "pan, 1.7 px a frame": pan(1.7)}.items():
        for noise in (0.0, NOISE):
            row = {way: 0.0 for way in WAYS}
            for still in stills:
                clean = paint(stylizer, code, make_clip(still, FRAMES, view).frames, UNSTEADY)
                noisy = make_clip(still, FRAMES, view, noise).frames
                for way, steadiness in WAYS.items():
                    row[way] += _distance(paint(stylizer, code, noisy, steadiness), clean) / len(stills)
            found[f"{scene}, noise of {noise:g} levels"] = row
    return found


def _distance(frames: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    return float(
        np.sqrt(np.mean([np.square(a.astype(np.float32) - b).mean() for a, b in zip(frames, others, strict=True)]))
    )


def score_all(
    stylizer: Stylizer, code: StyleCode, stills: Sequence[np.ndarray], clips: dict[str, list[np.ndarray]]
) -> dict[str, dict[str, float]]:
    """By scene and way, the mean score over all stills; "original" is what the clip itself scores."""
    found: dict[str, dict[str, list[float]]] = {}

    def note(scene: str, frames: Sequence[np.ndarray], score: Score) -> None:
        row = found.setdefault(scene, {})
        row.setdefault("original", []).append(score(frames))
        for way, steadiness in WAYS.items():
            row.setdefault(way, []).append(score(paint(stylizer, code, frames, steadiness)))

    for still in stills:
        for scene, (clip, score) in scenes(still).items():
            note(scene, clip.frames, score)
    for name, frames in clips.items():
        note(f"{name}, where it rests", frames, lambda painted, frames=frames: change_where_still(painted, frames))
    return {scene: {way: float(np.mean(scores)) for way, scores in row.items()} for scene, row in found.items()}


def stills_of(folder: Path, count: int) -> list[np.ndarray]:
    size = round(1.5 * HEIGHT), round(1.5 * WIDTH)
    pictures = (read_picture(path).rgb for path in list_pictures(folder))
    landscape = [rgb for rgb in pictures if rgb.shape[1] > rgb.shape[0]]
    return [resize(rgb, *size) for rgb in landscape[:count]]


def frames_of(path: Path, most: int) -> list[np.ndarray]:
    if path.is_dir():
        return [read_picture(file).rgb for file in list_pictures(path)[:most]]
    with VideoReader(path) as reader:
        return [item.rgb for item in reader if isinstance(item, Frame)][:most]


def main(
    model: Annotated[str, typer.Option(help="A bundle, or a student that ships.")] = "adain-w025",
    style: Annotated[str, typer.Option(help="As in brushlet stylize.")] = "the_ninth_wave",
    stills: Annotated[Path | None, typer.Option(help="A folder of photos; $BRUSHLET_DATA/content/kodak.")] = None,
    count: Annotated[int, typer.Option(help="How many of them.")] = 4,
    clip: Annotated[
        list[Path] | None, typer.Option(help="Videos or folders of frames; those of BRUSHLET_DATA.")
    ] = None,
    most: Annotated[int, typer.Option(help="Frames of each clip at most.")] = 72,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON record instead of a table.")] = False,
) -> None:
    """Score flicker.

    Example: python -m tests.bench.video_flicker --model adain-w025 --style the_ninth_wave
    """
    data = Path(os.environ.get("BRUSHLET_DATA", "../shared/data"))
    paths = clip or [data / "video" / name for name in ("bunny_640x360.mp4", "sintel_mountain")]
    with Stylizer.load(model) as stylizer:
        code = stylizer.style(style)
        clips = {path.stem: frames_of(path, most) for path in paths}
        pictures = stills_of(stills or data / "content" / "kodak", count)
        scores = score_all(stylizer, code, pictures, clips)
        costs = distance_from_clean(stylizer, code, pictures)
    if as_json:
        print(json.dumps({"model": model, "style": style, "scores": scores, "distance_from_clean": costs}, indent=1))
        return
    table = Table(
        Column("clip", no_wrap=True),
        "original",
        *WAYS,
        title=f"Change from frame to frame, in levels of 255: {model}, {style}",
    )
    for scene, row in scores.items():
        table.add_row(scene, *(f"{row[way]:.2f}" for way in ("original", *WAYS)))
    cost = Table(
        Column("clip", no_wrap=True), *WAYS, title="Distance from the painting of the clip without noise, in levels"
    )
    for scene, row in costs.items():
        cost.add_row(scene, *(f"{row[way]:.2f}" for way in WAYS))
    Console().print(table, cost)


if __name__ == "__main__":
    typer.run(main)
