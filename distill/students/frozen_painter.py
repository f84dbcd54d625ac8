"""A painter of one style: that style's affine is folded into the weights, so that nothing but a photo goes in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distill.students.haar_painter import Affine, HaarLayers, HaarPainter


class FrozenPainter(HaarLayers):
    """The layers of a :class:`HaarPainter` alone; its only role is to paint, and it has no sites."""

    architecture = "frozen_painter"

    def paint(self, content: Tensor, affine: Sequence[Affine] = ()) -> Tensor:
        """(N, 3, H, W) with sides that are multiples of 4 -> picture, not clipped; ``affine`` is empty."""
        if affine:
            raise ValueError("the style of this painter is folded in: it takes no affine")
        return self.decode(content, [None] * (4 + self.block_count))

    def forward(self, content: Tensor) -> Tensor:
        return self.paint(content)

    @classmethod
    def unsteered(cls, painter: HaarPainter) -> FrozenPainter:
        """The painter at strength 0, where every scale is 1 and every shift 0: it learned to give back the photo."""
        frozen = cls(**painter.shape).to(painter.stem.weight.dtype)
        frozen.load_state_dict({k: v for k, v in painter.state_dict().items() if not k.startswith("style.")})
        return frozen

    @classmethod
    @torch.no_grad()
    def folding(cls, painter: HaarPainter, affine: Sequence[Affine]) -> FrozenPainter:
        """The painter that gives ``painter.paint(content, affine)`` for every content, in eval mode.

        A scale after a convolution multiplies its kernel's rows, one before a 1x1 convolution its columns. That of the
        trunk, which follows a residual block and its skip, goes back through both: relu(a x) = a relu(x) for a > 0.

        Args:
            affine: per site a scale and a shift (1, C, 1, 1), as from ``painter.affine`` of one code.

        Raises:
            ValueError: a scale of the trunk is not above 0, which no code of the style encoder gives: target and
                measured deviations are positive.
        """
        frozen = cls.unsteered(painter)
        skip, trunk, *blocks, up, mix = [(a.flatten(), b.flatten()) for a, b in affine]
        for layer, (scale, shift) in zip(
            [*(block.inner for block in frozen.blocks), frozen.up.conv5, frozen.mix], [*blocks, up, mix], strict=True
        ):
            scale_outputs(layer, scale, shift)
        frozen.skip.bias += frozen.skip.weight.flatten(1) @ skip[1]
        scale_inputs(frozen.skip, skip[0])
        if not (trunk[0] > 0).all():
            raise ValueError("a style can only be folded in when its scales of the trunk are above 0")
        scale_outputs(frozen.down, trunk[0], torch.zeros_like(trunk[1]))
        scale_inputs(frozen.encode.inner, 1 / trunk[0])
        scale_outputs(frozen.encode.outer, *trunk)
        return frozen.eval()


def scale_outputs(layer: torch.nn.Conv2d, scale: Tensor, shift: Tensor) -> None:
    """Make a convolution give ``scale`` times its output plus ``shift``, per channel."""
    layer.weight *= scale[:, None, None, None]
    layer.bias.mul_(scale).add_(shift)


def scale_inputs(layer: torch.nn.Conv2d, scale: Tensor) -> None:
    """Make a convolution give for x what it gave for ``scale`` times x, per channel."""
    layer.weight *= scale[:, None, None]
