"""How many multiplications one content pass of each target takes, as a measuring process's job."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.entrants import graphs_run
from benchmarks.job import Job, Target
from benchmarks.macs import onnx_macs
from benchmarks.peers.prepared import PreparedPeer
from benchmarks.peers.run_peer import open_peer
from runtime.bundle import Bundle, open_bundle
from runtime.framing import pad, thumbnail
from runtime.stylizer import Stylizer

#: What a Stylizer adds around the content unless it is told otherwise.
MARGIN = signature(Stylizer).parameters["margin"].default


def count_job(job: Job) -> dict[str, Any]:
    """``macs``: for each size of ``job.extra["sizes"]`` a list with a number, or None, for each target."""
    return {"macs": [[_count(target, size) for target in job.targets] for size in job.extra["sizes"]]}


def _count(target: Target, size: int) -> int | None:
    try:
        if target.kind == "peer":
            return open_peer(PreparedPeer.load(target.source), threads=1).macs(size, size)
        if target.kind == "bundle":
            return _bundle_macs(open_bundle(target.source), target, size)
    except (ModuleNotFoundError, ValueError):  # no onnx here, or a graph whose shapes it cannot tell
        return None
    return None


def _bundle_macs(bundle: Bundle, target: Target, size: int) -> int | None:
    """Of the graphs that see the content: its thumbnail measured, and itself painted with the margin around it."""
    graphs = {graph.role: graph for graph in graphs_run(bundle, target.engine, target.precision)}
    if any(graph.format != "onnx" for graph in graphs.values()):
        return None
    student, picture = bundle.manifest.student, np.zeros((size, size, 3), np.uint8)
    padded, _ = pad(picture, student.size_multiple, MARGIN, "edge")
    small = thumbnail(picture, student.thumbnail, student.size_multiple)
    flat = {
        f"{name}_{index}": (1, site.channels, 1, 1)
        for index, site in enumerate(student.sites)
        for name in ("scale", "shift")
    }
    total = onnx_macs(bundle.path(graphs["paint"]), {"content": (1, 3, *padded.shape[:2]), **flat})
    if "measure" in graphs:
        total += onnx_macs(Path(bundle.path(graphs["measure"])), {"thumbnail": (1, 3, *small.shape[:2])})
    return total
