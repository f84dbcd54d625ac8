"""Export targets by name. To add one, write a module with a function like `WriteGraphs` and give it a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from torch import nn

from export.parity import Parity
from runtime.bundle import Graph
from runtime.errors import UserError


@dataclass(frozen=True)
class Written:
    """What a format put into the bundle's folder, and how near to torch it is."""

    graphs: tuple[Graph, ...]
    parity: tuple[Parity, ...]


#: (student, folder, compact) -> files in ``folder``; ``compact`` asks for weights in two bytes where that is exact.
#: Raises UserError when parity misses its gate.
WriteGraphs = Callable[[nn.Module, Path, bool], Written]

#: Module and function of each format, imported when the format is asked for.
FORMATS = {"onnx": ("export.onnx_files", "write_onnx")}


def find_format(name: str) -> WriteGraphs:
    """The writer of that format.

    Raises:
        UserError: there is none; the nearest name, or all, are told.
    """
    if name not in FORMATS:
        near = get_close_matches(name, FORMATS, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"there is {', '.join(sorted(FORMATS))}"
        raise UserError(f"there is no format '{name}': {hint}")
    module, function = FORMATS[name]
    return getattr(import_module(module), function)
