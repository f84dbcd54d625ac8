"""Training a SPADE from label maps and photos: generator, encoder and discriminator against each other.

The objective is the paper's (section 3, appendix A): hinge loss, feature matching, perceptual loss, and where there
is an encoder the divergence of its style vectors. Adam with two time scales (Heusel et al. 2017). The order of the data
and of the noise is a function of seed and step, so a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import save
from torch import Tensor, nn

from distill.accelerator import device_kind
from distill.perceptual import compact_perception, vgg19_perception
from distill.teachers.lessons import give, linear_decay
from distill.teachers.spade.discriminator import MultiscaleDiscriminator
from distill.teachers.spade.generator import NORMS, Shape, SpadeGenerator, StyleEncoder
from distill.teachers.spade.held_back import Checked, check, write_sheet_of
from distill.teachers.spade.layout import RECORD, Description, folded
from distill.teachers.spade.losses import (
    DIVERGENCE,
    FEATURES,
    PERCEPTUAL,
    divergence,
    feature_matching,
    hinge_of_discriminator,
    hinge_of_generator,
    perceptual_loss,
)
from distill.teachers.spade.map_pairs import MapPairs, open_map_pairs
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

WEIGHTS_FILE, EVALUATION_FILE = "spade.safetensors", "evaluation.json"
ENCODER_LAYERS = 5


@dataclass(frozen=True)
class SpadeSettings:
    """What a SPADE is trained with.

    Attributes:
        pairs: a folder as of `open_map_pairs`; None for drawn landscapes.
        channels: of the generator at full resolution; the deepest layers have sixteen times as many.
        hidden: channels of the convolution that each SPADE layer puts on the label map.
        latent: length of the style vector; 0 for no encoder, and one look.
        size: side of the crops in pixels.
        learning_rate: the generator's is half of it, the discriminator's twice as much.
        weights: of VGG-19 for the perceptual loss; None for the compact one that ships.
    """

    pairs: str | None = None
    channels: int = 8
    hidden: int = 32
    latent: int = 16
    norm: str = "batch"
    steps: int = 1500
    batch: int = 8
    size: int = 96
    learning_rate: float = 4e-4
    check_every: int = 250
    seed: int = 0
    weights: str | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.channels <= 128 or not 1 <= self.hidden <= 512 or not 0 <= self.latent <= 1024:
            raise UserError("--channels must be from 2 to 128, --hidden from 1 to 512, --latent from 0 to 1024")
        if self.norm not in NORMS:
            raise UserError(f"--norm is {' or '.join(NORMS)}, not '{self.norm}'")
        if not 64 <= self.size <= 512 or self.size % 32:
            raise UserError(f"--size must be a multiple of 32 between 64 and 512, not {self.size}")
        if min(self.steps, self.batch, self.check_every) < 1 or self.seed < 0:
            raise UserError("--steps, --batch and --check-every must be at least 1, and --seed at least 0")
        if not 0 < self.learning_rate < math.inf:
            raise UserError(f"--learning-rate must be a number above 0, not {self.learning_rate:g}")

    def shape(self, semantics: int) -> Shape:
        grid = (self.size // 32,) * 2 if self.latent else (0, 0)
        layers = ENCODER_LAYERS if self.latent else 0
        return Shape(semantics, self.channels, self.hidden, 3, self.norm, "normal", self.latent, grid, layers)


class SpadeLessons:
    """The three networks with their optimisers; a step is one of all."""

    def __init__(self, settings: SpadeSettings, pairs: MapPairs, perception: nn.Module, device: torch.device):
        torch.manual_seed(settings.seed)
        self.settings, self.record, self.pairs, self.device = settings, asdict(settings), pairs, device
        shape = settings.shape(pairs.described.channels)
        self.see = perception.vgg.to(device)
        self.nets = nn.ModuleDict({"generator": SpadeGenerator(shape, spectral=True)})
        if settings.latent:
            self.nets["encoder"] = StyleEncoder(shape, spectral=True)
        self.nets.to(device)
        self.discriminator = MultiscaleDiscriminator(shape.semantics, 4 * settings.channels).to(device)
        self.rates = (settings.learning_rate / 2, settings.learning_rate * 2)
        self.optimisers = [
            torch.optim.Adam(net.parameters(), rate, (0.0, 0.9))
            for net, rate in zip((self.nets, self.discriminator), self.rates, strict=True)
        ]
        self.parts = {"nets": self.nets, "discriminator": self.discriminator}
        self.parts |= dict(zip(("painters", "judges"), self.optimisers, strict=True))

    def step(self, number: int) -> dict[str, float]:
        """One of generator and encoder, then one of the discriminator."""
        self.nets.train()
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * linear_decay(number, self.settings.steps)
        settings = self.settings
        semantics, photos = self.pairs.batch(settings.seed, number, settings.batch, settings.size)
        semantics, real = semantics.to(self.device), photos.to(self.device) * 2 - 1
        latent, losses = None, {}
        if settings.latent:
            mean, log_variance = self.nets["encoder"](real)
            noise = torch.Generator().manual_seed(settings.seed * 1_000_003 + number)
            latent = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=noise).to(mean)
            losses["divergence"] = DIVERGENCE * divergence(mean, log_variance)
        fake = self.nets["generator"](semantics, latent)
        seen_fake, seen_real = self.seen(semantics, fake, real)
        losses["hinge"] = hinge_of_generator(seen_fake)
        losses["features"] = FEATURES * feature_matching(seen_fake, seen_real)
        losses["perceptual"] = PERCEPTUAL * perceptual_loss(self.see((fake + 1) / 2), self.see((real + 1) / 2))
        self.descend(0, sum(losses.values()))
        seen_fake, seen_real = self.seen(semantics, fake.detach(), real)
        losses["discriminator"] = hinge_of_discriminator(seen_real, seen_fake)
        self.descend(1, losses["discriminator"])
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def seen(self, semantics: Tensor, fake: Tensor, real: Tensor) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """The discriminator's activations of both, which it sees in one batch."""
        seen = self.discriminator(torch.cat([torch.cat([semantics, fake], 1), torch.cat([semantics, real], 1)]))
        halves = [[layer.chunk(2) for layer in scale] for scale in seen]
        fakes, reals = ([[layer[i] for layer in scale] for scale in halves] for i in (0, 1))
        return fakes, reals

    def descend(self, which: int, loss: Tensor) -> None:
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[which].step()


