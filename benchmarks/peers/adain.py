"""The AdaIN teacher, as a peer of its own students: style side and content side apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers import PeerAbsent
from benchmarks.peers.networks import Networks
from runtime.errors import UserError


def networks(files: Mapping[str, Path]) -> Networks:
    """The teacher with the weights in ``files``, which lie in one folder."""
    from export.teacher_parts import adain_parts

    try:
        style, paint, parameters = adain_parts(files["encoder"], files["decoder"])
    except UserError as error:
        raise PeerAbsent(str(error)) from error
    return Networks(paint, style, parameters, multiple=8, note="its encoder lies in both graph files")
