"""Benchmark, not a test: what a very large picture costs, and that its tiles meet without seams.

    python -m tests.bench.any_size                      # 100 megapixels, from JPEG and PNG
    python -m tests.bench.any_size --megapixels 20 --json

Each row runs in a process of its own. Memory is the kernel's high-water mark of that process, less what it held when
the model was loaded and had painted a first small picture. Needs Linux and the extra "large".
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.memory import peak_bytes
from benchmarks.subjects import example_picture
from runtime import StyleCode, Stylizer, write_picture
from runtime.controls import Controls
from runtime.large_files import open_large
from runtime.stylize_large import paint_large

FORMATS = (("jpg", "jpg"), ("jpg", "png"), ("png", "png"), ("png", "tiff"))
#: What some library holds whole on the way.
HELD = (("progressive", "jpg"), ("jpg", "webp"), ("cmyk", "jpg"))
ENGINES = (("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("openvino", "fp32"), ("openvino", "int8"))
#: A picture that fits both ways: its sides are no multiples of anything.
BOTH_WAYS = (701, 1003)
TILE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=100, help="25 at least: smaller ones are not streamed")
    parser.add_argument("--model", default="adain-w025")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--held", action="store_true", help="formats that are held in memory instead of the others")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--paint", nargs=2, metavar=("FROM", "TO"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.paint:
        print(json.dumps(paint(options, *map(Path, options.paint))))
        return
    seams = [seam(options.model, *kind) for kind in ENGINES]
    with tempfile.TemporaryDirectory() as folder:
        sources = write_sources(Path(folder), options.megapixels)
        formats = HELD if options.held else FORMATS
        rows = [in_own_process(sources[a], Path(folder) / f"out.{b}", sys.argv[1:]) for a, b in formats]
    if options.json:
        print(json.dumps({"seams": seams, "pictures": rows}, indent=1))
        return
    for row in seams:
        line = (
            "{engine} {precision}: tiles of {tile} pixels differ by at most {most} of 255, {share:.2g} % by more than 1"
        )
        print(line.format(**row, share=100 * row["share_above_1"]))
    for row in rows:
        line = "{source} -> {target}, {width}x{height}: {peak:.0f} MB above the model, {seconds:.0f} s"
        print(line.format(**row, peak=row["bytes_above_model"] / 1e6))


def seam(model: str, engine: str, precision: str) -> dict[str, object]:
    """How far a picture painted in tiles is from the same picture painted in one piece."""
    height, width = BOTH_WAYS
    content = example_picture(max(BOTH_WAYS))[:height, :width]
    kind = {"engine": engine, "precision": precision}
    with Stylizer.load(model, **kind) as whole, Stylizer.load(model, tile=TILE, **kind) as tiled:
        code = whole.style(example_picture(256, seed=1))
        apart = np.abs(whole(content, code).astype(int) - tiled(content, code))
    share = float((apart.max(axis=2) > 1).mean())
    return {**kind, "tile": TILE, "most": int(apart.max()), "mean": float(apart.mean()), "share_above_1": share}


def write_sources(folder: Path, megapixels: float) -> dict[str, Path]:
    """A large picture, 4:3, as JPEG, also progressive and CMYK, and PNG."""
    import pyvips

    height = int(math.sqrt(megapixels * 1e6 * 3 / 4))
    tile = example_picture(1024)
    image = pyvips.Image.new_from_memory(tile.tobytes(), 1024, 1024, 3, "uchar").copy(interpretation="srgb")
    image = image.resize(4 / 3 * height / 1024, vscale=height / 1024)
    names = {"jpg": "jpg.jpg", "png": "png.png", "progressive": "progressive.jpg", "cmyk": "cmyk.jpg"}
    sources = {kind: folder / name for kind, name in names.items()}
    image.jpegsave(str(sources["jpg"]), Q=92)
    image.jpegsave(str(sources["progressive"]), Q=92, interlace=True)
    image.pngsave(str(sources["png"]), compression=1)
    image.colourspace("cmyk").jpegsave(str(sources["cmyk"]), Q=92)
    return sources


def in_own_process(source: Path, target: Path, options: list[str]) -> dict[str, object]:
    """Paint a picture from file to file; `options` are those of the command line."""
    command = [sys.executable, "-m", "tests.bench.any_size", *options, "--paint", str(source), str(target)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def paint(options: argparse.Namespace, source: Path, target: Path) -> dict[str, object]:
    kind = {"engine": options.engine, "precision": options.precision, "threads": options.threads}
    with Stylizer.load(options.model, **kind) as stylizer:
        code = stylizer.style(example_picture(256, seed=1))
        stylizer(example_picture(64), code)
        held = peak_bytes()
        start = time.perf_counter()
        height, width = _paint_file(stylizer, code, source, target)
        assert held is not None
        above = (peak_bytes() or 0) - held
    return {
        **{"source": source.stem, "target": target.suffix[1:], "width": width, "height": height},
        **{**kind, "bytes_above_model": above, "bytes_of_model": held, "seconds": time.perf_counter() - start},
    }


def _paint_file(stylizer: Stylizer, code: StyleCode, source: Path, target: Path) -> tuple[int, int]:
    """As ``brushlet stylize`` does: in strips where libvips can, in memory else; height and width."""
    large = open_large(source)
    if large is not None:
        paint_large(stylizer, lambda photo: code, large, target, Controls())
        return large.height, large.width
    painted = stylizer.stylize(source, code)
    write_picture(target, painted.rgb)
    return painted.height, painted.width


if __name__ == "__main__":
    main()
