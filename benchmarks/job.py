"""What a measuring process is asked to do, as JSON that goes through a pipe."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.measure import Effort

#: What can be measured of a subject, and what each includes.
PARTS = {
    "model": "the paint graph alone, its inputs ready",
    "end_to_end": "picture in memory to picture in memory, the style's code ready",
    "files": "photo to picture file: read and scaled down, stylized, encoded and written; the style's code ready",
    "style": "style picture in memory to its code",
    "both_pictures": "content and style picture in memory to picture in memory",
}


@dataclass(frozen=True)
class Target:
    """What to load: a bundle (``source`` is its directory), a teacher (its name) or a peer (its prepared JSON file)."""

    kind: str
    source: str
    engine: str = "onnxruntime"
    precision: str = "fp32"
    weights: str | None = None


@dataclass(frozen=True)
class Job:
    """One measuring process.

    ``purpose`` is "start" (load the one target, run it a few times: first run and memory) or "latency" (all targets
    interleaved) or "energy" (the one target alone, idle and running); ``parts`` names for each target what to measure,
    ``efforts`` how long, ``batch`` how many pictures at once. Or it is "prepare" (peers), "macs" or "judge"; what these
    need besides is in ``extra``, JSON.
    """

    purpose: str
    targets: tuple[Target, ...]
    parts: tuple[tuple[str, ...], ...]
    efforts: tuple[Effort, ...]
    size: int
    threads: int
    cpus: tuple[int, ...] | None
    extra: dict[str, Any] = field(default_factory=dict)
    batch: int = 1

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job that ``to_json`` wrote; both ends are this version of this package."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            purpose=data["purpose"],
            targets=tuple(Target(**target) for target in data["targets"]),
            parts=tuple(tuple(parts) for parts in data["parts"]),
            efforts=tuple(Effort(**effort) for effort in data["efforts"]),
            size=data["size"],
            threads=data["threads"],
            cpus=None if data["cpus"] is None else tuple(data["cpus"]),
            extra=data["extra"],
            batch=data["batch"],
        )
