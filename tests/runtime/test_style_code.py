"""`runtime.style_code`: codes add, scale and survive a file; a bad file is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runtime.errors import UserError
from runtime.style_code import MAX_FILE_BYTES, StyleCode

A = StyleCode(np.array([[1.0, 2.0], [3.0, 4.0]]), "tiny", "a")
B = StyleCode(np.array([[5.0, 6.0], [7.0, 8.0]]), "tiny", "b")
GOOD = {"schema": 1, "name": "a", "student": "tiny", "code": [[1, 2.5], [3, 4]]}

codes = st.integers(1, 12).flatmap(
    lambda m: hnp.arrays(np.float32, (2, m), elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False))
)


def test_arithmetic():
    assert (0.25 * A + B * 0.75).values.tolist() == [[4, 5], [6, 7]]
    assert (A + B).student == "tiny"
    assert (A + B).name == "a + b"


def test_mix_normalises_its_weights():
    assert StyleCode.mix([A, B], [1, 3]).values.tolist() == [[4, 5], [6, 7]]


@pytest.mark.parametrize("other", [StyleCode(np.ones((2, 2)), "other"), StyleCode(np.ones((2, 3)), "tiny")])
def test_codes_of_different_students_do_not_mix(other: StyleCode):
    with pytest.raises(UserError, match="different"):
        A + other
    with pytest.raises(UserError, match="different"):
        StyleCode.mix([A, other], [1, 1])


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [1, float("nan")]])
def test_bad_weights(weights: list[float]):
    with pytest.raises(UserError, match="cannot mix"):
        StyleCode.mix([A, B], weights)


def test_mixing_nothing():
    with pytest.raises(UserError, match="cannot mix"):
        StyleCode.mix([], [])


def test_other_types_do_not_add():
    with pytest.raises(TypeError):
        A + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        A * "2"  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(2,), (3, 4), (2, 0), (2, 3, 1), (2, 70_000)])
def test_values_of_the_wrong_shape(shape: tuple[int, ...]):
    with pytest.raises(UserError, match="2 rows"):
        StyleCode(np.ones(shape), "tiny")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e7])
def test_values_that_are_not_numbers_to_paint_with(bad: float):
    with pytest.raises(UserError, match="not finite"):
        StyleCode(np.array([[bad], [1]]), "tiny")


def test_a_code_does_not_change_with_the_array_it_came_from():
    values = np.ones((2, 2), np.float32)
    code = StyleCode(values, "tiny")
    values[:] = 5
    assert (code.values == 1).all()
    with pytest.raises(ValueError):
        code.values[0, 0] = 2


@given(codes)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_brings_every_number_back_exactly(tmp_path: Path, values: np.ndarray):
    StyleCode(values, "tiny", "Ärmel").save(tmp_path / "style.json")
    code = StyleCode.load(tmp_path / "style.json")
    assert (code.values == values).all()
    assert (code.student, code.name) == ("tiny", "Ärmel")


def test_the_file_is_the_documented_one(tmp_path: Path):
    A.save(tmp_path / "a.json")
    expected = {"schema": 1, "name": "a", "student": "tiny", "code": [[1.0, 2.0], [3.0, 4.0]]}
    assert json.loads((tmp_path / "a.json").read_text()) == expected


def test_the_file_has_no_more_digits_than_needed(tmp_path: Path):
    StyleCode(np.array([[0.7], [0.1]]), "tiny").save(tmp_path / "a.json")
    assert '"code": [[0.7], [0.1]]' in (tmp_path / "a.json").read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"code": []},
        {"code": [[1]]},
        {"code": [[1], [1, 2]]},
        {"code": [[1], [1], [1]]},
        {"code": [["1"], [1]]},
        {"code": [[True], [1]]},
        {"code": [[10**400], [1]]},
        {"code": [[1e30], [1]]},
        {"code": [[], []]},
        {"code": {"a": 1}},
        {"code": [1, 2]},
        {"student": 3},
        {"student": ""},
        {"name": "a\nb"},
    ],
    ids=str,
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, change: dict[str, object]):
    path = tmp_path / "style.json"
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(UserError, match="style.json") as raised:
        StyleCode.load(path)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("text", [b"", b"[1, 2", b"\xff", b'{"schema": 1, "code": [[NaN], [1]]}', b"[" * 10_000])
def test_a_file_that_is_not_json(tmp_path: Path, text: bytes):
    (tmp_path / "style.json").write_bytes(text)
    with pytest.raises(UserError, match="style.json"):
        StyleCode.load(tmp_path / "style.json")


def test_a_file_that_is_missing_or_too_large(tmp_path: Path):
    with pytest.raises(UserError, match="missing"):
        StyleCode.load(tmp_path / "none.json")
    (tmp_path / "large.json").write_bytes(b" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(UserError, match="larger than"):
        StyleCode.load(tmp_path / "large.json")
