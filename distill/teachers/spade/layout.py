"""Files of SPADE's weights: the official layout, its shapes, and what it does not say of itself.

The names stand in NVlabs/SPADE, models/networks: ``generator.py`` (fc, head_0, G_middle_0, G_middle_1, up_0 to up_4,
conv_img), ``architecture.py`` (conv_0, conv_1, conv_s, norm_0, norm_1, norm_s), ``normalization.py``
(param_free_norm, mlp_shared.0, mlp_gamma, mlp_beta) and ``encoder.py`` (layer1 to layer6, fc_mu, fc_var);
``util/util.py`` saves generator and encoder as ``latest_net_G.pth`` and ``latest_net_E.pth``. Here both may be in one
file: no name occurs in both.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from distill.teachers.spade.generator import DOUBLINGS, Shape
from runtime.errors import UserError
from runtime.json_fields import Fields, read_json
from runtime.label_maps import MAX_LABELS, Palette, palette_of

#: Lies beside weights whose file says nothing of its labels.
LABELS_FILE = "labels.json"
#: The same, in the metadata of a safetensors file.
RECORD = "labels"
MAX_LABELS_BYTES = 1 << 20
_UNCOUNTED = "num_batches_tracked"


@dataclass(frozen=True)
class Description:
    """What the shapes of weights do not tell.

    Attributes:
        palette: the labels and their colours.
        instances: the last channel of a label map shows the edges of instances.
        upsampling: a key of `DOUBLINGS`.
    """

    palette: Palette
    instances: bool = False
    upsampling: str = "normal"

    @property
    def channels(self) -> int:
        """Channels of a label map."""
        return len(self.palette) + self.instances

    def to_json(self) -> dict[str, Any]:
        return {"labels": self.palette.to_json(), "instances": self.instances, "upsampling": self.upsampling}

    @classmethod
    def from_json(cls, data: object, where: str) -> Description:
        """Read `to_json` back; ``instances`` and ``upsampling`` may be missing. ``UserError`` where it is wrong."""
        fields = Fields(data, where)
        palette = palette_of({RECORD: fields.sequence("labels", MAX_LABELS)})
        if palette is None:
            raise fields.fail("labels", "names none")
        fields = Fields({"instances": False, "upsampling": "normal", **data}, where)  # type: ignore[dict-item]
        return cls(palette, fields.boolean("instances"), fields.choice("upsampling", tuple(DOUBLINGS)))


def description_of(path: Path, semantics: int) -> Description:
    """What is said of the weights ``path`` in the file or beside it; without a word, labels by number.

    Raises:
        UserError: it is damaged, or of other labels than the weights, which take ``semantics`` channels.
    """
    beside = path.parent / LABELS_FILE
    record = _metadata(path).get(RECORD)
    if record is not None:
        found = Description.from_json(_parsed(record, path), f"{path}: {RECORD}")
    elif beside.is_file():
        found = Description.from_json(read_json(beside, MAX_LABELS_BYTES), str(beside))
    elif semantics <= MAX_LABELS:
        return Description(Palette.of_number(semantics))
    else:
        raise UserError(f"{path} is for {semantics} labels, more than the {MAX_LABELS} that a label map can hold")
    if found.channels != semantics:
        edges = " and edges" if found.instances else ""
        raise UserError(
            f"{path} takes {semantics} channels, not {len(found.palette)} labels{edges}: mend {LABELS_FILE}"
        )
    return found


def shape_of(state: Mapping[str, Tensor], upsampling: str = "normal") -> Shape:
    """The networks that folded weights are of.

    ``upsampling`` "more" cannot be told from "normal" by shapes. Raises KeyError, IndexError or ValueError where the
    weights are of something else.
    """
    shared, deep = state["head_0.norm_0.mlp_shared.0.weight"], len(state["head_0.conv_0.weight"])
    latent = state["fc.weight"].shape[1] if state["fc.weight"].dim() == 2 else 0
    layers = sum(f"layer{number}.0.weight" in state for number in range(1, 7))
    return Shape(
        semantics=shared.shape[1],
        base=deep // 16,
        hidden=shared.shape[0],
        kernel=shared.shape[2],
        norm="batch" if "head_0.norm_0.param_free_norm.running_mean" in state else "instance",
        upsampling="most" if "up_4.conv_0.weight" in state else upsampling,
        latent=latent,
        grid=_grid(len(state["fc.weight"]) // deep) if latent else (0, 0),
        encoder_layers=layers,
    )


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights without spectral normalisation: each divided by its largest singular value as training left it.

    With ``weight_u`` and ``weight_v`` that is u W v (Miyato et al. 2018, algorithm 1); files of before PyTorch 1.0 hold
    no v, which one more power iteration gives.
    """
    plain = {}
    for name, value in state.items():
        stem, _, part = name.rpartition(".")
        if part == "weight_orig":
            matrix, u = value.float().flatten(1), state[f"{stem}.weight_u"].float()
            v = state.get(f"{stem}.weight_v")
            v = F.normalize(matrix.T @ u, dim=0) if v is None else v.float()
            plain[f"{stem}.weight"] = value.float() / (u @ matrix @ v)
        elif part not in ("weight_u", "weight_v", _UNCOUNTED):
            plain[name] = value.float()
    return plain


def is_encoders(name: str) -> bool:
    """Whether a tensor of that name belongs to the encoder."""
    return name.startswith(("layer", "fc_mu.", "fc_var."))


def fill(net: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load folded weights; raises RuntimeError where one is missing, too many or of another shape."""
    found = net.load_state_dict(dict(state), strict=False)
    wrong = [*(name for name in found.missing_keys if not name.endswith(_UNCOUNTED)), *found.unexpected_keys]
    if wrong:
        raise RuntimeError(f"{wrong[0]} is missing, or has no place")


def _grid(cells: int) -> tuple[int, int]:
    """Height and width of the first features: square, or twice as wide as high."""
    for aspect in (1, 2):
        height = math.isqrt(cells // aspect)
        if height * height * aspect == cells:
            return height, height * aspect
    raise ValueError(f"{cells} first features are neither square nor twice as wide as high")


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError):  # a file of torch
        return {}


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: what it says of its labels is no JSON") from error
