"""Johnson et al. 2016 in either layout, as the teacher of that name is; one style, which is part of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers import PeerAbsent
from benchmarks.peers.networks import Networks
from runtime.errors import UserError


def networks(files: Mapping[str, Path]) -> Networks:
    """The network of ``files["content"]``."""
    from export.teacher_parts import one_style_parts

    try:
        paint, parameters, name = one_style_parts("johnson", files["content"])
    except UserError as error:
        raise PeerAbsent(str(error)) from error
    return Networks(paint, None, parameters, note=f"style '{name}' only")
