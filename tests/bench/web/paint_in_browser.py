"""The paint graph in a browser, by onnxruntime-web: ``python -m tests.bench.web.paint_in_browser``.

Needs Chromium and npm, which fetches onnxruntime-web into a temporary folder unless ``--ort`` names an installed one.
Headless Chromium loads a page from a server on loopback, whose headers allow threads. The page posts every run's time
and the picture back, which is compared with ONNX Runtime's own. Native runs are timed before and after, since a browser
cannot take turns with another process.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import numpy as np

from benchmarks.measure import Effort, Task, measure
from runtime import UserError, open_bundle
from runtime.engines import open_engine
from runtime.shipped import find_model
from tests.bench.paint_in_ncnn import paint_inputs

VERSION = "1"  # of onnxruntime-web
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: The first runs compile and grow memory.
WARM_UP = 3
#: Likeness of the browser's picture to the native one, in dB. Where an int8 value falls between two levels, engines of
#: other versions may take the other one.
LEAST_PSNR = 45.0
MOST_POSTED = 2**28


@dataclass(frozen=True)
class Browsed:
    """What the page posted: its answer, and the picture's float32 values."""

    answer: dict[str, Any]
    picture: np.ndarray


class _Handler(SimpleHTTPRequestHandler):
    """Serves the folder, with the headers that let a page have threads, and takes what the page posts."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        name = self.path.strip("/")
        if name in ("picture", "result") and 0 < length <= MOST_POSTED:
            self.server.posted[name] = self.rfile.read(length)  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()
        if name == "result":
            self.server.done.set()  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the page's requests are of no interest."""


def browse(graph: Path, feeds: Mapping[str, np.ndarray], ort: Path, threads: int, runs: int, timeout: float) -> Browsed:
    """Run the graph in headless Chromium.

    Raises:
        UserError: there is no browser, or the page failed or did not answer in time.
    """
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:  # the browser's children outlive it for a moment
        folder = Path(name)
        shutil.copy(Path(__file__).with_name("page.html"), folder)
        shutil.copy(graph, folder / "paint.onnx")
        (folder / "ort").symlink_to(ort.resolve())
        (folder / "inputs").mkdir()
        for key, value in feeds.items():
            (folder / "inputs" / key).write_bytes(np.ascontiguousarray(value, "<f4").tobytes())
        inputs = [{"name": key, "shape": value.shape} for key, value in feeds.items()]
        (folder / "job.json").write_text(json.dumps({"threads": threads, "runs": runs, "inputs": inputs}))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=name))
        server.posted, server.done = {}, Event()  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            with _chromium(f"http://127.0.0.1:{server.server_port}/page.html", folder / "profile"):
                if not server.done.wait(timeout):  # type: ignore[attr-defined]
                    raise UserError(f"the page did not answer within {timeout:g} s")
        finally:
            server.shutdown()
            server.server_close()
        answer = json.loads(server.posted["result"])  # type: ignore[attr-defined]
        if "error" in answer:
            raise UserError(f"the page failed: {answer['error']}")
        return Browsed(answer, np.frombuffer(server.posted["picture"], "<f4"))  # type: ignore[attr-defined]


@contextmanager
def _chromium(address: str, profile: Path) -> Iterator[None]:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise UserError("there is no Chromium here: apt install chromium")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}")
    process = subprocess.Popen([browser, *flags, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def onnxruntime_web(given: Path | None) -> Iterator[Path]:
    """The package's folder with what browsers load: ``given``, or what npm fetches for as long as it is needed."""
    if given is not None:
        if not (given / "ort.wasm.min.mjs").exists():
            raise UserError(f"--ort: {given} is not the dist folder of onnxruntime-web")
        yield given
        return
    with TemporaryDirectory() as folder:
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"onnxruntime-web@{VERSION}"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            raise UserError(f"npm cannot fetch onnxruntime-web ({error}): name its dist folder with --ort") from error
        yield Path(folder) / "node_modules" / "onnxruntime-web" / "dist"


def main(arguments: list[str] | None = None) -> int:
    """Measure as asked and print it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("model", nargs="?", default="adain-w025", help="a bundle, or a student that ships")
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--precision", default="fp32")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--runs", type=int, default=30)
    options.add_argument("--timeout", type=float, default=300.0, help="seconds that the page may take")
    options.add_argument("--ort", type=Path, help="the dist folder of an installed onnxruntime-web")
    asked = options.parse_args(arguments)
    try:
        bundle = open_bundle(find_model(asked.model))
        graph = bundle.path(bundle.graph("paint", asked.precision, "onnx"))
        feeds = paint_inputs(asked.model, asked.size)
        engine = open_engine("onnxruntime", graph, asked.threads)
        task = Task("native", lambda: engine.run(feeds), Effort(runs=asked.runs, seconds=1.0))
        native = [*measure([task])[0].samples_ns]
        with onnxruntime_web(asked.ort) as ort:
            browsed = browse(graph, feeds, ort, asked.threads, WARM_UP + asked.runs, asked.timeout)
        native += measure([task])[0].samples_ns
        apart = browsed.picture - engine.run(feeds)["picture"].ravel()
        psnr = -10 * float(np.log10(np.square(apart).mean() + 1e-12))
        if not psnr >= LEAST_PSNR:
            raise UserError(f"the browser paints another picture: only {psnr:.1f} dB like the native one")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    web, own = median(browsed.answer["times"][WARM_UP:]), median(native) / 1e6
    print(f"the paint graph of {asked.model}, {asked.precision}, at {asked.size} px with {asked.threads} threads:")
    print(f"  browser {web:8.2f} ms ({web / own:.2f}x), loaded in {browsed.answer['load_ms']:.0f} ms")
    print(
        f"  native  {own:8.2f} ms; pictures {psnr:.0f} dB alike, {255 * np.abs(apart).max():.2g} levels apart at most"
    )
    print(f"  {browsed.answer['agent']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
