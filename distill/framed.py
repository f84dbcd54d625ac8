"""Painting as the runtime does it: inside a frame of mirrored pixels that is cropped afterwards.

The painter pads with zeros. A student that is trained without the frame learns to use that dark border: it draws edges
along it, which the style loss likes, and which nobody sees at run time. One that is trained within reach of it still
draws lines along the picture's, so training paints in a frame as wide as the painter reaches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from runtime.framing import MARGIN


def paint_framed(
    student: nn.Module, content: Tensor, affine: Sequence[tuple[Tensor, Tensor]], margin: int = MARGIN
) -> Tensor:
    """The student's picture of ``content`` (N, 3, H, W), sides above ``margin`` and multiples of the student's.

    ``affine`` holds one scale and shift (N, C, 1, 1) per site. The same size comes back, not clipped.
    """
    painted = student.paint(F.pad(content, [margin] * 4, mode="reflect"), affine)
    return painted[..., margin:-margin, margin:-margin]
