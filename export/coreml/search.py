"""How much a graph can be compressed: tried in torch on tuning pictures, before anything is converted.

Every trial changes one graph and looks at the pictures, painted with the other graphs as they are. What passes here
has some room left to its gate, because the files are judged on other pictures and sizes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from export.coreml.app_graphs import AppGraph, Inputs
from export.coreml.compress import (
    Levels,
    compressible,
    correct_biases,
    find_levels,
    with_int8_inputs,
    with_int8_weights,
    with_palettes,
)
from export.coreml.parity import likeness
from export.fidelity import Gate

Graphs = Mapping[str, AppGraph]
PALETTE_BITS = (4, 6, 8)
#: What pictures in torch have to be better by than the gate: dB, and a fraction of the shift.
_SPARE_PSNR, _SPARE_SHIFT = 2.0, 0.75


@dataclass(frozen=True)
class Sensitivity:
    """What compressing one layer alone does to the pictures: their PSNR in dB."""

    layer: str
    psnr: float


@dataclass(frozen=True)
class Trials:
    """The graphs of a student, and the pictures to try changes of them on.

    Attributes:
        inputs: by role, what ranges and biases come from.
        tuning: by role, what changes are tried on: one entry per picture in each role.
    """

    graphs: Graphs
    inputs: Mapping[str, Sequence[Inputs]]
    tuning: Mapping[str, Sequence[Inputs]]
    gate: Gate

    @cached_property
    def expected(self) -> list[np.ndarray]:
        """The tuning pictures as they should be, (H, W, 3) in 0..255."""
        return [_picture(self.graphs["paint"].run(given)) for given in self.tuning["paint"]]

    def pictures(self, role: str, changed: AppGraph) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The tuning pictures as they should be, and with that graph in place of the role's own."""
        paint = self.graphs["paint"]
        for expected, own, given in zip(self.expected, self.tuning[role], self.tuning["paint"], strict=True):
            if role == "paint":
                yield expected, _picture(changed.run(given))
                continue
            content, *numbers = given
            numbers[list(paint.arrays).index(changed.output)] = changed.run(own)
            yield expected, _picture(paint.run((content, *numbers)))

    def psnr(self, role: str, changed: AppGraph) -> float:
        """Of all pictures together, in dB."""
        return likeness(self.pictures(role, changed)).psnr

    def passes(self, role: str, changed: AppGraph) -> bool:
        """Whether the pictures pass the gate with something to spare."""
        stricter = Gate(self.gate.psnr + _SPARE_PSNR, self.gate.shift * _SPARE_SHIFT)
        return likeness(self.pictures(role, changed)).passes(stricter)

    def corrected(self, role: str, changed: AppGraph) -> AppGraph:
        """``changed`` with its biases corrected, in place."""
        correct_biases(self.graphs[role], changed, {id(x[0]): x for x in self.inputs[role]}.values())
        return changed

    def rank(self, role: str, layers: Sequence[str], change: Callable[[str], AppGraph]) -> list[Sensitivity]:
        """The layers by what changing each alone costs, the costliest first."""
        found = [Sensitivity(name, self.psnr(role, change(name))) for name in layers]
        return sorted(found, key=lambda entry: (entry.psnr, entry.layer))


class Int8Inputs:
    """The painter with int8 weights, and 8-bit inputs for all convolutions but the first few of ``ranking``."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        paint = trials.graphs["paint"]
        self._rounded = with_int8_weights(paint)
        self.levels = find_levels(paint, trials.inputs["paint"])
        self.ranking = trials.rank(
            "paint", list(self.levels), lambda name: with_int8_inputs(paint, {name: self.levels[name]})
        )

    def __len__(self) -> int:
        return len(self.ranking) + 1

    def kept(self, step: int) -> dict[str, Levels]:
        """The levels of the inputs that are 8-bit with the ``step`` costliest in fp16."""
        restored = {entry.layer for entry in self.ranking[:step]}
        return {name: levels for name, levels in self.levels.items() if name not in restored}

    def graph(self, step: int) -> AppGraph:
        """The painter at that step: 0 quantises most, the last none of the inputs."""
        return self._trials.corrected("paint", with_int8_inputs(self._rounded, self.kept(step)))

    def first(self) -> int:
        """The first step whose pictures pass in torch; the last if none does."""
        return first_passing(len(self), lambda step: self._trials.passes("paint", self.graph(step)))


class PaletteBits:
    """A graph with palettes: step by step from 4 bits for every layer to 6 and 8, the most sensitive layers first."""

    def __init__(self, trials: Trials, role: str) -> None:
        self._trials, self._role = trials, role
        graph, fewest = trials.graphs[role], PALETTE_BITS[0]
        self.ranking = trials.rank(role, compressible(graph), lambda name: with_palettes(graph, {name: fewest}))

    def __len__(self) -> int:
        return len(self.ranking) * (len(PALETTE_BITS) - 1) + 1

    def bits(self, step: int) -> dict[str, int]:
        """Bits by layer at that step; each step raises one layer."""
        level, raised = divmod(step, len(self.ranking))
        return {entry.layer: PALETTE_BITS[level + (index < raised)] for index, entry in enumerate(self.ranking)}

    def graph(self, step: int) -> AppGraph:
        palettized = with_palettes(self._trials.graphs[self._role], self.bits(step))
        return self._trials.corrected(self._role, palettized)

    def first(self) -> int:
        """The first step whose pictures pass in torch, give or take a few; the last if none does."""
        return first_passing(len(self), lambda step: self._trials.passes(self._role, self.graph(step)))


def first_passing(count: int, passes: Callable[[int], bool]) -> int:
    """The first of ``count`` steps that passes if later ones are never worse, found by halving; else the last."""
    return min(bisect_left(range(count), True, key=passes), count - 1)


def _picture(planes: Tensor) -> np.ndarray:
    return planes[0].permute(1, 2, 0).numpy()
