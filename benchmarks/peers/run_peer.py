"""Peers as callables on pictures: a style picture becomes codes, a content and codes a painted picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.macs import onnx_macs
from benchmarks.peers.litert import LiteRtGraph, litert_macs
from benchmarks.peers.prepared import PreparedPeer
from runtime.engines import open_engine
from runtime.framing import pad, resize, style_crop, to_picture, to_tensor

#: What a style side gives; empty for a peer with one style.
Code = tuple[np.ndarray, ...]


class LoadedPeer(Protocol):
    """A peer that is ready to run. Pictures are uint8 (H, W, 3)."""

    def code(self, style: np.ndarray) -> Code:
        """What the style side gives for a picture; empty for a peer with one style."""

    def feeds(self, content: np.ndarray, code: Code) -> Any:
        """The inputs of the content side, ready."""

    def run(self, feeds: Any) -> np.ndarray:
        """The content side alone: its output as it comes."""

    def paint(self, content: np.ndarray, code: Code) -> np.ndarray:
        """One content pass: picture in memory to picture in memory, of the content's size."""

    def macs(self, height: int, width: int) -> int:
        """Multiplications with addition of the content side for a picture of that size."""


def open_peer(prepared: PreparedPeer, threads: int | None) -> LoadedPeer:
    """Load it. Raises UserError or PeerAbsent where that is not possible."""
    return LiteRtPeer(prepared, threads) if prepared.engine == "litert" else OnnxPeer(prepared, threads)


class OnnxPeer:
    """A peer whose graphs are ONNX, in an engine for these, with the settings that students run with."""

    def __init__(self, prepared: PreparedPeer, threads: int | None) -> None:
        self._path, self._multiple = Path(prepared.graphs["content"]), prepared.multiple
        self._content = open_engine(prepared.engine, self._path, threads)
        self._style = None if prepared.fixed_style else open_engine(prepared.engine, prepared.graphs["style"], threads)

    def code(self, style: np.ndarray) -> Code:
        if self._style is None:
            return ()
        outputs = self._style.run({"style": to_tensor(style_crop(style))})
        return tuple(outputs[name] for name in sorted(outputs))

    def feeds(self, content: np.ndarray, code: Code) -> dict[str, np.ndarray]:
        padded, _ = pad(content, self._multiple, 0, "edge")
        return {"content": to_tensor(padded), **{f"code_{number}": value for number, value in enumerate(code)}}

    def run(self, feeds: dict[str, np.ndarray]) -> np.ndarray:
        return self._content.run(feeds)["picture"]

    def paint(self, content: np.ndarray, code: Code) -> np.ndarray:
        height, width = content.shape[:2]
        return to_picture(self.run(self.feeds(content, code))[:, :, :height, :width])

    def macs(self, height: int, width: int) -> int:
        sides = (-(-side // self._multiple) * self._multiple for side in (height, width))
        return onnx_macs(self._path, {"content": (1, 3, *sides)})


class LiteRtPeer:
    """A peer in LiteRT whose graphs take one size: other contents are scaled to it and back."""

    def __init__(self, prepared: PreparedPeer, threads: int) -> None:
        self._path = Path(prepared.graphs["content"])
        self._content = LiteRtGraph(self._path, threads)
        self._style = LiteRtGraph(Path(prepared.graphs["style"]), threads)
        shapes = self._content.input_shapes
        self._picture = next(place for place, shape in enumerate(shapes) if shape[-1] == 3)
        self._sides = shapes[self._picture][1:3]

    def code(self, style: np.ndarray) -> Code:
        side = self._style.input_shapes[0][1]
        crop = style_crop(style)
        top, left = ((length - min(crop.shape[:2])) // 2 for length in crop.shape[:2])
        square = crop[top : top + min(crop.shape[:2]), left : left + min(crop.shape[:2])]
        return (self._style.run([_channels_last(resize(square, side, side))]),)

    def feeds(self, content: np.ndarray, code: Code) -> list[np.ndarray]:
        picture = _channels_last(resize(content, *self._sides))
        return [picture, *code] if self._picture == 0 else [*code, picture]

    def run(self, feeds: list[np.ndarray]) -> np.ndarray:
        return self._content.run(feeds)

    def paint(self, content: np.ndarray, code: Code) -> np.ndarray:
        painted = self.run(self.feeds(content, code))[0]
        levels = (np.clip(painted, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        return resize(levels, *content.shape[:2])

    def macs(self, height: int, width: int) -> int:
        return litert_macs(self._path)


def _channels_last(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> float32 (1, H, W, 3) in [0, 1]."""
    return rgb[None].astype(np.float32) * np.float32(1 / 255)
