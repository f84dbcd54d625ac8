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


def find_peers(
    request: PeerRequest, effort: Effort, sizes: Sequence[int], folder: Path, timeout: float
) -> tuple[list[Entrant], list[Absent]]:
    """Make the peers ready in ``folder``; which of them take part, and why the others do not.

    Raises UserError as `PeerRequest.require_sensible` does, and when the process that makes them ready fails.
    """
    names = choose_peers(request.names)
    extra = {"names": list(names), "weights": str(request.folder()), "folder": str(folder)}
    answer = run_isolated(Job("prepare", (), (), (), 0, 1, None, extra), timeout)
    pictures = request.suite.absent if request.suite is not None else ()
    absent = [Absent(*each) for each in (*pictures, *answer["absent"].items())]
    entrants = []
    for name, path in answer["prepared"].items():
        peer = PreparedPeer.load(path)
        others = [size for size in sizes if peer.size not in (None, size)]
        if others:
            asked = ", ".join(f"{size}x{size}" for size in others)
            absent.append(Absent(name, f"at {asked}: its graph is made for {peer.size}x{peer.size}"))
        if len(others) < len(sizes):
            entrants.append(_entrant(peer, path, replace(effort, budget=RIVAL_SECONDS)))
    return entrants, absent


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
