"""The job of making all peers ready, in a process of its own: torch is in no measuring process then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.job import Job
from benchmarks.peers import PeerAbsent
from benchmarks.peers.convert import prepare_peer


def prepare_job(job: Job) -> dict[str, Any]:
    """``prepared``: JSON files (see `PreparedPeer`) by name; ``absent``: reasons by name."""
    prepared, absent = {}, {}
    for name in job.extra["names"]:
        try:
            prepared[name] = str(prepare_peer(name, Path(job.extra["weights"]), Path(job.extra["folder"])))
        except PeerAbsent as reason:
            absent[name] = str(reason)
    return {"prepared": prepared, "absent": absent}
