"""Reading a table of someone's TOML: every field has a type and bounds, and none is left over."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from devices.errors import DeviceError

MOST_ENTRIES = 100
LONGEST_TEXT = 1000


class Fields:
    """A table's fields, taken one by one; ``end`` says which are left. ``where`` begins every error's line.

    Every method raises DeviceError for a field that is missing, of another type or out of bounds.
    """

    def __init__(self, value: object, where: str) -> None:
        self.where = where
        if not isinstance(value, dict):
            raise DeviceError(f"{where}: this has to be a table")
        self._left: dict[str, Any] = dict(value)
        self._known: list[str] = []

    def names(self) -> tuple[str, ...]:
        """The fields that are there and not yet taken."""
        return tuple(self._left)

    def text(self, key: str) -> str:
        """One line of printable characters."""
        return self._as_text(self._take(key), key)

    def optional_text(self, key: str) -> str | None:
        return self._as_text(self._take(key), key) if self._there(key) else None

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in choices:
            raise self.error(key, f"'{value}' is not one of {', '.join(choices)}")
        return value

    def number(self, key: str, most: float) -> float:
        """More than 0, up to ``most``."""
        return self._as_number(self._take(key), key, most)

    def optional_number(self, key: str, most: float) -> float | None:
        return self._as_number(self._take(key), key, most) if self._there(key) else None

    def optional_count(self, key: str, most: int) -> int | None:
        """A whole number from 1 to ``most``."""
        if not self._there(key):
            return None
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.error(key, f"this has to be a whole number from 1 to {most}")
        return value

    def numbers(self, key: str, most: float) -> tuple[float, ...]:
        """A list of at least one number."""
        values = self._as_list(self._take(key), key)
        if not values:
            raise self.error(key, "the list is empty")
        return tuple(self._as_number(value, key, most) for value in values)

    def flag(self, key: str) -> bool:
        """false where it is absent."""
        value = self._take(key) if self._there(key) else False
        if not isinstance(value, bool):
            raise self.error(key, "this has to be true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty where it is absent."""
        values = self._as_list(self._take(key), key) if self._there(key) else []
        return tuple(self._as_text(value, key) for value in values)

    def table(self, key: str) -> Fields:
        return Fields(self._take(key), f"{self.where}: {key}")

    def optional_table(self, key: str) -> Fields | None:
        return self.table(key) if self._there(key) else None

    def tables(self, key: str) -> list[Fields]:
        """A list of tables (``[[key]]``), empty where it is absent."""
        values = self._as_list(self._take(key), key) if self._there(key) else []
        return [Fields(value, f"{self.where}: {key} {number}") for number, value in enumerate(values, 1)]

    def end(self) -> None:
        """Raise DeviceError if a field was not taken: a misspelt one would otherwise be silently lost."""
        for key in self._left:
            near = get_close_matches(key, self._known, n=1)
            hint = f": did you mean '{near[0]}'?" if near else f": there is {', '.join(sorted(self._known))}"
            raise DeviceError(f"{self.where}: there is no field {key[:40]!r}{hint}")

    def error(self, key: str, problem: str) -> DeviceError:
        """A DeviceError about that field, for the caller to raise."""
        return DeviceError(f"{self.where}: {key}: {problem}")

    def _there(self, key: str) -> bool:
        self._known.append(key)
        return key in self._left

    def _take(self, key: str) -> Any:
        self._known.append(key)
        if key not in self._left:
            raise DeviceError(f"{self.where}: '{key}' is missing")
        return self._left.pop(key)

    def _as_text(self, value: object, key: str) -> str:
        if not isinstance(value, str):
            raise self.error(key, "this has to be text in quotes")
        if not value.strip() or len(value) > LONGEST_TEXT or not value.isprintable():
            raise self.error(key, f"this has to be one line of 1 to {LONGEST_TEXT} printable characters")
        return value

    def _as_number(self, value: object, key: str, most: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(key, "this has to be a number")
        if not 0 < value <= most:
            raise self.error(key, f"this has to be more than 0 and at most {most:g}")
        return float(value)

    def _as_list(self, value: object, key: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.error(key, "this has to be a list")
        if len(value) > MOST_ENTRIES:
            raise self.error(key, f"more than {MOST_ENTRIES} entries")
        return value
