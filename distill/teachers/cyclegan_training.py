"""CycleGAN's training (Zhu, Park, Isola & Efros 2017): two kinds of pictures, none of which belong together.

Two generators, G from kind A to kind B and F back, and two discriminators; least-squares adversarial losses in place
of equation 1 (section 4), cycle consistency (equation 2) and identity (section 5.2). As in the authors' code (and
section 7.1): the discriminators see fakes from a memory of 50, Adam at 0.0002, whose rate falls to 0 in a line over
the second half, weights from a normal distribution of deviation 0.02.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill.contact_sheet import write_sheet
from distill.data import PictureSet, random_crop
from distill.evaluate import centre_square
from distill.losses import least_squares, style_loss
from distill.perceptual import Perception
from distill.samples import to_tensor
from distill.teachers.cyclegan import LICENCE, CycleGanTeacher, beside, initial_weights
from distill.teachers.lessons import linear_decay, write_weights
from distill.teachers.patch_gan import PatchGan
from runtime.errors import UserError

BETAS = (0.5, 0.999)
POOL = 50
CROP_STREAM, POOL_STREAM = 11, 12
#: Pictures are kept this much larger than the crops, as in the authors' code.
SHORT_SIDE_OVER_CROP = 286 / 256
JUDGED = 16


@dataclass(frozen=True)
class CycleGanSettings:
    """``a`` and ``b`` are folders or shards; ``cycle`` and ``identity`` are λ and its part of it, as in the paper."""

    a: str
    b: str
    channels: int = 32
    blocks: int = 6
    judge_channels: int = 64
    size: int = 128
    batch: int = 1
    steps: int = 20_000
    learning_rate: float = 2e-4
    cycle: float = 10.0
    identity: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.channels <= 256 and 1 <= self.blocks <= 16 and 1 <= self.judge_channels <= 256):
            raise UserError("--channels and --judge-channels go from 1 to 256, --blocks from 1 to 16")
        if not 32 <= self.size <= 1024 or self.size % 4:
            raise UserError(f"--size must be a multiple of 4 between 32 and 1024, got {self.size}")
        if min(self.batch, self.steps) < 1 or self.seed < 0:
            raise UserError("--batch and --steps must be at least 1, --seed at least 0")
        if not (0 < self.learning_rate < 1 and 0 <= self.cycle < 1e4 and 0 <= self.identity < 1e4):
            raise UserError("--learning-rate must lie between 0 and 1, --cycle and --identity must be at least 0")


class Pool:
    """The last fakes (Shrivastava et al. 2017): half of those that are asked for are older ones that they replace."""

    def __init__(self, size: int = POOL):
        self.size, self.pictures = size, []

    def exchange(self, fakes: Tensor, rng: np.random.Generator) -> Tensor:
        """(N, 3, H, W) to show to a discriminator, for as many new ones."""
        shown = []
        for fake in fakes.detach():
            if len(self.pictures) < self.size:
                self.pictures.append(fake)
            elif rng.random() < 0.5:
                place = int(rng.integers(self.size))
                fake, self.pictures[place] = self.pictures[place].to(fake.device), fake
            shown.append(fake)
        return torch.stack(shown)

    def state_dict(self) -> dict[str, Any]:
        return {"pictures": torch.stack(self.pictures)} if self.pictures else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.pictures = [*state["pictures"]] if state else []


class CycleGanLessons:
    """Both directions, their discriminators and optimisers."""

    def __init__(self, settings: CycleGanSettings, a: PictureSet, b: PictureSet, device: torch.device):
        torch.manual_seed(settings.seed)
        self.settings, self.record, self.sets, self.device = settings, asdict(settings), (a, b), device
        self.g, self.f = (self.generator().to(device) for _ in "gf")
        self.d_a, self.d_b = (PatchGan.initial(settings.judge_channels).to(device) for _ in "ab")
        self.pool_a, self.pool_b = Pool(), Pool()
        rate = settings.learning_rate
        self.generators = torch.optim.Adam([*self.g.parameters(), *self.f.parameters()], rate, BETAS)
        self.judges = torch.optim.Adam([*self.d_a.parameters(), *self.d_b.parameters()], rate, BETAS)
        names = ("g", "f", "d_a", "d_b", "pool_a", "pool_b", "generators", "judges")
        self.parts = {name: getattr(self, name) for name in names}

    def generator(self) -> CycleGanTeacher:
        weights = initial_weights(self.settings.channels, self.settings.blocks)
        return CycleGanTeacher(weights, "", LICENCE, "")

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Crops of both kinds for a step, drawn apart from each other."""
        settings, batch = self.settings, []
        rng = np.random.default_rng([settings.seed, CROP_STREAM, number])
        for pictures in self.sets:
            chosen = [pictures[int(i)] for i in rng.integers(len(pictures), size=settings.batch)]
            crops = [random_crop(picture, settings.size, rng, augment=False) for picture in chosen]
            batch.append(to_tensor(crops).to(self.device))
        return batch[0], batch[1]

    def step(self, number: int) -> dict[str, float]:
        settings = self.settings
        for optimiser in (self.generators, self.judges):
            optimiser.param_groups[0]["lr"] = settings.learning_rate * linear_decay(number, settings.steps)
        a, b = self.batch(number)
        for judge in (self.d_a, self.d_b):
            judge.requires_grad_(False)
        made_b, made_a = self.g(a), self.f(b)
        losses = {
            "adversarial": (least_squares(self.d_b(made_b), 1) + least_squares(self.d_a(made_a), 1)).mean(),
            "cycle": settings.cycle * (apart(self.f(made_b), a) + apart(self.g(made_a), b)),
            "identity": settings.cycle * settings.identity * (apart(self.g(b), b) + apart(self.f(a), a)),
        }
        self.generators.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        self.generators.step()
        losses["judges"] = self.judge(number, a, b, made_a, made_b)
        return {name: loss.item() for name, loss in losses.items()}

    def judge(self, number: int, a: Tensor, b: Tensor, made_a: Tensor, made_b: Tensor) -> Tensor:
        """Both discriminators' step; half of their losses, so that they learn more slowly than the generators."""
        rng = np.random.default_rng([self.settings.seed, POOL_STREAM, number])
        loss = torch.zeros((), device=self.device)
        sides = ((self.d_a, a, self.pool_a.exchange(made_a, rng)), (self.d_b, b, self.pool_b.exchange(made_b, rng)))
        for net, real, made in sides:
            net.requires_grad_(True)
            loss = loss + (least_squares(net(real), 1) + least_squares(net(made), 0)).mean() / 2
        self.judges.zero_grad(set_to_none=True)
        loss.backward()
        self.judges.step()
        return loss.detach()


