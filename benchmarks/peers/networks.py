"""What a peer's module gives: its networks in torch, style side and content side apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


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
