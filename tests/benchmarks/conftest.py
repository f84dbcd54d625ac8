"""Bundles and processes for the tests of benchmarks."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import Record, Request, bench
from runtime.bundle import open_bundle
from tests.loopback import changed, device, jetson, line, server, with_tensorrt  # noqa: F401 (fixtures)
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle that runs in a fraction of a millisecond."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small bundle with a second painter that goes by the name of int8, and what its export measured of both."""
    directory = make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "quantised")
    manifest = open_bundle(directory).manifest
    paint = next(graph for graph in manifest.graphs if graph.role == "paint")
    shutil.copy(directory / "paint.onnx", directory / "paint.int8.onnx")
    graphs = (*manifest.graphs, replace(paint, precision="int8", file="paint.int8.onnx"))
    parity = (
        {"role": "paint", "precision": "fp32", "format": "onnx", "psnr": 120.5},
        {"role": "paint", "precision": "int8", "format": "onnx", "psnr": 36.2},
        {"role": "picture", "precision": "int8", "format": "onnx", "psnr": 38.4},
        {"role": "style", "precision": "int8", "format": "onnx", "psnr": 20.0},
        {"role": "paint", "precision": "int8", "format": "coreml", "psnr": 33.0},
    )
    replace(manifest, graphs=graphs, parity=parity).write(directory)
    return directory


def workers_of(parent: int) -> list[int]:
    """Ids of the measuring processes that process ``parent`` started."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "stat").read_text().rsplit(")", 1)[1].split() if folder.name.isdigit() else []
            if words and int(words[1]) == parent and "benchmarks.worker" in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    return found


@pytest.fixture
def find_worker() -> Callable[[int], int]:
    """``find_worker(parent)`` waits for the measuring process of a process and returns its id."""

    def find(parent: int) -> int:
        for _ in range(200):
            if found := workers_of(parent):
                return found[0]
            time.sleep(0.05)
        raise AssertionError("no measuring process was started")

    if not Path("/proc/self/stat").exists():
        pytest.skip("looks for processes in /proc")
    return find


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Whether a process runs (a zombie does not)."""

    def alive(process: int) -> bool:
        try:
            os.kill(process, 0)
            return ") Z " not in Path(f"/proc/{process}/stat").read_text()
        except OSError:
            return False

    return alive


@pytest.fixture(scope="session")
def record(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A real record: two sizes, against another bundle, few runs."""
    other = make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "other", name="other")
    request = Request(str(tiny), sizes=(32, 64), threads=(1,), runs=6, seconds=0.02, rivals=(str(other),), power=False)
    return bench(request, ["brushlet", "bench", "tiny"])
