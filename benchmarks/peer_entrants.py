"""The peers that take part: found, made ready in a process of their own, and what is said of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.entrants import RIVAL_SECONDS, Entrant
from benchmarks.isolate import run_isolated
from benchmarks.job import Job, Target
from benchmarks.measure import Effort
from benchmarks.measurements import GraphFile
from benchmarks.peers import choose_peers
from benchmarks.peers.prepared import PreparedPeer
from benchmarks.peers.request import PeerRequest
from benchmarks.record import Absent
from runtime.bundle import sha256_of
from runtime.engines import ENGINES, PLAIN_ENGINE


def find_peers(
    request: PeerRequest,
    engines: Sequence[str],
    effort: Effort,
    sizes: Sequence[int],
    folder: Path,
    timeout: float,
) -> tuple[list[Entrant], list[Absent]]:
    """Make the peers ready in ``folder``; which of them take part, and why the others do not.

    Those that are converted to ONNX take part in each of the engines that run that, or in ONNX Runtime.

    Raises UserError as `PeerRequest.require_sensible` does, and when the process that makes them ready fails.
    """
    names, precisions = choose_peers(request.names), request.precisions
    answer = run_isolated(prepare_them(names, request.folder(), folder, engines, precisions), timeout)
    pictures = request.suite.absent if request.suite is not None else ()
    absent = [Absent(*each) for each in (*pictures, *answer["absent"])]
    entrants = []
    for path in answer["prepared"]:
        peer = PreparedPeer.load(path)
        others = [size for size in sizes if peer.size not in (None, size)]
        if others:
            asked = ", ".join(f"{size}x{size}" for size in others)
            absent.append(Absent(peer.name, f"at {asked}: its graph is made for {peer.size}x{peer.size}"))
        if len(others) < len(sizes):
            entrants.append(_entrant(peer, path, replace(effort, budget=RIVAL_SECONDS)))
    return entrants, absent


def prepare_them(
    names: Sequence[str], weights: Path, folder: Path, engines: Sequence[str], precisions: Sequence[str]
) -> Job:
    """The job that makes peers of these names ready in ``folder``; see `benchmarks.peers.prepare`."""
    able = [engine for engine in engines if ENGINES[engine].format == "onnx"]
    extra = {
        "names": list(names),
        "weights": str(weights),
        "folder": str(folder),
        "engines": able or [PLAIN_ENGINE],
        "precisions": list(precisions),
    }
    return Job("prepare", (), (), (), 0, 1, None, extra)


def _entrant(peer: PreparedPeer, path: str, effort: Effort) -> Entrant:
    parts = ("end_to_end", "model") if peer.fixed_style else ("end_to_end", "model", "style")
    return Entrant(
        Target("peer", path, peer.engine, peer.precision),
        peer.name,
        parts,
        effort,
        files=tuple(_file(role, peer, Path(graph)) for role, graph in sorted(peer.graphs.items())),
        fixed_style=peer.fixed_style,
        size=peer.size,
    )


def _file(role: str, peer: PreparedPeer, path: Path) -> GraphFile:
    return GraphFile(role, peer.precision, path.name, path.stat().st_size, sha256_of(path))
