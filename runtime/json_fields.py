"""JSON files from strangers: bounded reading, and field access that checks types and ranges."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from runtime.errors import UserError


def read_json(path: Path, max_bytes: int, error: type[UserError] = UserError) -> Any:
    """Parse the JSON file at `path`.

    Raises:
        error: the file is missing, larger than `max_bytes`, not UTF-8, not JSON, too deep, or holds NaN or infinity.
    """
    try:
        if not path.is_file():
            raise error(f"{path} is missing or is not a plain file")
        with open(path, "rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as problem:
        raise error(f"cannot read {path}: {problem.strerror or problem}") from problem
    if len(data) > max_bytes:
        raise error(f"{path} is larger than {max_bytes} bytes, which no file of its kind is")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as problem:
        reason = str(problem).splitlines()[0]
        raise error(f"{path} is not valid JSON ({reason}): it is damaged or incomplete") from problem


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


class Fields:
    """One JSON object read field by field; every complaint names the place in the file.

    Args:
        value: what `json.loads` gave.
        where: how to call this object in a message, such as ``manifest.json: graphs[2]``.
        error: the exception to raise.
    """

    def __init__(self, value: object, where: str, error: type[UserError] = UserError) -> None:
        self.where = where
        self._error = error
        if not isinstance(value, dict):
            raise error(f"{where} must be a JSON object")
        self._values: dict[str, Any] = value

    def fail(self, name: str, problem: str) -> UserError:
        """The exception to raise about field `name`."""
        return self._error(f"{self.where}: '{name}' {problem}")

    def text(self, name: str, max_length: int = 200, optional: bool = False) -> str:
        """A non-empty printable string; an absent or empty optional one is empty."""
        if optional and self._values.get(name, "") == "":
            return ""
        value = self._get(name)
        if not isinstance(value, str) or not value or len(value) > max_length or not value.isprintable():
            raise self.fail(name, f"must be printable text of 1 to {max_length} characters")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of `choices`."""
        value = self._get(name)
        if not isinstance(value, str) or value not in choices:
            raise self.fail(name, f"must be one of {', '.join(choices)}")
        return value

    def integer(self, name: str, low: int, high: int, optional: bool = False) -> int:
        """A whole number from `low` to `high`, true and false are none; an absent optional one is 0."""
        value = self._values.get(name, 0) if optional else self._get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.fail(name, f"must be a whole number from {low} to {high}")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        """A finite number from `low` to `high`."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self.fail(name, f"must be a number from {low:g} to {high:g}")
        return float(value)

    def boolean(self, name: str) -> bool:
        """true or false."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise self.fail(name, "must be true or false")
        return value

    def sequence(self, name: str, max_items: int, optional: bool = False) -> list[Any]:
        """A list of at most `max_items` items; an absent optional one is empty."""
        value = self._values.get(name, []) if optional else self._get(name)
        if not isinstance(value, list) or len(value) > max_items:
            raise self.fail(name, f"must be a list of at most {max_items} items")
        return value

    def mapping(self, name: str, optional: bool = False) -> dict[str, Any]:
        """A free-form JSON object whose numbers are finite; an absent optional one is empty."""
        value = self._values.get(name, {}) if optional else self._get(name)
        if not isinstance(value, dict) or not is_plain_json(value):
            raise self.fail(name, "must be a JSON object of finite numbers, text, lists and objects")
        return value

    def inner(self, name: str) -> Fields:
        """The object in field `name`."""
        return Fields(self._get(name), f"{self.where}: {name}", self._error)

    def each(self, name: str, max_items: int, optional: bool = False) -> list[Fields]:
        """The objects in the list in field `name`."""
        items = self.sequence(name, max_items, optional)
        return [Fields(item, f"{self.where}: {name}[{index}]", self._error) for index, item in enumerate(items)]

    def _get(self, name: str) -> Any:
        if name not in self._values:
            raise self.fail(name, "is missing")
        return self._values[name]


def is_plain_json(value: object, depth: int = 0) -> bool:
    """Whether `value` survives a round trip through a JSON file: finite numbers, text keys, at most 50 levels."""
    if depth > 50:
        return False
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain_json(item, depth + 1) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(is_plain_json(item, depth + 1) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))
