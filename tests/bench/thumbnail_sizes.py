"""How small the thumbnail may be that a photo's statistics come from: ``python -m tests.bench.thumbnail_sizes``.

Each photo is painted in each of the student's own styles, with the statistics of thumbnails of several sizes and of
the photo as it is. The pictures are compared with those of the whole photo's statistics; beside it stands what
measuring takes, in turns in one process.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import copytree
from statistics import mean, median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from benchmarks.measure import Effort, Task, measure
from runtime import Stylizer, UserError, framing, open_bundle
from runtime.image_files import list_pictures, read_picture
from runtime.shipped import find_model

SIZES = (32, 64, 96, 128, 192, 256, 384)
#: Long side of the photos in pixels, which is also the size of the thumbnail that measures them whole.
WHOLE = 512


@dataclass(frozen=True)
class Row:
    """A size of thumbnail: PSNR in dB to the pictures of the whole photo's statistics, and milliseconds to measure."""

    size: int
    mean_db: float
    worst_db: float
    milliseconds: float


def compare(model: str, photos: Sequence[np.ndarray], sizes: Sequence[int], threads: int, effort: Effort) -> list[Row]:
    """One row for each size, in this process; ``photos`` are uint8 (H, W, 3)."""
    with TemporaryDirectory() as folder:
        pictures = {size: _paint(model, photos, size, threads, Path(folder)) for size in {*sizes, WHOLE}}
    spent = _measuring(model, photos[0], sizes, threads, effort)
    rows = []
    for size in sizes:
        found = [_psnr(one, whole) for one, whole in zip(pictures[size], pictures[WHOLE], strict=True)]
        rows.append(Row(size, mean(found), min(found), spent[size]))
    return rows


def _paint(model: str, photos: Sequence[np.ndarray], size: int, threads: int, folder: Path) -> list[np.ndarray]:
    """With a copy of the bundle whose manifest asks for thumbnails of this size."""
    copy = Path(copytree(find_model(model), folder / str(size)))
    manifest = open_bundle(copy).manifest
    replace(manifest, student=replace(manifest.student, thumbnail=size)).write(copy)
    with Stylizer.load(copy, threads=threads) as stylizer:
        return [stylizer(photo, style) for photo in photos for style in stylizer.style_names]


def _measuring(model: str, photo: np.ndarray, sizes: Sequence[int], threads: int, effort: Effort) -> dict[int, float]:
    with Stylizer.load(model, threads=threads) as stylizer:
        engine, multiple = stylizer.engine("measure"), stylizer.student.size_multiple
        feeds = {size: {"thumbnail": framing.thumbnail_tensor(photo, size, multiple)} for size in sizes}
        series = measure([Task(str(size), partial(engine.run, feeds[size]), effort) for size in sizes])
    return {int(one.name): median(one.samples_ns) / 1e6 for one in series}


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    pictures = (torch.from_numpy(each.astype(np.float32)) for each in (one, other))
    return min(100.0, float(peak_signal_noise_ratio(*pictures, data_range=255.0)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a Markdown table; the exit status is 1 where there are no photos."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="adain-w025")
    options.add_argument("--content", type=Path, required=True, help="a folder of photos")
    options.add_argument("--photos", type=int, default=24, help="how many of them")
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="long sides of thumbnails, in pixels")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--seconds", type=float, default=2, help="of measuring, at least")
    asked = options.parse_args(arguments)
    try:
        paths = list_pictures(asked.content)[: asked.photos]
        photos = [read_picture(path, long_side=WHOLE).scaled_down(WHOLE).on_white() for path in paths]
        if not photos:
            raise UserError(f"there are no pictures in {asked.content}")
        rows = compare(asked.model, photos, asked.sizes, asked.threads, Effort(runs=10, seconds=asked.seconds))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("| thumbnail, pixels | dB, mean | dB, worst | ms to measure |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.size} | {row.mean_db:.1f} | {row.worst_db:.1f} | {row.milliseconds:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
