"""Engines run graphs. Each is one file, registered here by name and imported when it is first used."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from runtime.errors import UserError


class Engine(Protocol):
    """A graph that is ready to run. `run` may be called from several threads at once.

    One that was built for pictures of certain sizes says so in `content_sizes`, a tuple of `runtime.tiles.SizeRange`.
    One whose `takes_bytes` is true takes "content" as uint8 (1, H, W, 3) too, and then gives "picture" like that.
    """

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name.

        Raises:
            UserError: the feeds do not fit the graph, or it fails on them.
        """
        ...

    def close(self) -> None:
        """Give back what the engine holds; it cannot run afterwards."""
        ...


class EngineKind(NamedTuple):
    """Where an engine's class is, and the format of graphs that it runs.

    The class is called as ``Class(path, threads=..., **options)``. One that only paints leaves the style and measure
    graphs to `PLAIN_ENGINE`.
    """

    module: str
    cls: str
    format: str
    only_paints: bool = False


ENGINES = {
    "onnxruntime": EngineKind("runtime.engines.onnxruntime_engine", "OnnxRuntimeEngine", "onnx"),
    "openvino": EngineKind("runtime.engines.openvino_engine", "OpenVinoEngine", "onnx"),
    "coreml": EngineKind("runtime.engines.coreml_engine", "CoreMlEngine", "coreml", only_paints=True),
    "tensorrt": EngineKind("runtime.engines.tensorrt_engine", "TensorRtEngine", "tensorrt"),
    "tensorrt-rtx": EngineKind("runtime.engines.tensorrt_engine", "TensorRtEngine", "tensorrt-rtx"),
}
#: Runs the small graphs, which are used once per style and picture, beside an engine that has the painter only.
PLAIN_ENGINE = "onnxruntime"


def open_engine(name: str, path: str | Path, threads: int | None = None, **options: Any) -> Engine:
    """Load the graph at `path` into the engine of that name.

    Args:
        threads: worker threads; None leaves the choice to the engine.
        options: what that engine understands, such as `providers` of onnxruntime.

    Raises:
        UserError: no such engine, it is not installed, or it cannot load the graph.
    """
    require_engine(name)
    kind = ENGINES[name]
    return getattr(import_module(kind.module), kind.cls)(Path(path), threads=threads, **options)


def require_engine(name: str) -> None:
    """Check the name of an engine without importing it.

    Raises:
        UserError: there is no such engine; the nearest name is suggested.
    """
    if name not in ENGINES:
        near = get_close_matches(name, ENGINES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(sorted(ENGINES))}"
        raise UserError(f"there is no engine {name!r}: {hint}")
