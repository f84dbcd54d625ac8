"""Painting as the runtime does it: inside a frame of mirrored pixels that is cropped afterwards.

The painter pads with zeros. A student that is trained without the frame learns to use that dark border: it draws edges
along it, which the style loss likes, and which nobody sees at run time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from runtime.framing import MARGIN


def paint_framed(student: nn.Module, content: Tensor, affine: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The student's picture of ``content`` (N, 3, H, W), sides above ``MARGIN`` and multiples of the student's.

    ``affine`` holds one scale and shift (N, C, 1, 1) per site. The same size comes back, not clipped.
    """
    painted = student.paint(F.pad(content, [MARGIN] * 4, mode="reflect"), affine)
    return painted[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
