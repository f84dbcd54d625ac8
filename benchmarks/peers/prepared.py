"""A peer that is ready to be loaded: its graph files and what they take, as a small JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class PreparedPeer:
    """What `benchmarks.peers.convert` made and `benchmarks.peers.run_peer` loads.

    Attributes:
        graphs: paths of the files by role: "content", and "style" unless it has one style only.
        multiple: sides of a content must be multiples of this, in pixels.
        size: the one size that its graph takes; None for any.
    """

    name: str
    description: str
    engine: str
    precision: str
    graphs: dict[str, str]
    multiple: int = 1
    size: int | None = None

    @property
    def fixed_style(self) -> bool:
        return "style" not in self.graphs

    @classmethod
    def load(cls, path: str | Path) -> PreparedPeer:
        return cls(**json.loads(Path(path).read_text()))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))
