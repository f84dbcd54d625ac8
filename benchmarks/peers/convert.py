"""Peers made ready to run: their networks converted to ONNX, or their LiteRT files as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers import PEERS, Peer, PeerAbsent, find_files
from benchmarks.peers.networks import Networks
from benchmarks.peers.prepared import PreparedPeer
from benchmarks.peers.run_peer import open_peer
from runtime.bundle import TensorSpec
from runtime.engines import open_engine

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

#: Largest difference of a converted network's picture from torch's; a picture's range is 1.
MAX_ERROR = 1e-3
_PROBE_HEIGHT, _PROBE_WIDTH, _STYLE_SIDE = 64, 96, 64


def prepare_peer(name: str, weights: Path, folder: Path) -> Path:
    """Write what the peer of that name needs into ``folder`` and return its JSON file.

    A converted network is compared with torch on random pictures.

    Raises:
        PeerAbsent: its weights or a package it needs are not there, it cannot be read, or it differs from torch.
    """
    peer = PEERS[name]
    files = find_files(peer, weights)
    prepared = _litert(name, peer, files) if peer.engine == "litert" else _onnx(name, peer, files, folder)
    path = folder / f"{name}.json"
    prepared.save(path)
    return path


def _litert(name: str, peer: Peer, files: dict[str, Path]) -> PreparedPeer:
    graphs = {role: str(path.absolute()) for role, path in files.items()}
    text = f"{peer.title}; pictures of other sizes than {peer.size}x{peer.size} are scaled to that and back"
    prepared = PreparedPeer(name, text, peer.engine, peer.precision, graphs, size=peer.size)
    loaded = open_peer(prepared, threads=1)
    picture = np.full((peer.size, peer.size, 3), 128, np.uint8)
    loaded.paint(picture, loaded.code(picture))
    return prepared


def _onnx(name: str, peer: Peer, files: dict[str, Path], folder: Path) -> PreparedPeer:
    try:
        import torch  # noqa: F401

        networks = import_module(peer.module).networks(files)
        graphs = {role: str(path) for role, path in write_graphs(networks, folder, name).items()}
    except ModuleNotFoundError as error:
        raise PeerAbsent(f"converting it needs {error.name}: pip install 'brushlet[export]'") from error
    text = ", ".join(filter(None, (peer.title, f"{networks.parameters / 1e6:.2f} M parameters", networks.note)))
    return PreparedPeer(name, text, peer.engine, peer.precision, graphs, networks.multiple)


def write_graphs(networks: Networks, folder: Path, name: str) -> dict[str, Path]:
    """ONNX files of the networks by role, each checked against torch.

    Raises:
        PeerAbsent: a graph's output differs from torch's by more than `MAX_ERROR`.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    content, style = (
        torch.rand(1, 3, height, width, generator=generator)
        for height, width in ((_PROBE_HEIGHT, _PROBE_WIDTH), (_STYLE_SIDE, _STYLE_SIDE))
    )
    paths = {}
    with torch.inference_mode():
        codes = networks.style(style) if networks.style else ()
        code_names = [f"code_{number}" for number in range(len(codes))]
        if networks.style:
            paths["style"] = folder / f"{name}-style.onnx"
            _write(networks.style, {"style": style}, code_names, codes, paths["style"])
        paths["content"] = folder / f"{name}.onnx"
        inputs = {"content": content, **dict(zip(code_names, codes, strict=True))}
        _write(networks.paint, inputs, ["picture"], (networks.paint(content, *codes),), paths["content"])
    return paths


def _write(
    function: Callable[..., Any],
    inputs: dict[str, Tensor],
    outputs: Sequence[str],
    expected: Sequence[Tensor],
    path: Path,
) -> None:
    """Trace, write and compare one function of tensors."""
    path.write_bytes(_traced(function, inputs, outputs, expected).SerializeToString(deterministic=True))
    engine = open_engine("onnxruntime", path, threads=1)
    found = engine.run({name: value.numpy() for name, value in inputs.items()})
    engine.close()
    for name, value in zip(outputs, expected, strict=True):
        error = float(np.abs(found[name] - value.numpy()).max()) / max(1.0, float(value.abs().max()))
        if not error <= MAX_ERROR:
            raise PeerAbsent(f"{path.stem} in ONNX differs from torch by {error:.2g} of its range")


def _traced(
    function: Callable[..., Any], inputs: dict[str, Tensor], outputs: Sequence[str], expected: Sequence[Tensor]
) -> onnx.ModelProto:
    """The function as a student's graphs are written; pictures, three channels of any size, keep any size."""
    from torch import nn

    from export.graphs import StudentGraph
    from export.to_onnx import to_onnx

    class Function(nn.Module):
        def forward(self, *tensors: Tensor) -> Any:
            return function(*tensors)

        def example(self, *ignored: object) -> tuple[Tensor, ...]:
            return tuple(inputs.values())

    def spec(name: str, value: Tensor) -> TensorSpec:
        picture = value.shape[1] == 3
        return TensorSpec(name, (1, 3, "H", "W") if picture else tuple(value.shape))

    ins = tuple(spec(name, value) for name, value in inputs.items())
    outs = tuple(spec(name, value) for name, value in zip(outputs, expected, strict=True))
    return to_onnx(StudentGraph("peer", Function(), ins, outs, multiple=1, smallest=1))  # type: ignore[arg-type]
