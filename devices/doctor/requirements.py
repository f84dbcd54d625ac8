"""What brushlet requires, by extra, and whether a version fits: read from the installed metadata or the checkout."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from devices.device_file import parse_toml
from devices.errors import DeviceError

BASE = ""
#: name, [extras], range, ; marker - the parts of a requirement that this project writes (PEP 508).
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*([^;]*?)\s*(?:;\s*(.*))?")
CLAUSE = re.compile(r"(sys_platform|python_version|extra)\s*(==|!=|<=|>=|<|>)\s*['\"]([^'\"]*)['\"]")
BOUND = re.compile(r"(==|!=|<=|>=|<|>|~=)\s*([0-9][0-9A-Za-z.]*)")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True)
class Requirement:
    """A distribution by its normalized name, and the range of versions that will do, as written."""

    name: str
    wanted: str

    def fits(self, version: str) -> bool:
        """Whether that version is in the range. Pre-release and local parts of a version are left out of account."""
        have = numbers(version)
        return all(COMPARE[sign](*_same_length(have, numbers(bound))) for sign, bound in BOUND.findall(self.wanted))


@dataclass(frozen=True)
class Requirements:
    """All requirements of brushlet on this platform, by extra; ``BASE`` holds those of the install without extras.

    ``foreign`` are the extras whose packages exist for other platforms only.
    """

    by_extra: dict[str, tuple[Requirement, ...]]
    foreign: frozenset[str] = frozenset()

    def of(self, extras: Iterable[str]) -> tuple[Requirement, ...]:
        """What these extras bring, each requirement once. Unknown extras bring nothing."""
        return tuple(dict.fromkeys(need for extra in extras for need in self.by_extra.get(extra, ())))


def numbers(version: str) -> tuple[int, ...]:
    """``2.13.0+cpu`` -> (2, 13, 0): the release part of a version."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in release[0].split(".")) if release else ()


def _same_length(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    length = max(len(a), len(b))
    return a + (0,) * (length - len(a)), b + (0,) * (length - len(b))


def normalized(name: str) -> str:
    """``Scikit_Image`` -> ``scikit-image``, as package indexes compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(
    project: Path = Path(__file__).parents[2] / "pyproject.toml",
    platform: str = sys.platform,
    python: tuple[int, ...] = sys.version_info[:2],
) -> Requirements:
    """The requirements of the checkout that this file lies in, else of the installed distribution.

    The checkout goes first because an editable install keeps the metadata of the day it was made.

    Raises:
        DeviceError: neither can be read.
    """
    lines = _lines_of_checkout(project) or _lines_of_distribution()
    return _by_extra(lines, platform, python)


def _lines_of_checkout(path: Path) -> list[tuple[str, str]]:
    """(extra, requirement) of a checkout's pyproject.toml; none where the file is absent or another project's."""
    if not path.is_file():
        return []
    project = parse_toml(path).get("project", {})
    if project.get("name") != "brushlet":
        return []
    extras = [(extra, line) for extra, lines in project.get("optional-dependencies", {}).items() for line in lines]
    return [*((BASE, line) for line in project.get("dependencies", [])), *extras]


def _lines_of_distribution() -> list[tuple[str, str]]:
    try:
        lines = distribution("brushlet").requires or []
    except PackageNotFoundError:
        raise DeviceError(
            "brushlet is not installed, and pyproject.toml is not beside it: pip install brushlet"
        ) from None
    found = []
    for line in lines:
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        found.append((extra[1] if extra else BASE, line))
    return found


def _by_extra(lines: list[tuple[str, str]], platform: str, python: tuple[int, ...]) -> Requirements:
    parsed = [(extra, match) for extra, line in lines if (match := REQUIREMENT.fullmatch(line))]
    here = [(extra, match) for extra, match in parsed if _applies(match[4] or "", platform, python)]
    direct: dict[str, list[Requirement]] = {extra: [] for extra, _ in [(BASE, None), *parsed]}
    brought: dict[str, set[str]] = {}
    for extra, match in here:
        if normalized(match[1]) == "brushlet":
            brought.setdefault(extra, set()).update(name.strip() for name in (match[2] or "").split(","))
        else:
            direct[extra].append(Requirement(normalized(match[1]), match[3].replace(" ", "")))
    foreign = frozenset(direct) - {BASE} - {extra for extra, _ in here}
    return Requirements({extra: tuple(_closure(extra, direct, brought, set())) for extra in direct}, foreign)


def _closure(
    extra: str, direct: dict[str, list[Requirement]], brought: dict[str, set[str]], seen: set[str]
) -> Iterable[Requirement]:
    """An extra's requirements and those of the extras that it names (``brushlet[export]``)."""
    if extra in seen:
        return
    seen.add(extra)
    yield from direct.get(extra, ())
    for other in sorted(brought.get(extra, ())):
        yield from _closure(other, direct, brought, seen)


def _applies(marker: str, platform: str, python: tuple[int, ...]) -> bool:
    """Whether a requirement is for this platform; of which extra it is, the caller knows."""
    for variable, sign, value in CLAUSE.findall(marker):
        if variable == "sys_platform" and not COMPARE[sign](platform, value):
            return False
        if variable == "python_version" and not COMPARE[sign](python, numbers(value)):
            return False
    return True
