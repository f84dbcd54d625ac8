"""Trains a StyleSwin stylizer: AdaIN's content and style losses, and the wavelet discriminator on paintings.

The generator's part is the paper's: logistic adversarial loss with R1 every sixteenth step, Adam with β of 0 and 0.99,
an average of the weights as the result. Content and style losses are equations 12 and 13 of AdaIN (Huang & Belongie
2017); some rows are photos as their own style, whose picture has to be the photo (identity loss, Park & Lee 2019).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from distill.data import PictureSet, random_crop
from distill.losses import content_loss, range_loss, style_loss, variation_loss
from distill.perceptual import Perception, compact_perception
from distill.samples import Samples, to_tensor
from distill.settings import Settings
from distill.teachers.lessons import linear_decay, write_weights
from distill.teachers.styleswin.attention import Block, EqualLinear
from distill.teachers.styleswin.generator import MAPPING_RATE, Generator, LayerShape, Shape, ToRgb
from distill.teachers.styleswin.stylizer import StyleSwinTeacher, read_generator
from distill.teachers.styleswin.wavelet_discriminator import (
    WaveletDiscriminator,
    gradient_penalty,
    logistic_loss,
    non_saturating_loss,
)
from runtime.errors import UserError

BETAS = (0.0, 0.99)
#: R1's weight, and how many steps lie between two looks at it.
PENALTY, PENALTY_EVERY = 10.0, 16
#: Channels of the four layers at width 1, and numbers of a style.
CHANNELS, STYLE = (256, 128, 64, 32), 256
CALIBRATION_CROPS, CALIBRATION_STREAM = 64, 13
WARM_UP = 20


@dataclass(frozen=True)
class StyleSwinSettings:
    """``content`` and ``style`` are folders, shards, or None for what ships; ``generator`` a file to start from."""

    content: str | None = None
    style: str | None = None
    generator: str | None = None
    width: float = 0.5
    size: int = 128
    batch: int = 4
    steps: int = 20_000
    learning_rate: float = 5e-4
    adversarial: float = 0.05
    style_weight: float = 0.2
    content_weight: float = 1.0
    identity: float = 8.0
    identity_share: float = 0.5
    judge_channels: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size not in (64, 128, 256, 512):
            raise UserError(f"--size must be 64, 128, 256 or 512, got {self.size}")
        if not 0.25 <= self.width <= 2 or not 8 <= self.judge_channels <= 512:
            raise UserError("--width goes from 0.25 to 2, --judge-channels from 8 to 512")
        if min(self.batch, self.steps) < 1 or self.seed < 0:
            raise UserError("--batch and --steps must be at least 1, --seed at least 0")
        weights = (self.adversarial, self.style_weight, self.content_weight, self.identity)
        if not 0 < self.learning_rate < 1 or not all(0 <= weight < 1e4 for weight in weights):
            raise UserError("--learning-rate must lie between 0 and 1, weights of losses must be at least 0")


class StyleSwinLessons:
    """A stylizer, its average and its discriminator, with their optimisers."""

    def __init__(self, settings: StyleSwinSettings, content: PictureSet, style: PictureSet, device: torch.device):
        torch.manual_seed(settings.seed)
        self.settings, self.record, self.device = settings, asdict(settings), device
        self.perception = compact_perception().to(device)
        self.stylizer = started(settings, style).to(device)
        self.judge = WaveletDiscriminator(settings.size, settings.judge_channels).to(device)
        self.average = AveragedModel(self.stylizer, avg_fn=follow, use_buffers=True)
        self.optimiser = torch.optim.Adam(groups(self.stylizer, settings.learning_rate), betas=BETAS)
        self.judges = torch.optim.Adam(groups(self.judge, settings.learning_rate), betas=BETAS)
        names = ("stylizer", "judge", "average", "optimiser", "judges")
        self.parts = {name: getattr(self, name) for name in names}
        crops = Settings(
            size=settings.size,
            batch=settings.batch,
            seed=settings.seed,
            teacher_share=0.0,
            identity_share=settings.identity_share,
        )
        self.samples = Samples(crops, content, style, None)
        self.peaks = [[g["lr"] for g in optimiser.param_groups] for optimiser in (self.optimiser, self.judges)]

    def step(self, number: int) -> dict[str, float]:
        factor = min(1, (number + 1) / WARM_UP) * linear_decay(number, self.settings.steps)
        for optimiser, peaks in zip((self.optimiser, self.judges), self.peaks, strict=True):
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
        batch = self.samples.batch(number).to(self.device)
        painted = self.stylizer(batch.content, batch.style)
        losses = self.losses(painted, batch.content, batch.style, batch.identity)
        self.optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(self.stylizer.parameters(), 5.0)
        self.optimiser.step()
        self.average.update_parameters(self.stylizer)
        if self.settings.adversarial > 0:
            losses["judge"] = self.judge_step(number, painted.detach(), batch.style)
        return {name: loss.item() for name, loss in losses.items()}

    def losses(self, painted: Tensor, content: Tensor, style: Tensor, identity: Tensor) -> dict[str, Tensor]:
        """Weighted losses by name of painted pictures; rows of ``identity`` (N,) bool are photos as their own style."""
        settings = self.settings
        with torch.no_grad():
            wanted = Perception(self.perception.content(content), self.perception(style).style)
        seen = self.perception(painted)
        losses = {
            "content": settings.content_weight * content_loss(seen, wanted),
            "style": settings.style_weight * style_loss(seen, wanted),
            "identity": settings.identity * ((painted - content).abs().mean((1, 2, 3)) * identity).mean(),
            "smooth": 0.05 * variation_loss(painted) + 0.5 * range_loss(painted),
        }
        if settings.adversarial > 0:
            self.judge.requires_grad_(False)
            losses["adversarial"] = settings.adversarial * non_saturating_loss(self.judge(painted))
        return losses

    def judge_step(self, number: int, painted: Tensor, paintings: Tensor) -> Tensor:
        """The discriminator learns to tell what was painted from the pictures whose style it has."""
        self.judge.requires_grad_(True)
        loss = logistic_loss(self.judge(paintings), self.judge(painted))
        if number % PENALTY_EVERY == 0:
            loss = loss + PENALTY / 2 * PENALTY_EVERY * gradient_penalty(self.judge, paintings)
        self.judges.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.judge.parameters(), 5.0)
        self.judges.step()
        return loss.detach()


def started(settings: StyleSwinSettings, style: PictureSet) -> StyleSwinTeacher:
    """The stylizer before its first step, its statistics centred on a sample of the paintings."""
    if settings.generator is not None:
        generator = read_generator(Path(settings.generator))
    else:
        # Sides of the layers as they are used; a constant of 4 pixels is what nobody will grow these layers from.
        widths = [max(8, round(channels * settings.width / 8) * 8) for channels in CHANNELS]
        generator = Generator(Shape(tuple(LayerShape.usual(width, 8) for width in widths), STYLE))
    try:
        stylizer = StyleSwinTeacher.around(generator)
    except ValueError as error:
        raise UserError(f"{settings.generator} cannot be a stylizer: {error}") from error
    if settings.generator is None:
        generator.apply(hasten)
    for layer in generator.layers:
        if layer.upsample is not None:  # where a photo is cut off says nothing of its style
            layer.upsample.alpha.requires_grad_(False)
    rng = np.random.default_rng([settings.seed, CALIBRATION_STREAM])
    chosen = (style[int(i)] for i in rng.integers(len(style), size=CALIBRATION_CROPS))
    crops = (to_tensor([random_crop(picture, settings.size, rng, augment=True)]) for picture in chosen)
    with torch.no_grad():
        stylizer.entrance.calibrate(torch.cat([stylizer.entrance.statistics(crop) for crop in crops]))
    return stylizer


def hasten(layer: nn.Module) -> None:
    """Another start than the official one, which is for months of steps: activations that keep their size at once."""
    if isinstance(layer, EqualLinear) and layer.rate == 1:  # scales near 1, as StyleGAN starts
        layer.weight.data.mul_(0.25)
        layer.bias.data[: len(layer.bias) // 2] = 1
    elif isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0, layer.in_features**-0.5)
    elif isinstance(layer, Block):
        for branch in (layer.proj, layer.mlp.fc2):
            branch.weight.data.mul_(0.3)
    elif isinstance(layer, ToRgb):
        nn.init.normal_(layer.conv.weight, 0, 0.3 * layer.conv.in_channels**-0.5)


def follow(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """Exponential moving average whose memory grows with the training, up to some 450 steps as in the official code."""
    decay = min(0.998, (1 + float(count)) / (10 + float(count)))
    return current.lerp(average, decay) if average.is_floating_point() else current


def groups(net: nn.Module, rate: float) -> list[dict[str, Any]]:
    """Parameters with Adam's steps: what is scaled when it is used learns as if it were not.

    The mapping network keeps a tenth of the rate; the paper's hundredth is for months of steps.
    """
    equal = [layer for layer in net.modules() if hasattr(layer, "scale") and isinstance(layer.weight, nn.Parameter)]
    found, done = [], set()
    for layer in equal:
        slow = 0.1 if getattr(layer, "rate", 1) == MAPPING_RATE else 1.0
        found.append({"params": [layer.weight], "lr": rate * slow / layer.scale})
        done.add(layer.weight)
        if getattr(layer, "bias", None) is not None:
            found.append({"params": [layer.bias], "lr": rate * slow / layer.rate})
            done.add(layer.bias)
    rest = [p for p in net.parameters() if p.requires_grad and p not in done]
    return [{"params": rest, "lr": rate}, *found]


def write_stylizer(path: Path, lessons: StyleSwinLessons, scores: dict[str, Any]) -> None:
    """The averaged stylizer, its generator under the official names."""
    record = {"settings": asdict(lessons.settings), "scores": scores}
    write_weights(path, lessons.average.module.tensors(), record)
