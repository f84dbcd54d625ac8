"""The engines of a bundle's graphs, each loaded when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from runtime.bundle import Bundle, BundleError
from runtime.engines import ENGINES, PLAIN_ENGINE, Engine, open_engine, require_engine


class BundleEngines:
    """Loads and runs the "style", "measure" and "paint" graphs of a bundle; usable from several threads.

    Style and measure graphs that the bundle lacks in that precision or for that engine run as fp32 in ONNX Runtime.

    Args:
        name: of the engine, see `runtime.engines`.
        threads: its worker threads; None leaves it to the engine.
        target: which of several engines that were built for different machines, such as "sm89".
        options: passed to the engine.

    Raises:
        UserError: no such engine, or the bundle has no paint graph for it.
    """

    def __init__(
        self,
        bundle: Bundle,
        name: str,
        threads: int | None,
        precision: str,
        target: str | None,
        options: Mapping[str, Any],
    ) -> None:
        require_engine(name)
        bundle.graph("paint", precision, ENGINES[name].format, target)
        self._bundle, self._name, self._threads = bundle, name, threads
        self._precision, self._target, self._options = precision, target, options
        self._open: dict[str, Engine] = {}
        self._lock = threading.Lock()
        self._closed = False

    def engine(self, role: str) -> Engine:
        """The engine of a graph, loaded at the first call.

        Raises:
            UserError: the bundle has no such graph, or the engine cannot load it.
            ValueError: they are closed.
        """
        with self._lock:
            if self._closed:
                raise ValueError("the stylizer is closed")
            if role not in self._open:
                self._open[role] = self._load(role)
            return self._open[role]

    def run(self, role: str, feeds: Mapping[str, np.ndarray], output: str, shape: tuple[int, ...]) -> np.ndarray:
        """The output of that name, float32 of that shape; its numbers may be anything.

        Raises:
            BundleError: the graph gives something else.
            UserError: as `engine`, or the graph fails.
        """
        array = self.engine(role).run(feeds).get(output)
        if array is None or array.shape != shape:
            found = "no such output" if array is None else f"shape {array.shape}"
            name = self._bundle.manifest.name
            raise BundleError(f"the {role} graph of {name} should give '{output}' {shape} but gives {found}")
        return array

    def not_finite(self, role: str) -> BundleError:
        """What to raise where a graph gave numbers that are not finite."""
        return BundleError(f"the {role} graph of {self._bundle.manifest.name} gave numbers that are not finite")

    def close(self) -> None:
        """Free the engines."""
        with self._lock:
            self._closed = True
            for engine in self._open.values():
                engine.close()
            self._open.clear()

    def _load(self, role: str) -> Engine:
        kind, precision = ENGINES[self._name], self._precision
        if role != "paint" and not self._bundle.holds(role, precision, kind.format):
            precision = "fp32"
        if role != "paint" and (kind.only_paints or not self._bundle.holds(role, precision, kind.format)):
            return open_engine(PLAIN_ENGINE, self._bundle.path(self._bundle.graph(role)), self._threads)
        graph = self._bundle.graph(role, precision, kind.format, self._target)
        return open_engine(self._name, self._bundle.path(graph), self._threads, **self._options)
