"""`benchmarks.labels`: names that tell subjects apart."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.labels import counted, labels


class Thing(NamedTuple):
    kind: str
    name: str
    engine: str
    precision: str


ORT, VINO = "onnxruntime", "openvino"


@pytest.mark.parametrize(
    ("things", "wanted"),
    [
        ([("a", ORT, "fp32")], ["a"]),
        ([("a", ORT, "fp32"), ("b", ORT, "fp32")], ["a", "b"]),
        ([("a", ORT, "fp32"), ("a", ORT, "int8")], ["fp32", "int8"]),
        ([("a", ORT, "int8"), ("a", VINO, "int8")], [ORT, VINO]),
        ([("a", ORT, "fp32"), ("a", VINO, "int8")], [f"{ORT} fp32", f"{VINO} int8"]),
        ([("a", ORT, "fp32"), ("b", ORT, "int8")], ["a fp32", "b int8"]),
    ],
)
def test_bundles_by_what_differs(things, wanted):
    assert labels([Thing("bundle", *thing) for thing in things]) == wanted


def test_teachers_and_peers_keep_their_names():
    bundles = [Thing("bundle", "a", ORT, "fp32"), Thing("bundle", "a", VINO, "fp32")]
    others = [Thing("teacher", "teacher adain", "torch", "fp32"), Thing("peer", "microast", ORT, "fp32")]
    assert labels([*bundles, *others]) == [f"a {ORT}", f"a {VINO}", "teacher adain", "microast"]


def test_peers_of_several_rows_say_which():
    bundle = Thing("bundle", "a", ORT, "fp32")
    peers = [Thing("peer", "microast", ORT, "fp32"), Thing("peer", "microast", VINO, "int8")]
    alone = Thing("peer", "johnson", ORT, "fp32")
    assert labels([bundle, *peers, alone]) == [
        f"a {ORT} fp32",
        f"microast {ORT} fp32",
        f"microast {VINO} int8",
        "johnson",
    ]


def test_numbers_in_words():
    assert counted(1) == "1 thread"
    assert counted(2) == "2 threads"
    assert counted(2, 4) == "2 threads, 4 pictures at once"


@given(st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from((ORT, VINO)), st.sampled_from(("fp32", "int8")))))
def test_no_two_bundles_share_a_label(things):
    assert len(set(labels([Thing("bundle", *thing) for thing in things]))) == len(things)
