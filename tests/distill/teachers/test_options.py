"""Options of teachers: text from the command line becomes keyword arguments, or is refused in one line."""

from __future__ import annotations

import importlib

import pytest

from distill.teachers import TEACHERS
from distill.teachers.options import option_defaults, parse_options, typed_options
from runtime.errors import UserError


def load(weights, steps: int = 10, rate: float = 0.5, colour: str = "", noise: bool = False):
    """Stands for a teacher's."""


def test_entries():
    assert parse_options(["steps=2", "command=a b=c", "steps=3", "colour="]) == {
        **{"steps": "3", "command": "a b=c", "colour": ""}
    }
    for entry in ("steps", "=3", ""):
        with pytest.raises(UserError, match="write a name and a value, like steps=200"):
            parse_options([entry])


def test_values_have_the_type_of_their_default():
    given = {"steps": "25", "rate": "1e-3", "colour": "7", "noise": "True"}
    assert typed_options("x", load, given) == {"steps": 25, "rate": 1e-3, "colour": "7", "noise": True}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"step": "1"}, "x has no option 'step': it has steps, rate, colour, noise"),
        ({"weights": "1"}, "x has no option 'weights'"),
        ({"steps": "1.5"}, "the option steps of x is a whole number, not '1.5'"),
        ({"rate": "much"}, "the option rate of x is a number, not 'much'"),
        ({"noise": "perhaps"}, "the option noise of x is true or false, not 'perhaps'"),
    ],
)
def test_what_is_refused(given, reason):
    with pytest.raises(UserError, match=reason):
        typed_options("x", load, given)
    with pytest.raises(UserError, match="y has no option 'steps': it has none"):
        typed_options("y", lambda weights: None, {"steps": "1"})


@pytest.mark.parametrize("name", TEACHERS)
def test_what_is_listed_is_what_load_takes(name):
    load = importlib.import_module(TEACHERS[name].module).load
    assert TEACHERS[name].options == tuple(option_defaults(load))
