"""Teachers with their style side and their content side apart, for benchmarks that set them beside students."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from distill.perceptual import moments, vgg_from_community
from distill.teachers import cyclegan, johnson, microast
from distill.teachers.adain import decoder_from_community
from distill.teachers.named_weights import weight_count
from distill.weights import load_state
from runtime.errors import UserError

StyleSide = Callable[[Tensor], tuple[Tensor, ...]]


def adain_parts(encoder_file: Path, decoder_file: Path) -> tuple[StyleSide, Callable[..., Tensor], int]:
    """The style side, the content side, and how many parameters both have.

    The style side takes a picture (1, 3, H, W) in [0, 1] and gives mean and deviation (1, C, 1, 1) of its relu4_1; the
    content side takes a picture and those two and gives the painted one, not clipped. H and W are multiples of 8.

    Raises:
        UserError: the weights are damaged or of another architecture.
    """
    try:
        encoder = vgg_from_community(load_state(encoder_file))
        decoder = decoder_from_community(load_state(decoder_file))
    except ValueError as error:
        raise UserError(f"{encoder_file.name} and {decoder_file.name} are of another architecture: {error}") from error
    if encoder.channels[-1] != decoder.convs[0].weight.shape[1]:
        raise UserError(f"{encoder_file.name} and {decoder_file.name} do not belong together: their widths differ")

    def style_side(picture: Tensor) -> tuple[Tensor, ...]:
        return moments(encoder(picture)[-1])

    def content_side(picture: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        features = encoder(picture)[-1]
        own_mean, own_deviation = moments(features)
        return decoder((features - own_mean) / own_deviation * deviation + mean)

    return style_side, content_side, sum(p.numel() for net in (encoder, decoder) for p in net.parameters())


def microast_parts(files: Mapping[str, Path]) -> tuple[StyleSide, Callable[..., Tensor], int]:
    """The same of MicroAST, whose style side gives eight codes (1, C, 1, 1); sides of contents are multiples of 4.

    Args:
        files: by role, see `distill.teachers.microast.FILES`.
    """
    teacher = microast.of_files(files)
    return teacher.style_codes, teacher.paint, weight_count(teacher)


def one_style_parts(name: str, file: Path) -> tuple[Callable[[Tensor], Tensor], int, str]:
    """The content side of ``johnson`` or ``cyclegan``, how many parameters it has, and what its style is called.

    Raises:
        UserError: the weights are damaged or of another architecture.
    """
    teacher = {"johnson": johnson.of_file, "cyclegan": cyclegan.of_file}[name](file)
    return teacher.paint, weight_count(teacher), teacher.style_name
