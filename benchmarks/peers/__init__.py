"""Published networks that do the same work, by name: adapters for weights that the user has.

The networks are those of the teachers of the same names, reached through `export.teacher_parts`; nothing is
downloaded. To add one, write a module with ``networks(files) -> Networks`` (see `benchmarks.peers.networks`) and give
it a line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from runtime.errors import UserError


@dataclass(frozen=True)
class Peer:
    """A network to measure beside the student.

    Attributes:
        title: what it is, for people: name, authors and year.
        module: where its ``networks`` are; for LiteRT, what runs its files.
        files: patterns of the file names of its weights, by role.
        fixed_style: it paints in one style, which is part of its weights.
        size: the one picture size that its graph takes, in pixels; None for any.
        engine, precision: what runs it, and in which numbers.
    """

    title: str
    module: str
    files: dict[str, str]
    fixed_style: bool = False
    size: int | None = None
    engine: str = "onnxruntime"
    precision: str = "fp32"


_JOHNSON = "Johnson et al. 2016"
_MAGENTA = "Magenta arbitrary stylization (Ghiasi et al. 2017)"
_PREDICT = "style_predict_quantized_256.tflite"

PEERS = {
    "microast": Peer(
        "MicroAST (Wang et al. 2023)",
        "benchmarks.peers.microast",
        {
            "content_encoder": "content_encoder_iter_*.pth.tar",
            "style_encoder": "style_encoder_iter_*.pth.tar",
            "modulator": "modulator_iter_*.pth.tar",
            "decoder": "decoder_iter_*.pth.tar",
        },
    ),
    "magenta-int8": Peer(
        f"{_MAGENTA}, int8",
        "benchmarks.peers.litert",
        {"style": _PREDICT, "content": "style_transfer_quantized_384.tflite"},
        size=384,
        engine="litert",
        precision="int8",
    ),
    "magenta-fp16": Peer(
        f"{_MAGENTA}, float16 weights; its style side in int8",
        "benchmarks.peers.litert",
        {"style": _PREDICT, "content": "style_transfer_f16_384.tflite"},
        size=384,
        engine="litert",
        precision="fp16",
    ),
    "johnson-full": Peer(
        f"{_JOHNSON}, full width", "benchmarks.peers.johnson", {"content": "full_*.npz"}, fixed_style=True
    ),
    "johnson-nc16": Peer(
        f"{_JOHNSON}, 16 channels", "benchmarks.peers.johnson", {"content": "*_nc16_*.model"}, fixed_style=True
    ),
    "johnson-nc8": Peer(
        f"{_JOHNSON}, 8 channels", "benchmarks.peers.johnson", {"content": "*_nc8_*.model"}, fixed_style=True
    ),
    "cyclegan": Peer(
        "CycleGAN (Zhu et al. 2017) as compressed by GAN Compression (Li et al. 2020)",
        "benchmarks.peers.cyclegan",
        {"content": "*compressed*net_G.pth"},
        fixed_style=True,
    ),
    "adain": Peer(
        "AdaIN (Huang & Belongie 2017), the teacher",
        "benchmarks.peers.adain",
        {"encoder": "vgg_normalised*.pth", "decoder": "*decoder.pth"},
    ),
}


#: What a peer that is converted to ONNX can be measured in.
PRECISIONS = ("fp32", "int8")


class PeerAbsent(Exception):
    """Why a peer does not take part; one line."""


def choose_peers(names: Sequence[str]) -> tuple[str, ...]:
    """The names, checked and each once; all peers where none is named.

    Raises:
        UserError: there is no peer of that name; the nearest, or all, are told.
    """
    for name in names:
        if name not in PEERS:
            near = get_close_matches(name, PEERS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(PEERS)}"
            raise UserError(f"there is no peer {name!r}: {hint}")
    return tuple(dict.fromkeys(names)) or tuple(PEERS)


def find_files(peer: Peer, folder: Path) -> dict[str, Path]:
    """The files of a peer's weights by role, anywhere below ``folder``; the first by name where several fit.

    Raises:
        PeerAbsent: one of them is not there.
    """
    found = {role: next(iter(sorted(folder.rglob(pattern))), None) for role, pattern in peer.files.items()}
    missing = [peer.files[role] for role, path in found.items() if path is None]
    if missing:
        raise PeerAbsent(f"there is no {' and no '.join(missing)} below {folder.name}/")
    return {role: path for role, path in found.items() if path is not None}
