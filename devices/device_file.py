"""A device's TOML file, checked field by field. ``docs/devices.md`` describes the fields."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from typing import Any

from devices.device import (
    BASES,
    EXPORTS,
    KINDS,
    PRECISIONS,
    RULE_OF_THUMB,
    UNITS,
    Bandwidth,
    Device,
    Engine,
    Memory,
    Note,
    Part,
    Peak,
    PowerMode,
    Precisions,
    Recognition,
    Recommendation,
    Source,
)
from devices.errors import DeviceError
from devices.toml_fields import Fields

#: The longest file of the catalogue has some 5 kB.
LARGEST_FILE = 65536
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
COMPUTE_CAPABILITY = re.compile(r"\d{1,2}\.\d")
SIGNS = (
    "compatible", "device_tree_model", "apple_model", "cpu_name", "android_soc", "android_model", "gpu_name",
    "cpu_flags_absent",
)  # fmt: skip

# Bounds that only a slip of the unit passes: GFLOPS for TFLOPS, MB for GB.
MOST_TERA = 100_000
MOST_PER_CORE_CYCLE = 100_000
MOST_GIGABYTES = 10_000
MOST_GB_S = 100_000
MOST_WATTS = 10_000


def read_device(path: Path, own: bool) -> Device:
    """The device that a TOML file describes; its name is the file's.

    Raises:
        DeviceError: the file cannot be read, is no TOML, or a field is unknown, missing, of the wrong type, out of
            bounds, or names a source that is not there.
    """
    if not NAME.fullmatch(path.stem):
        raise DeviceError(f"{path.name!r}: a device's file is named in small letters, digits and -_. as my-board.toml")
    fields = Fields(parse_toml(path), path.name)
    sources = _sources(fields)
    device = _device(fields, sources, path, own)
    fields.end()
    return device


def parse_toml(path: Path) -> dict[str, Any]:
    """A TOML file of bounded size. Raises DeviceError: it cannot be read, is no plain file, too large, or no TOML."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DeviceError(f"{path}: this is not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise DeviceError(f"{path.name}: this is larger than a device's file may be ({LARGEST_FILE} bytes)")
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        raise DeviceError(f"{path.name}: this is nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError, and numbers or dates that Python refuses
        reason = " ".join(str(error).split())[:200]
        raise DeviceError(f"{path.name}: this is no TOML: {reason}") from None


def _sources(fields: Fields) -> tuple[Source, ...]:
    table = fields.table("sources")
    return tuple(_one_source(key, table) for key in table.names())


def _one_source(key: str, table: Fields) -> Source:
    if not NAME.fullmatch(key):
        raise DeviceError(f"{table.where}: {key[:40]!r} is no name of a source: small letters and digits, as datasheet")
    fields = table.table(key)
    source = Source(key, fields.text("title"), fields.optional_text("url"), fields.optional_text("section"))
    if source.url and not source.url.startswith(("https://", "http://")):
        raise fields.error("url", "this has to begin with https://")
    fields.end()
    return source


def _device(fields: Fields, sources: tuple[Source, ...], path: Path, own: bool) -> Device:
    reader = _Reader(frozenset(source.key for source in sources))
    return Device(
        name=path.stem,
        title=fields.text("title"),
        kind=fields.choice("kind", KINDS),
        aliases=_aliases(fields),
        sources=sources,
        cpu=reader.one(fields, "cpu", reader.part),
        gpu=reader.one(fields, "gpu", reader.part),
        npu=reader.one(fields, "npu", reader.part),
        peaks=reader.many(fields, "peak", reader.peak),
        memory=reader.one(fields, "memory", reader.memory),
        bandwidths=reader.many(fields, "bandwidth", reader.bandwidth),
        power_modes=reader.many(fields, "power_mode", reader.power_mode),
        engines=reader.many(fields, "engine", reader.engine),
        precisions=reader.one(fields, "precisions", reader.precisions),
        recommended=reader.many(fields, "recommended", reader.recommendation),
        thermal=reader.one(fields, "thermal", reader.note),
        recognition=reader.one(fields, "recognise", reader.recognition),
        file=path,
        own=own,
    )


def _aliases(fields: Fields) -> tuple[str, ...]:
    aliases = fields.texts("aliases")
    wrong = next((alias for alias in aliases if not NAME.fullmatch(alias)), None)
    if wrong is not None:
        raise fields.error("aliases", f"{wrong!r}: an alias is written as a device's name is, as my-board")
    return aliases


class _Reader:
    """The tables of a device's file; each figure's source has to be among ``keys``."""

    def __init__(self, keys: frozenset[str]) -> None:
        self.keys = keys

    def one(self, fields: Fields, key: str, read: Any) -> Any:
        table = fields.optional_table(key)
        return None if table is None else self._whole(table, read)

    def many(self, fields: Fields, key: str, read: Any) -> Any:
        return tuple(self._whole(table, read) for table in fields.tables(key))

    def _whole(self, table: Fields, read: Any) -> Any:
        value = read(table)
        table.end()
        return value

    def source(self, fields: Fields) -> str:
        key = fields.text("source")
        if key not in self.keys:
            raise fields.error("source", f"'{key}' is not in [sources]")
        return key

    def part(self, fields: Fields) -> Part:
        return Part(
            fields.text("description"),
            self.source(fields),
            fields.optional_count("count", 1000),
            fields.optional_text("note"),
        )

    def peak(self, fields: Fields) -> Peak:
        peak = Peak(
            unit=fields.choice("unit", UNITS),
            precision=fields.choice("precision", PRECISIONS),
            tera=fields.optional_number("tera", MOST_TERA),
            per_core_cycle=fields.optional_number("per_core_cycle", MOST_PER_CORE_CYCLE),
            source=self.source(fields),
            computed=fields.optional_text("computed"),
            mode=fields.optional_text("mode"),
            note=fields.optional_text("note"),
        )
        fields.end()  # a misspelt 'tera' is told as such
        if (peak.tera is None) == (peak.per_core_cycle is None):
            raise DeviceError(f"{fields.where}: this needs either 'tera' or 'per_core_cycle'")
        return peak

    def memory(self, fields: Fields) -> Memory:
        return Memory(
            gigabytes=fields.numbers("gigabytes", MOST_GIGABYTES),
            type=fields.optional_text("type"),
            shared=fields.flag("shared"),
            source=self.source(fields),
        )

    def bandwidth(self, fields: Fields) -> Bandwidth:
        return Bandwidth(
            gb_s=fields.number("gb_s", MOST_GB_S),
            source=self.source(fields),
            computed=fields.optional_text("computed"),
            mode=fields.optional_text("mode"),
            note=fields.optional_text("note"),
        )

    def power_mode(self, fields: Fields) -> PowerMode:
        return PowerMode(
            fields.text("name"),
            fields.optional_number("watts", MOST_WATTS),
            self.source(fields),
            fields.optional_text("note"),
        )

    def engine(self, fields: Fields) -> Engine:
        return Engine(fields.text("name"), fields.text("version"), fields.text("comes_with"), self.source(fields))

    def precisions(self, fields: Fields) -> Precisions:
        native = fields.texts("native")
        unknown = [name for name in native if name not in PRECISIONS]
        if unknown or not native:
            raise fields.error("native", f"this has to list some of {', '.join(PRECISIONS)}")
        capability = fields.optional_text("compute_capability")
        if capability is not None and not COMPUTE_CAPABILITY.fullmatch(capability):
            raise fields.error("compute_capability", 'this has to be as in "8.7"')
        return Precisions(native, capability, self.source(fields), fields.optional_text("note"))

    def recommendation(self, fields: Fields) -> Recommendation:
        target = fields.choice("format", tuple(EXPORTS))
        precision = fields.choice("precision", EXPORTS[target])
        basis = fields.choice("basis", BASES)
        source = None if basis == RULE_OF_THUMB else self.source(fields)
        return Recommendation(target, precision, fields.text("reason"), basis, source)

    def note(self, fields: Fields) -> Note:
        return Note(fields.text("text"), self.source(fields))

    def recognition(self, fields: Fields) -> Recognition:
        signs = {key: fields.texts(key) for key in SIGNS}
        flags = tuple(tuple(alternative.split()) for alternative in fields.texts("cpu_flags"))
        return Recognition(source=self.source(fields), cpu_flags=flags, **signs)
