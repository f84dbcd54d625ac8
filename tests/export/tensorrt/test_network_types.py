from __future__ import annotations

import pytest

from export.tensorrt.network_types import shortfall


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"int8": 12, "fp32": 4}, {"int8": 12, "fp32": 4}),
        ({"int8": 12, "fp32": 4}, {"int8": 24, "fp32": 8}),  # two profiles
        ({"int8": 12, "fp32": 4}, {"int8": 16}),
        ({"int8": 12, "fp32": 4}, {}),
    ],
)
def test_nothing_is_said_where_the_builder_did_as_asked(asked: dict[str, int], found: dict[str, int]):
    assert shortfall(asked, found, "int8") == ""


def test_what_was_kept_in_another_precision_is_said():
    said = shortfall({"int8": 12, "fp32": 4}, {"int8": 10, "fp32": 6}, "int8")
    assert said == "note: the graph has 12 convolutions in int8, but the engine computes 6 in fp32, 10 in int8"