def apart(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference in the paper's units, where pictures go from -1 to 1."""
    return 2 * (x - y).abs().mean()


@torch.inference_mode()
def judged(lessons: CycleGanLessons, held: tuple[PictureSet, PictureSet], net: nn.Module) -> dict[str, float]:
    """What both generators do with pictures they never saw; ``net`` is a perceptual network.

    ``cycle_a`` and ``cycle_b``: mean absolute error of the way there and back, pictures from 0 to 1; ``identity_b``:
    that of G on pictures of its own kind; ``gap_photo`` and ``gap``: style loss between the mean statistics of the
    pictures of A, as they are and as G paints them, and those of the pictures of B.
    """
    a, b = (squares(pictures, lessons.settings.size) for pictures in held)
    g, f = lessons.g.to("cpu"), lessons.f.to("cpu")
    painted = [g(picture) for picture in a]
    wanted, mean = mean_statistics(net, b), lambda errors: float(torch.stack(errors).mean())
    scores = {
        "cycle_a": mean([(f(made) - picture).abs().mean() for made, picture in zip(painted, a, strict=True)]),
        "cycle_b": mean([(g(f(picture)) - picture).abs().mean() for picture in b]),
        "identity_b": mean([(g(picture) - picture).abs().mean() for picture in b]),
        "gap_photo": float(style_loss(mean_statistics(net, a), wanted)),
        "gap": float(style_loss(mean_statistics(net, painted), wanted)),
    }
    g.to(lessons.device), f.to(lessons.device)
    return scores


def squares(pictures: PictureSet, size: int) -> list[Tensor]:
    """The middle of the first held-back pictures."""
    return [to_tensor([centre_square(pictures[i], size)]) for i in range(min(JUDGED, len(pictures)))]


def mean_statistics(net: nn.Module, pictures: list[Tensor]) -> Perception:
    """What the pictures have in common: the mean of their statistics."""
    seen = [net(picture) for picture in pictures]
    style = [
        tuple(torch.stack([one.style[tap][part] for one in seen]).mean(0) for part in (0, 1))
        for tap in range(len(seen[0].style))
    ]
    return Perception(seen[0].content, style)


@torch.inference_mode()
def write_pictures(path: Path, lessons: CycleGanLessons, held: tuple[PictureSet, PictureSet]) -> None:
    """A sheet of held-back pictures: there and back, from both sides."""
    a, b = (torch.cat(squares(pictures, lessons.settings.size)[:4]).to(lessons.device) for pictures in held)
    columns = [a, lessons.g(a), lessons.f(lessons.g(a)), b, lessons.f(b), lessons.g(lessons.f(b))]
    rows = [list(row) for row in zip(*columns, strict=False)]
    write_sheet(path, rows, ["A", "G(A)", "F(G(A))", "B", "F(B)", "G(F(B))"])


def write_networks(out: Path, lessons: CycleGanLessons, scores: dict[str, Any]) -> None:
    """G, and beside it F and the discriminator of G's pictures, in the official layout."""
    record = {"settings": asdict(lessons.settings), "scores": scores}
    for path, net in ((beside(out, "F"), lessons.f), (beside(out, "D"), lessons.d_b), (out, lessons.g)):
        write_weights(path, net.weights.tensors(), record)
