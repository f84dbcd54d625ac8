"""`benchmarks.judged`: whose pictures are compared with whose."""

from __future__ import annotations

from benchmarks.judged import float_originals
from tests.benchmarks.test_labels import ORT, VINO, Thing


def test_the_same_network_in_float_in_the_same_engine_if_it_is_there():
    things = [
        Thing("bundle", "a", ORT, "fp32"),
        Thing("bundle", "a", VINO, "fp32"),
        Thing("bundle", "a", VINO, "int8"),
        Thing("bundle", "a", "tensorrt", "int8"),
        Thing("peer", "a", ORT, "int8"),
        Thing("bundle", "b", ORT, "int8"),
    ]
    assert float_originals(things) == [None, None, 1, 0, None, None]
