"""The file that holds a TensorRT engine: what it was built for, a SHA-256, and the engine itself.

TensorRT calls a serialised engine a plan. It checks little of a plan before it reads it, and a plan may hold code, so
nothing is handed to TensorRT before this module has compared the digest. The layout, numbers little-endian::

    16 bytes   "brushlet engine" and a line feed
     4 bytes   version of this layout, 1
     4 bytes   N, the length of the facts
     8 bytes   P, the length of the plan
    32 bytes   SHA-256 of facts and plan
     N bytes   facts: UTF-8 JSON, filled up with blanks so that the plan starts at a multiple of 64
     P bytes   plan
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtime.errors import UserError
from runtime.json_fields import Fields

MAGIC = b"brushlet engine\n"
LAYOUT = 1
FLAVOURS = ("tensorrt", "tensorrt_rtx")
#: Bounds far above any real engine.
MOST_PLAN_BYTES = 2**31
MOST_FACTS_BYTES = 2**20
_HEADER = struct.Struct("<16sIIQ32s")
_ALIGNMENT = 64
_CAPABILITY = re.compile(r"[0-9]{1,3}\.[0-9]")
_MOST_TENSORS, _MOST_PROFILES, _MOST_DIMENSIONS = 1024, 16, 8

Shape = tuple[int, ...]


@dataclass(frozen=True)
class ShapeRange:
    """The least, usual and largest shape of an input under one profile."""

    least: Shape
    usual: Shape
    most: Shape

    def holds(self, shape: Shape) -> bool:
        """Whether every dimension lies in the range."""
        return len(shape) == len(self.least) and all(
            low <= size <= high for low, size, high in zip(self.least, shape, self.most, strict=True)
        )

    def __str__(self) -> str:
        sides = zip(self.least, self.most, strict=True)
        return "(" + ", ".join(str(low) if low == high else f"{low}..{high}" for low, high in sides) + ")"


@dataclass(frozen=True)
class EngineFacts:
    """What an engine was built for.

    Attributes:
        flavour: the Python module that built it and runs it.
        version: of that module, such as "10.3.0".
        precision: what was asked of the builder.
        compute_capabilities: of the GPUs it runs on, such as ("8.9",).
        newer_gpus: it also runs on GPUs of a higher compute capability than the least of those.
        version_compatible: later versions run it too; the plan then holds code for the processor as well.
        profiles: ranges of shapes it was built for: by profile, by input.
        onnx_sha256: of the graph it was built from.
    """

    flavour: str
    version: str
    precision: str
    compute_capabilities: tuple[str, ...]
    newer_gpus: bool
    version_compatible: bool
    profiles: tuple[Mapping[str, ShapeRange], ...]
    onnx_sha256: str

    def runs_on(self, capability: str) -> bool:
        """Whether a GPU of that compute capability, such as "8.9", runs it."""
        least = min(map(_ordered, self.compute_capabilities))
        return capability in self.compute_capabilities or (self.newer_gpus and _ordered(capability) >= least)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; `from_json` gives the same facts back."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, data: object, where: str) -> EngineFacts:
        """Check `data`.

        Raises:
            UserError: a field is missing or of the wrong type.
        """
        fields = Fields(data, where)
        return cls(
            flavour=fields.choice("flavour", FLAVOURS),
            version=fields.text("version", 40),
            precision=fields.text("precision", 40),
            compute_capabilities=tuple(_capabilities(fields)),
            newer_gpus=fields.boolean("newer_gpus"),
            version_compatible=fields.boolean("version_compatible"),
            profiles=tuple(_profile(fields, item) for item in fields.sequence("profiles", _MOST_PROFILES)),
            onnx_sha256=fields.text("onnx_sha256", 64),
        )


@dataclass(frozen=True)
class EngineFile:
    """An engine file that was found whole: its facts and its plan."""

    facts: EngineFacts
    plan: bytes


def seal(facts: EngineFacts, plan: bytes) -> bytes:
    """The contents of an engine file."""
    encoded = json.dumps(facts.to_json(), separators=(",", ":")).encode()
    encoded += b" " * (-(_HEADER.size + len(encoded)) % _ALIGNMENT)
    header = _HEADER.pack(MAGIC, LAYOUT, len(encoded), len(plan), _digest(encoded, plan))
    return header + encoded + plan


def read_engine_file(path: str | Path) -> EngineFile:
    """Read an engine file and check all of it.

    Raises:
        UserError: it cannot be read, is no engine file, or is damaged.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise UserError(f"there is no engine at {path}")
        size = path.stat().st_size
        if not _HEADER.size <= size <= MOST_PLAN_BYTES + MOST_FACTS_BYTES:
            raise UserError(f"{path} is not an engine file: it has {size} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    return unseal(data, str(path))


def unseal(data: bytes, where: str) -> EngineFile:
    """Take the contents of an engine file apart.

    Args:
        where: the file's name, for messages.

    Raises:
        UserError: they are of another kind, or damaged.
    """
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise UserError(f"{where} is not an engine file of brushlet: build it with 'brushlet export --format tensorrt'")
    _, layout, facts_size, plan_size, digest = _HEADER.unpack_from(data)
    if layout != LAYOUT:
        raise UserError(f"{where} has layout {layout}, not {LAYOUT}: update brushlet or build the engine again")
    start = _HEADER.size + facts_size
    if facts_size > MOST_FACTS_BYTES or len(data) != start + plan_size or not plan_size:
        raise UserError(f"{where} is damaged or incomplete: its length is not what it says")
    encoded, plan = data[_HEADER.size : start], data[start:]
    if _digest(encoded, plan) != digest:
        raise UserError(f"{where} is damaged: its SHA-256 differs; build the engine again")
    try:
        facts = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} does not say what it was built for: build the engine again") from error
    return EngineFile(EngineFacts.from_json(facts, where), plan)


def _ordered(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split("."))


def _digest(facts: bytes, plan: bytes) -> bytes:
    digest = hashlib.sha256(facts)
    digest.update(plan)
    return digest.digest()


def _capabilities(fields: Fields) -> list[str]:
    held = fields.sequence("compute_capabilities", 32)
    if not held or not all(isinstance(text, str) and _CAPABILITY.fullmatch(text) for text in held):
        raise fields.fail("compute_capabilities", "must hold numbers such as 8.9")
    return held


def _profile(fields: Fields, data: object) -> dict[str, ShapeRange]:
    if not isinstance(data, dict) or not 0 < len(data) <= _MOST_TENSORS:
        raise fields.fail("profiles", "must hold objects with a range of shapes for each input")
    return {str(name): _shape_range(fields, name, ranges) for name, ranges in data.items()}


def _shape_range(fields: Fields, name: str, data: object) -> ShapeRange:
    parts = [data.get(key) for key in ("least", "usual", "most")] if isinstance(data, dict) else []
    good = len(parts) == 3 and all(_is_shape(part) for part in parts)
    if not good or len({len(part) for part in parts}) != 1:
        raise fields.fail("profiles", f"must give '{name}' a least, a usual and a largest shape")
    found = ShapeRange(*(tuple(part) for part in parts))
    if not (found.holds(found.usual) and found.holds(found.most)):
        raise fields.fail("profiles", f"has shapes of '{name}' that are not in order")
    return found


def _is_shape(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MOST_DIMENSIONS
        and all(type(size) is int and 1 <= size <= 2**31 for size in value)
    )
