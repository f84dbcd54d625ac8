"""A style as numbers: a few hundred floats that can be kept in a small file and mixed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.affine import mix_codes
from runtime.atomic_write import write_atomically
from runtime.errors import UserError
from runtime.json_fields import Fields, read_json

SCHEMA = 1
MAX_FILE_BYTES = 4 * 2**20
MAX_CODE_CHANNELS = 65536
MAX_MAGNITUDE = 1e6  # far above any activation; keeps float32 arithmetic finite


@dataclass(frozen=True, eq=False)
class StyleCode:
    """The target mean and deviation of every modulated channel of one student.

    Codes add and scale: ``0.3 * monet + 0.7 * starry`` is a mixture; `mix` normalises the weights.

    Attributes:
        values: float32 (2, M): row 0 means, row 1 deviations; finite.
        student: name of the bundle whose painter understands it.
        name: what people call the style.
    """

    values: np.ndarray
    student: str
    name: str = "style"

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):  # becomes infinite, and is refused for that
            values = np.array(self.values, dtype=np.float32)
        if values.ndim != 2 or values.shape[0] != 2 or not 1 <= values.shape[1] <= MAX_CODE_CHANNELS:
            raise UserError(f"a style code is 2 rows of one number per channel, not {values.shape}")
        if not (np.abs(values) <= MAX_MAGNITUDE).all():
            raise UserError(f"the style code {self.name!r} holds numbers that are not finite or are too large")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    def __add__(self, other: StyleCode) -> StyleCode:
        if not isinstance(other, StyleCode):
            return NotImplemented
        _require_same_student((self, other))
        return StyleCode(self.values + other.values, self.student, f"{self.name} + {other.name}")

    def __mul__(self, factor: float) -> StyleCode:
        if not isinstance(factor, (int, float)):
            return NotImplemented
        return StyleCode(self.values * np.float32(factor), self.student, f"{factor:g} {self.name}")

    __rmul__ = __mul__

    @staticmethod
    def mix(codes: Sequence[StyleCode], weights: Sequence[float], name: str = "mixture") -> StyleCode:
        """The weighted mean of codes; the weights need not sum to 1.

        Raises:
            UserError: no codes, codes of different students, or weights that are negative or all 0.
        """
        _require_same_student(codes)
        try:
            return StyleCode(mix_codes([code.values for code in codes], weights), codes[0].student, name)
        except ValueError as error:
            raise UserError(f"cannot mix these styles: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> StyleCode:
        """Read a style code file.

        Raises:
            UserError: the file is missing, too large, not JSON, of another schema, or its numbers are not a code.
        """
        path = Path(path)
        fields = Fields(read_json(path, MAX_FILE_BYTES), str(path))
        schema = fields.integer("schema", 1, 10**6)
        if schema != SCHEMA:
            raise UserError(f"{path} has schema {schema}, not {SCHEMA}: update brushlet or save the style again")
        rows = read_rows(fields)
        try:
            return cls(np.array(rows, dtype=np.float64), fields.text("student", 100), fields.text("name", 200))
        except (OverflowError, UserError) as error:
            raise fields.fail("code", f"is not a style code: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the style code file, whole or not at all.

        Raises:
            UserError: the file cannot be written.
        """
        # A float32 prints with the fewest digits that bring it back exactly.
        rows = [[float(str(x)) for x in row] for row in self.values]
        content = {"schema": SCHEMA, "name": self.name, "student": self.student, "code": rows}
        write_atomically(path, (json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_rows(fields: Fields) -> list[list[float]]:
    """The numbers of a style code in the field "code": two rows of one length.

    Raises:
        UserError: they are something else.
    """
    rows = fields.sequence("code", 2)
    numbers = all(isinstance(row, list) and all(type(x) in (int, float) for x in row) for row in rows)
    if not numbers or len(rows) != 2 or len(rows[0]) != len(rows[1]):
        raise fields.fail("code", "must be two lists of numbers of the same length")
    return rows


def _require_same_student(codes: Sequence[StyleCode]) -> None:
    students = sorted({code.student for code in codes})
    if len(students) > 1:
        raise UserError(f"styles of different students cannot be mixed: {', '.join(students)}")
    if len({code.values.shape for code in codes}) > 1:
        raise UserError("styles of different lengths cannot be mixed")
