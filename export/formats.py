"""Export targets by name. To add one, write a module with a function like `Write` and give it a line in `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import nn

from export.options import ExportOptions
from runtime.bundle import Graph
from runtime.errors import UserError


@dataclass(frozen=True)
class Request:
    """What a format is asked to write.

    Attributes:
        student: in eval mode on the CPU, float32; rounded to fp16 numbers if ``compact``.
        folder: the bundle as it is being made: it holds what earlier formats wrote. Files go here.
        precision: one of the format's.
        compact: weights are to be stored in two bytes where that is exact.
        log: tells the user one line.
        provenance: where the student comes from, as in the manifest.
        trained_on: its own photos and paintings, where they are still to be found.
        codes: of paintings, by name, (2, M) each, where the student has a style library that ships.
    """

    student: nn.Module
    folder: Path
    precision: str
    compact: bool = True
    options: ExportOptions = field(default_factory=ExportOptions)
    log: Callable[[str], None] = lambda line: None
    provenance: dict[str, Any] = field(default_factory=dict)
    trained_on: Mapping[str, Path] | None = None
    codes: Mapping[str, np.ndarray] | None = None

    @property
    def calibration(self) -> Path | Mapping[str, Path] | None:
        """Where the pictures to calibrate with are, as `export.calibration` takes it."""
        return self.options.calibration or self.trained_on


class Evidence(Protocol):
    """A measurement that goes into the manifest."""

    def to_json(self) -> dict[str, Any]:
        """JSON with at least ``role``, ``format``, ``precision``, ``psnr`` in dB and ``gate``."""
        ...


@dataclass(frozen=True)
class Written:
    """What a format put into the bundle's folder.

    Attributes:
        parity: how near to the student in torch each graph, or the picture, is.
        evidence: what else was found out on the way (layers by sensitivity, the builder's report): JSON for people.
    """

    graphs: tuple[Graph, ...]
    parity: tuple[Evidence, ...]
    evidence: dict[str, Any] = field(default_factory=dict)


class PartlyWritten(UserError):
    """Not what was asked for could be made, but something on the way to it: ``written`` goes into the bundle."""

    def __init__(self, message: str, written: Written) -> None:
        super().__init__(message)
        self.written = written


#: Writes files into the request's folder. Raises UserError when a gate is missed or the files cannot be made.
Write = Callable[[Request], Written]


class Format(NamedTuple):
    """A format.

    Attributes:
        module, function: where its `Write` function is.
        precisions: what it can be written in; the first is the default.
        packages: whose versions its files depend on.
        extra: the extra of brushlet that brings them.
    """

    module: str
    function: str
    precisions: tuple[str, ...]
    packages: tuple[str, ...]
    extra: str = "export"

    def load(self) -> Write:
        """The writing function; importing it may need an extra."""
        return getattr(import_module(self.module), self.function)


_ONNX = ("onnx", "onnxslim", "onnxruntime")
FORMATS = {
    "onnx": Format("export.onnx_files", "write_onnx", ("fp32", "fp16", "int8"), _ONNX),
    "tensorrt": Format(
        "export.to_tensorrt", "write_tensorrt", ("fp16", "fp32", "int8"), (*_ONNX, "tensorrt"), "tensorrt"
    ),
    "tensorrt-rtx": Format(
        "export.to_tensorrt",
        "write_tensorrt_rtx",
        ("fp16", "fp32", "int8"),
        (*_ONNX, "tensorrt-rtx-cu13"),
        "tensorrt-rtx",
    ),
    "coreml": Format("export.to_coreml", "write_coreml", ("fp16", "int8", "palettized"), ("coremltools",), "coreml"),
}


class Target(NamedTuple):
    """A format in a precision, and the machine it is for where that matters."""

    format: str
    precision: str
    machine: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


BASE = Target("onnx", "fp32")


def plan_targets(formats: Sequence[str], precisions: Sequence[str], options: ExportOptions) -> tuple[Target, ...]:
    """Every format in every precision that it has; without precisions, in its default one.

    Raises:
        UserError: an unknown format, or a precision that none of the formats has.
    """
    chosen = [(name, find_format(name)) for name in dict.fromkeys(formats)]
    for precision in precisions:
        if not any(precision in format.precisions for _, format in chosen):
            offers = "; ".join(f"{name} has {', '.join(format.precisions)}" for name, format in chosen)
            raise UserError(f"there is no precision '{precision}' here: {offers}")
    return tuple(
        Target(name, precision, options.gpu or "" if name.startswith("tensorrt") else "")
        for name, format in chosen
        for precision in (dict.fromkeys(precisions) or format.precisions[:1])
        if precision in format.precisions
    )


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        UserError: there is none; the nearest name, or all, are told.
    """
    if name not in FORMATS:
        near = get_close_matches(name, FORMATS, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"there is {', '.join(sorted(FORMATS))}"
        raise UserError(f"there is no format '{name}': {hint}")
    return FORMATS[name]
