"""MicroAST, as the teacher of that name is: style side and content side apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers import PeerAbsent
from benchmarks.peers.networks import Networks
from runtime.errors import UserError


def networks(files: Mapping[str, Path]) -> Networks:
    """The four networks in ``files``."""
    from export.teacher_parts import microast_parts

    try:
        style, paint, parameters = microast_parts(files)
    except UserError as error:
        raise PeerAbsent(str(error)) from error
    return Networks(paint, style, parameters)
