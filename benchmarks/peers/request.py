"""Which peers are asked for, where their weights are, and what pictures are judged on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers import PRECISIONS, choose_peers
from runtime.errors import UserError

if TYPE_CHECKING:
    from benchmarks.suite import SuitePictures

DATA = "BRUSHLET_DATA"


@dataclass(frozen=True)
class PeerRequest:
    """Which peers to measure beside the bundle, and what to judge everybody's pictures on.

    Attributes:
        names: none is all.
        weights: the folder below which their weights are; None is $BRUSHLET_DATA/weights.
        content, style: as in ``distill --content`` and ``--style``; None is what ships.
        precisions: what converted peers are measured in, of `benchmarks.peers.PRECISIONS`.
        pairs: how many held-back pairs to judge on; 0 judges nothing.
        suite: named pictures to judge on instead.
    """

    names: tuple[str, ...] = ()
    weights: str | None = None
    content: str | None = None
    style: str | None = None
    pairs: int = 32
    suite: SuitePictures | None = None
    precisions: tuple[str, ...] = ("fp32",)

    def require_sensible(self) -> None:
        """Raises UserError for a name or precision that no peer has, a folder that there is not, or too few pairs."""
        choose_peers(self.names)
        self.folder()
        for kind, source in (("content", self.content), ("style", self.style)):
            shards = source is not None and any(sign in source for sign in "{*")
            if source is not None and not shards and not Path(source).is_dir():
                raise UserError(f"--{kind}: {source} is not a folder of pictures")
        for precision in self.precisions:
            if precision not in PRECISIONS:
                raise UserError(f"--peer-precision must be {' or '.join(PRECISIONS)}, not {precision!r}")
        if not 0 <= self.pairs <= 10_000:
            raise UserError(f"--pairs must be from 0 to 10000, not {self.pairs}")

    def folder(self) -> Path:
        """Where the weights are, absolute."""
        named = os.environ.get(DATA)
        if self.weights is None and not named:
            raise UserError(f"name the folder with the peers' weights: --peer-weights PATH (or {DATA}, its parent)")
        folder = Path(named or "") / "weights" if self.weights is None else Path(self.weights)
        if not folder.is_dir():
            raise UserError(f"--peer-weights: {folder} is not a folder")
        return folder.absolute()

    def judging(self) -> dict[str, Any]:
        """What the process that judges has to know, as `Job.extra`."""
        what: dict[str, Any] = {
            "content": self.content and str(Path(self.content).absolute()),
            "style": self.style and str(Path(self.style).absolute()),
            "vgg19": self.judge_weights(),
            "pairs": self.pairs,
        }
        if self.suite is None:
            return what
        suite, paths = self.suite.suite, [[str(path) for path in pair] for pair in self.suite.pairs]
        named = {"named": paths, "side": suite.side, "judge": suite.judge, "artefacts": "artefacts" in suite.metrics}
        return {**what, "pairs": len(paths), **named}

    def judge_weights(self) -> str | None:
        """VGG-19 among the peers' weights, or None."""
        return next((str(path) for path in sorted(self.folder().rglob("vgg_normalised*.pth"))), None)
