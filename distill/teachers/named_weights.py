"""Published networks as functions of their weights: tensors by the file's own names, and the operations on them.

``conv(weights, "dec3.1", x)`` reads names as the file has them and channel counts off the shapes, so that a network of
any width is one function, and what its file must hold is what that function asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill.teachers.teacher import Teacher
from runtime.errors import UserError

#: Sides of the picture that weights are tried on, in pixels.
PROBE = 32
#: What files from before PyTorch 0.4 hold besides: an instance normalisation's averages, which nothing reads.
_UNREAD = ("running_mean", "running_var", "num_batches_tracked")


class NamedWeights(nn.Module):
    """Tensors by name, float32, frozen unless ``trainable``; they move with the module that holds them."""

    def __init__(self, state: Mapping[str, Tensor], trainable: bool = False):
        super().__init__()
        self._asked: set[str] | None = None
        for name, value in state.items():
            if trainable:
                self.register_parameter(_buffer(name), nn.Parameter(value.float()))
            elif not name.endswith(_UNREAD):
                self.register_buffer(_buffer(name), value.float())

    def __getitem__(self, name: str) -> Tensor:
        """The tensor of that name; ``KeyError`` where there is none."""
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def get(self, name: str) -> Tensor | None:
        """The tensor of that name, or None."""
        if self._asked is not None:
            self._asked.add(name)
        return getattr(self, _buffer(name), None)

    def __contains__(self, name: str) -> bool:
        return hasattr(self, _buffer(name))

    def names(self) -> Iterator[str]:
        return (_name(key) for key in self.state_dict())

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, on the CPU, as a file holds them."""
        return {_name(key): value.detach().cpu().contiguous() for key, value in self.state_dict().items()}

    def count(self) -> int:
        """How many numbers it holds."""
        return sum(tensor.numel() for tensor in self.state_dict().values())


def _buffer(name: str) -> str:
    return name.replace(".", "/")  # torch allows no dots in a buffer's name


def _name(buffer: str) -> str:
    return buffer.replace("/", ".")


def weight_count(teacher: nn.Module) -> int:
    """How many numbers a teacher's named weights hold."""
    return sum(weights.count() for weights in _held(teacher))


def proved(teacher: Teacher, files: str) -> Teacher:
    """The teacher, if it paints a small picture with its weights and has use for all of them.

    Raises:
        UserError: ``files``, which are named, hold the weights of something else.
    """
    for weights in _held(teacher):
        weights._asked = set()
    try:
        with torch.inference_mode():
            picture = torch.rand(1, 3, PROBE, PROBE, generator=torch.Generator().manual_seed(0))
            painted = teacher(picture, picture)
    except KeyError as error:
        raise UserError(f"{files}: not the network of {teacher.name} (there is no {error})") from error
    except (RuntimeError, ValueError) as error:
        first = str(error).splitlines()[0][:120]
        raise UserError(f"{files}: not the network of {teacher.name} ({first})") from error
    unused = sorted(name for weights in _held(teacher) for name in set(weights.names()) - (weights._asked or set()))
    if unused:
        raise UserError(f"{files}: not the network of {teacher.name} (it has no use for '{unused[0]}')")
    if painted.shape != picture.shape or not painted.isfinite().all():
        raise UserError(f"{files}: not the network of {teacher.name} (it gives {tuple(painted.shape)} or no numbers)")
    for weights in _held(teacher):
        weights._asked = None
    return teacher.eval()


def _held(teacher: nn.Module) -> list[NamedWeights]:
    return [module for module in teacher.modules() if isinstance(module, NamedWeights)]


def conv(weights: NamedWeights, name: str, x: Tensor, stride: int = 1, pad: str = "reflect") -> Tensor:
    """A convolution that keeps the size, but for its stride; grouped as its weight's shape says.

    ``pad`` is "reflect" or "constant" (zeros).
    """
    weight = weights[f"{name}.weight"]
    bias = weights.get(f"{name}.bias")
    around = weight.shape[-1] // 2
    if around:
        x = F.pad(x, (around,) * 4, mode=pad)
    return F.conv2d(x, weight, bias, stride, groups=int(x.shape[1]) // weight.shape[1])


def instance_norm(x: Tensor, weights: NamedWeights | None = None, name: str = "", eps: float = 1e-5) -> Tensor:
    """Instance normalisation (Ulyanov et al. 2016), with the scale and shift of that name where there are any."""
    scale, shift = (None, None) if weights is None else (weights[f"{name}.weight"], weights[f"{name}.bias"])
    return F.instance_norm(x, weight=scale, bias=shift, eps=eps)
