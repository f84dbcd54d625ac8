"""What a peer's module gives, and the few operations its networks are made of, as functions of its weights.

Networks are functions, not modules, because the weights come with names of their own: ``conv(weights, "dec3.1", x)``
reads the file's own names, and the channel counts off the shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import PeerAbsent

if TYPE_CHECKING:
    from torch import Tensor

#: Tensors by the names in the file.
Weights = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class Networks:
    """A peer in torch; pictures are RGB (1, 3, H, W) in [0, 1].

    Attributes:
        paint: content and the style side's outputs -> picture of the same size, about [0, 1].
        style: style picture -> codes; None for a peer with one style in its weights.
        parameters: numbers that were trained.
        multiple: H and W of a content must be multiples of this, in pixels.
        note: what else a reader should know, such as the one style.
    """

    paint: Callable[..., Tensor]
    style: Callable[[Tensor], tuple[Tensor, ...]] | None
    parameters: int
    multiple: int = 4
    note: str = ""


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that torch saved, as float32, without running code from it.

    Raises:
        PeerAbsent: it is damaged or holds something else.
    """
    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): value.float() for name, value in loaded.items()}
    except Exception as error:  # torch raises whatever its unpickler, zip reader or the file's content leads to
        raise PeerAbsent(f"{path.name} cannot be read as weights ({_first_line(error)})") from error


def count(*weights: Weights) -> int:
    """Numbers in all of them."""
    return sum(tensor.numel() for each in weights for tensor in each.values())


def conv(weights: Weights, name: str, x: Tensor, stride: int = 1, pad: str = "reflect") -> Tensor:
    """A convolution that keeps the size, but for its stride; grouped as its weight's shape says.

    ``pad`` is "reflect", "constant" (zeros), or "none" for an input that is padded already.
    """
    import torch.nn.functional as F

    weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
    around = weight.shape[-1] // 2
    if around and pad != "none":
        x = F.pad(x, (around,) * 4, mode=pad)
    return F.conv2d(x, weight, bias, stride, groups=int(x.shape[1]) // weight.shape[1])


def instance_norm(x: Tensor, weights: Weights | None = None, name: str = "", eps: float = 1e-5) -> Tensor:
    """Instance normalisation (Ulyanov et al. 2016), with the scale and shift of that name where there are any."""
    import torch.nn.functional as F

    scale, shift = (None, None) if weights is None else (weights[f"{name}.weight"], weights[f"{name}.bias"])
    return F.instance_norm(x, weight=scale, bias=shift, eps=eps)


def moments(x: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Mean and unbiased deviation over the picture plane: (1, C, H, W) -> two tensors (1, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True), (x.var((2, 3), keepdim=True) + eps).sqrt()


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
