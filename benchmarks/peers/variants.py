"""A converted peer in other engines and in int8, so that each network can be measured where it is at its best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.peers import PeerAbsent
from benchmarks.peers.convert import MAX_ERROR
from benchmarks.peers.prepared import PreparedPeer
from benchmarks.peers.run_peer import open_peer
from runtime.errors import UserError

#: Photo crops that the ranges of a peer's activations come from.
CROPS = 64
_PROBE_SIDE, _STYLE_SIDE = 64, 256


def variants_of(
    path: Path, engines: Sequence[str], precisions: Sequence[str]
) -> Iterator[tuple[Path | None, str | None]]:
    """The peer of that JSON file in every engine and precision, each with a JSON file of its own beside it.

    One whose files are for one engine (LiteRT) comes as it is.

    Yields:
        The file and None, or None and why there is none.
    """
    prepared = PreparedPeer.load(path)
    if prepared.engine != "onnxruntime":
        yield path, None
        return
    for precision in precisions:
        try:
            wanted = prepared if precision == "fp32" else in_int8(prepared, path.parent)
        except (PeerAbsent, UserError) as error:
            yield None, f"in {precision}: {error}"
            continue
        for engine in engines:
            variant = replace(wanted, engine=engine)
            try:
                _require_same(variant, wanted)
            except (PeerAbsent, UserError) as error:
                yield None, f"in {engine}, {precision}: {error}"
                continue
            target = path.with_name(f"{path.stem}-{engine}-{precision}.json")
            variant.save(target)
            yield target, None


def in_int8(prepared: PreparedPeer, folder: Path) -> PreparedPeer:
    """The content side in eight bits, by the students' own recipe and gate, calibrated on the pictures that ship.

    Raises:
        PeerAbsent: converting needs packages that are not here.
        UserError: the gate is not passed.
    """
    try:
        import onnx

        from export.calibration import open_calibration
        from export.network_int8 import int8_network
    except ModuleNotFoundError as error:
        raise PeerAbsent(f"quantising it needs {error.name}: pip install 'brushlet[export]'") from error
    peer, calibration = open_peer(prepared, threads=None), open_calibration(crops=CROPS)
    feeds = [
        [peer.feeds(pair.content, peer.code(pair.style)) for pair in pairs]
        for pairs in (calibration.pairs, calibration.tuning, calibration.held_back)
    ]
    found = int8_network(onnx.load(prepared.graphs["content"]), *feeds)
    path = folder / f"{prepared.name}.int8.onnx"
    onnx.save(found.model, path)
    text = (
        f"{prepared.description}; int8: {len(found.float_layers)} of {found.layers} layers in float32 for "
        f"{found.psnr:.1f} dB, {found.before:.1f} dB without"
    )
    return replace(prepared, description=text, precision="int8", graphs={**prepared.graphs, "content": str(path)})


def _require_same(variant: PreparedPeer, known: PreparedPeer) -> None:
    """Raises PeerAbsent unless the variant's engine paints what ONNX Runtime paints of the same graph."""
    if variant == known:
        return
    rng = np.random.default_rng(0)
    content, style = (rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (_PROBE_SIDE, _STYLE_SIDE))
    pictures = []
    for each in (variant, known):
        peer = open_peer(each, threads=1)
        pictures.append(peer.run(peer.feeds(content, peer.code(style))))
    error = float(np.abs(pictures[0] - pictures[1]).max()) / max(1.0, float(np.abs(pictures[1]).max()))
    if not error <= MAX_ERROR and variant.precision == "fp32":
        raise PeerAbsent(f"it differs from ONNX Runtime by {error:.2g} of its range")
