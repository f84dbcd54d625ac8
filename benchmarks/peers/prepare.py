"""The job of making all peers ready, in a process of its own: torch is in no measuring process then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.job import Job
from benchmarks.peers import PeerAbsent
from benchmarks.peers.convert import prepare_peer
from benchmarks.peers.variants import variants_of


def prepare_job(job: Job) -> dict[str, Any]:
    """``prepared``: files of `PreparedPeer`, one for each engine and precision; ``absent``: names and reasons."""
    extra, prepared, absent = job.extra, [], []
    for name in extra["names"]:
        try:
            path = prepare_peer(name, Path(extra["weights"]), Path(extra["folder"]))
        except PeerAbsent as reason:
            absent.append((name, str(reason)))
            continue
        for variant, why_not in variants_of(path, extra["engines"], extra["precisions"]):
            if variant is not None:
                prepared.append(str(variant))
            else:
                absent.append((name, str(why_not)))
    return {"prepared": prepared, "absent": absent}
