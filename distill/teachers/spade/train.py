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
from typing import Any

import torch
from rich.console import Console
from safetensors.torch import save
from torch import Tensor, nn

from distill.accelerator import device_kind
from distill.checkpoint import load_state, save_state
from distill.perceptual import compact_perception, vgg19_perception
from distill.progress import RunProgress
from distill.teachers.spade.discriminator import MultiscaleDiscriminator
from distill.teachers.spade.generator import NORMS, Shape, SpadeGenerator, StyleEncoder
from distill.teachers.spade.held_back import Checked, check, write_sheet_of
from distill.teachers.spade.layout import RECORD, folded
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
from distill.train import interrupt_between_steps
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

WEIGHTS_FILE, STATE_FILE, EVALUATION_FILE = "spade.safetensors", "checkpoint.pt", "evaluation.json"
#: Settings that a resumed run may have otherwise.
MAY_CHANGE = {"steps", "check_every"}
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


class SpadeTraining:
    """The three networks with their optimisers; `advance` is one step of all."""

    def __init__(self, settings: SpadeSettings, semantics: int, perception: nn.Module, device: torch.device):
        shape = settings.shape(semantics)
        self.settings, self.device, self.step = settings, device, 0
        self.see = perception.vgg.to(device)
        self.nets = nn.ModuleDict({"generator": SpadeGenerator(shape, spectral=True)})
        if settings.latent:
            self.nets["encoder"] = StyleEncoder(shape, spectral=True)
        self.discriminator = MultiscaleDiscriminator(semantics, 4 * settings.channels).to(device)
        self.nets.to(device)
        half, twice = settings.learning_rate / 2, settings.learning_rate * 2
        self.rates = (half, twice)
        self.optimisers = [
            torch.optim.Adam(net.parameters(), rate, (0.0, 0.9))
            for net, rate in zip((self.nets, self.discriminator), self.rates, strict=True)
        ]

    def advance(self, semantics: Tensor, photos: Tensor) -> dict[str, float]:
        """One step of generator and encoder, then one of the discriminator; returns the losses by name."""
        self.nets.train()
        self.set_rates()
        semantics, real = semantics.to(self.device), photos.to(self.device) * 2 - 1
        latent, losses = None, {}
        if self.settings.latent:
            mean, log_variance = self.nets["encoder"](real)
            noise = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)
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
        self.step += 1
        return self.finite(losses)

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

    def set_rates(self) -> None:
        """Constant for the first half, then down to nothing in a line."""
        factor = min(1.0, 2 * (1 - self.step / self.settings.steps))
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * factor

    def finite(self, losses: dict[str, Tensor]) -> dict[str, float]:
        values = {name: float(value.detach()) for name, value in losses.items()}
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise UserError(f"{bad[0]} stopped being a finite number at step {self.step}: lower --learning-rate")
        return values

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "settings": asdict(self.settings),
            "nets": self.nets.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint; ``UserError`` where there is none, or it is of other settings."""
        if not path.is_file():
            raise UserError(f"there is no run in {path.parent} to resume")
        state = load_state(path)
        try:
            differ = [name for name, value in asdict(self.settings).items() if state["settings"][name] != value]
            if changed := sorted(set(differ) - MAY_CHANGE):
                raise UserError(
                    f"the run in {path.parent} was started with other settings ({', '.join(changed)}): "
                    "repeat them, or choose another --out"
                )
            self.nets.load_state_dict(state["nets"])
            self.discriminator.load_state_dict(state["discriminator"])
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
            self.step = int(state["step"])
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{path} is of another network: choose another --out") from error


def train(
    settings: SpadeSettings, out: Path, resume: bool = False, device: str = "auto", console: Console | None = None
) -> list[Checked]:
    """Train a SPADE and leave its weights, the checks on held-back pairs and pictures of them in ``out``.

    Returns the checks by step, the first one of the untrained network. Raises :class:`~runtime.errors.UserError` for
    what the user can mend; ``KeyboardInterrupt`` passes through after a checkpoint was written.
    """
    console = console or Console(stderr=True)
    if not resume and (out / STATE_FILE).exists():
        raise UserError(f"{out} already holds a run: continue it with --resume, or choose another --out")
    torch.manual_seed(settings.seed)
    pairs, held = (open_map_pairs(_folder(settings), settings.size, part) for part in ("train", "held-back"))
    if not len(held):
        raise UserError(f"{settings.pairs} holds back none of its {len(pairs)} pairs, as one in five is: give more")
    perception = (vgg19_perception(settings.weights) if settings.weights else None) or compact_perception()
    training = SpadeTraining(settings, pairs.described.channels, perception, torch.device(device_kind(device)))
    if resume:
        training.restore(out / STATE_FILE)
    _make_folder(out)
    checks = [found for found in _read_checks(out) if found.step <= training.step] if resume else []
    millions = sum(parameter.numel() for parameter in training.nets.parameters()) / 1e6
    line = (
        f"{len(pairs)} pairs, checked on {len(held)} held back; {millions:.2f} M parameters without the discriminator"
    )
    console.print(line, highlight=False, soft_wrap=True)
    with (
        RunProgress(out, settings.steps, settings.batch, training.step, console, label="training") as progress,
        interrupt_between_steps() as interrupted,
    ):
        if not checks:
            checks.append(_checked(training, held, out, pairs))
            _write_checks(out, checks)
        while training.step < settings.steps and not interrupted():
            losses = training.advance(*pairs.batch(settings.seed, training.step, settings.batch, settings.size))
            progress(training.step, losses)
            if training.step % settings.check_every == 0 or training.step == settings.steps:
                checks.append(_checked(training, held, out, pairs))
                _write_checks(out, checks)
                save_state(out / STATE_FILE, training.state())
    if training.step < settings.steps:
        save_state(out / STATE_FILE, training.state())
        raise KeyboardInterrupt
    return checks


def save_spade(path: Path, training: SpadeTraining, pairs: MapPairs) -> None:
    """Write the weights without spectral normalisation in half precision, and what the labels are."""
    state = folded({name: value for net in training.nets.values() for name, value in net.state_dict().items()})
    small = {name: value.cpu() if ".running_" in name else value.half().cpu() for name, value in state.items()}
    record = json.dumps(pairs.described.to_json())
    write_atomically(path, save({name: value.contiguous() for name, value in small.items()}, {RECORD: record}))


def _checked(training: SpadeTraining, held: MapPairs, out: Path, pairs: MapPairs) -> Checked:
    nets = training.nets.eval()
    found, rows = check(nets, held, training.settings.size, training.see, training.step, training.device)
    write_sheet_of(out / "sheets" / f"step-{training.step:06d}.png", rows)
    save_spade(out / WEIGHTS_FILE, training, pairs)
    return found


def _folder(settings: SpadeSettings) -> Path | None:
    return None if settings.pairs is None else Path(settings.pairs)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from error


def _write_checks(out: Path, checks: list[Checked]) -> None:
    write_atomically(out / EVALUATION_FILE, (json.dumps([asdict(found) for found in checks], indent=1) + "\n").encode())


def _read_checks(out: Path) -> list[Checked]:
    try:
        return [Checked(**found) for found in json.loads((out / EVALUATION_FILE).read_text(encoding="utf-8"))]
    except (OSError, TypeError, ValueError):
        return []