def train(
    settings: SpadeSettings, out: Path, resume: bool = False, device: str = "auto", console: Console | None = None
) -> list[Checked]:
    """Train a SPADE and leave its weights, the checks on held-back pairs and pictures of them in ``out``.

    Returns the checks by step, the first one of the untrained network. Raises :class:`~runtime.errors.UserError` for
    what the user can mend; ``KeyboardInterrupt`` passes through after a checkpoint was written.
    """
    console = console or Console(stderr=True)
    folder = None if settings.pairs is None else Path(settings.pairs)
    pairs, held = (open_map_pairs(folder, settings.size, part) for part in ("train", "held-back"))
    if not len(held):
        raise UserError(f"{settings.pairs} holds back none of its {len(pairs)} pairs, as one in five is: give more")
    perception = (vgg19_perception(settings.weights) if settings.weights else None) or compact_perception()
    lessons = SpadeLessons(settings, pairs, perception, torch.device(device_kind(device)))
    millions = sum(parameter.numel() for parameter in lessons.nets.parameters()) / 1e6
    line = (
        f"{len(pairs)} pairs, checked on {len(held)} held back; {millions:.2f} M parameters without the discriminator"
    )
    console.print(line, highlight=False, soft_wrap=True)
    give(lessons, out, resume, console, settings.check_every, lambda step: _keep(step, lessons, held, out))
    return _read_checks(out)


def save_spade(path: Path, nets: nn.ModuleDict, described: Description) -> None:
    """Write the weights without spectral normalisation in half precision, and what the labels are."""
    state = folded({name: value for net in nets.values() for name, value in net.state_dict().items()})
    small = {name: value.cpu() if ".running_" in name else value.half().cpu() for name, value in state.items()}
    record = json.dumps(described.to_json())
    write_atomically(path, save({name: value.contiguous() for name, value in small.items()}, {RECORD: record}))


def _keep(step: int, lessons: SpadeLessons, held: MapPairs, out: Path) -> None:
    """Check the networks on held-back pairs; their weights, pictures and scores are left in ``out``."""
    nets = lessons.nets.eval()
    found, rows = check(nets, held, lessons.settings.size, lessons.see, step, lessons.device)
    write_sheet_of(out / "sheets" / f"step-{step:06d}.png", rows)
    save_spade(out / WEIGHTS_FILE, nets, lessons.pairs.described)
    checks = [*(earlier for earlier in _read_checks(out) if earlier.step < step), found]
    write_atomically(out / EVALUATION_FILE, (json.dumps([asdict(found) for found in checks], indent=1) + "\n").encode())


def _read_checks(out: Path) -> list[Checked]:
    try:
        return [Checked(**found) for found in json.loads((out / EVALUATION_FILE).read_text(encoding="utf-8"))]
    except (OSError, TypeError, ValueError):
        return []
