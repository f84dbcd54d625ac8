"""What can be chosen of a teacher beside its weights: the keyword arguments of the function that makes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runtime.errors import UserError


def parse_options(entries: Iterable[str]) -> dict[str, str]:
    """'name=value' entries as a dictionary; of two with one name the last counts. ``UserError`` for other forms."""
    options = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not (name and equals):
            raise UserError(f"--teacher-option {entry}: write a name and a value, like steps=200")
        options[name] = value
    return options


def option_defaults(make: Callable[..., Any]) -> dict[str, Any]:
    """The options that ``make`` has: its parameters with a default, but for the weights."""
    parameters = inspect.signature(make).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name != "weights"}


def typed_options(teacher: str, make: Callable[..., Any], given: Mapping[str, str]) -> dict[str, Any]:
    """``given`` as keyword arguments of ``make``, each of the type of its default: str, int, float or bool.

    Raises:
        UserError: ``make`` has no such option, or the text is no value of its type.
    """
    defaults, typed = option_defaults(make), {}
    for name, text in given.items():
        if name not in defaults:
            known = f"it has {', '.join(defaults)}" if defaults else "it has none"
            raise UserError(f"{teacher} has no option '{name}': {known}")
        kind = type(defaults[name])
        try:
            typed[name] = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            wanted = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
            raise UserError(f"the option {name} of {teacher} is {wanted}, not '{text}'") from None
    return typed
