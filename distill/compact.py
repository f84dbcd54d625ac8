"""Trains what ships so that nothing needs a download: the compact VGG and the compact AdaIN teacher's decoder.

    python -m distill.compact encoder --weights WEIGHTS --content PHOTOS --style PAINTINGS
    python -m distill.compact decoder --weights WEIGHTS --content PHOTOS --style PAINTINGS
    python -m distill.compact judge --weights WEIGHTS --content PHOTOS --style PAINTINGS

The encoder learns VGG-19's four activations through linear embeddings (Collaborative Distillation, Wang et al. 2020);
the decoder learns to invert it under AdaIN, from the real teacher's pictures and AdaIN's own losses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from distill.contact_sheet import write_sheet
from distill.data import PictureSet, open_pictures, random_crop
from distill.evaluate import evaluate
from distill.losses import content_loss, style_loss
from distill.muon import optimisers
from distill.objective import mean_over
from distill.perceptual import CompactPerception, Perception, compact_perception, vgg19_perception, vgg_from_community
from distill.precision import fast_autocast
from distill.pretrained import FOLDER, save_weights
from distill.samples import Samples
from distill.settings import Settings
from distill.teacher_cache import TeacherCache
from distill.teachers import load_teacher
from distill.teachers.adain import Decoder, adaptive_instance_normalisation
from distill.weights import find_weights, load_state

app = typer.Typer(add_completion=False, help=__doc__)
WeightsOption = Annotated[Path, typer.Option(help="Folder with VGG-19 and the AdaIN decoder.")]
ContentOption = Annotated[str, typer.Option(help="Photos: a folder or shards.")]
StyleOption = Annotated[str, typer.Option(help="Paintings: a folder or shards.")]


def fit(
    parameters: list[nn.Parameter],
    losses: Iterator[dict[str, Tensor]],
    steps: int,
    muon_lr: float,
    done: Callable[[], None],
) -> None:
    """Minimise the sum of each dictionary of losses; linear warm-up and decay; saves through ``done`` as it goes."""
    opts = optimisers(parameters, muon_lr, 2e-3)
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, lambda i: min(1, (i + 1) / 100) * (1 - i / steps)) for o in opts]
    mean: dict[str, float] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("", total=steps)
        for step, parts in zip(range(steps), losses, strict=False):
            for o in opts:
                o.zero_grad(set_to_none=True)
            sum(parts.values()).backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            for o, schedule in zip(opts, schedules, strict=True):
                o.step()
                schedule.step()
            mean = {k: 0.98 * mean.get(k, v.item()) + 0.02 * v.item() for k, v in parts.items()}
            progress.update(task, advance=1, description=" ".join(f"{k} {v:.3f}" for k, v in mean.items()))
            if step % 500 == 499:
                print(step + 1, {k: round(v, 4) for k, v in mean.items()}, flush=True)
                done()
    done()


def crops(pictures: PictureSet, size: int, batch: int, rng: np.random.Generator) -> Tensor:
    """A random batch (N, 3, size, size) in [0, 1], channels last."""
    chosen = [random_crop(pictures[int(i)], size, rng, augment=True) for i in rng.integers(len(pictures), size=batch)]
    return torch.from_numpy(np.stack(chosen)).permute(0, 3, 1, 2).float().div(255)


def encoder_losses(
    net: CompactPerception, vgg: nn.Module, sets: list[PictureSet], size: int, batch: int
) -> Iterator[dict[str, Tensor]]:
    """Per tap, the part of VGG-19's variance that the embedded compact activation leaves unexplained."""
    rng = np.random.default_rng(0)
    while True:
        picture = torch.cat([crops(s, size, batch // len(sets), rng) for s in sets]).contiguous(
            memory_format=torch.channels_last
        )
        with torch.no_grad(), fast_autocast("cpu"):
            targets = [t.float() for t in vgg(picture)]
        taps = net.embedded(picture)
        yield {f"tap{i + 1}": F.mse_loss(a, b) / b.var() for i, (a, b) in enumerate(zip(taps, targets, strict=True))}


def decoder_losses(decoder: Decoder, net: CompactPerception, samples: Samples) -> Iterator[dict[str, Tensor]]:
    """AdaIN's own losses (equations 11 to 13), and the distance to the real teacher's pictures where there are any."""
    step = 0
    while True:
        batch = samples.batch(step)
        step += 1
        with torch.no_grad():
            target = adaptive_instance_normalisation(net.vgg(batch.content)[-1], net.vgg(batch.style)[-1])
            wanted = Perception(net.embeddings[-1](target), net(batch.style).style)
        painted = decoder(target)
        seen = net(painted)
        yield {
            "content": 0.7 * content_loss(seen, wanted),
            "style": style_loss(seen, wanted),
            "teacher": 3 * mean_over(len(painted), (painted - batch.teacher)[batch.taught].abs()),
        }


def recorded(**facts: object) -> dict[str, str]:
    return {key: str(value) for key, value in facts.items()}


@app.command()
def encoder(
    weights: WeightsOption,
    content: ContentOption,
    style: StyleOption,
    steps: int = 2400,
    size: int = 96,
    batch: int = 8,
    out: Path = FOLDER,
) -> None:
    """Train the compact VGG against the real one."""
    torch.manual_seed(0)
    vgg = vgg_from_community(load_state(find_weights("vgg19", weights))).to(memory_format=torch.channels_last)
    sets = [open_pictures(content, "content", 160, "train"), open_pictures(style, "style", 160, "train")]
    net = CompactPerception()
    for layer in net.vgg.convs:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    net.to(memory_format=torch.channels_last)

    def save() -> None:
        save_weights(out / "compact_vgg.safetensors", net, recorded(steps=steps, size=size, batch=batch))

    fit([*net.parameters()], encoder_losses(net, vgg, sets, size, batch), steps, 0.03, save)


@app.command()
def decoder(
    weights: WeightsOption,
    content: ContentOption,
    style: StyleOption,
    steps: int = 1500,
    size: int = 160,
    batch: int = 4,
    out: Path = FOLDER,
) -> None:
    """Train the compact teacher's decoder, the compact VGG being there."""
    torch.manual_seed(0)
    settings = Settings(size=size, batch=batch, steps=steps, pairs=600, teacher_share=0.4, identity_share=0.1)
    teacher = load_teacher("adain", weights)
    sets = [open_pictures(source, kind, 256, "train") for source, kind in ((content, "content"), (style, "style"))]
    cache = TeacherCache(teacher, f"{sets[0].fingerprint}-{sets[1].fingerprint}-{settings.seed}", size, settings.pairs)
    net = compact_perception().to(memory_format=torch.channels_last)
    student = Decoder(net.vgg.channels).to(memory_format=torch.channels_last)
    for layer in student.convs:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.normal_(student.convs[-1].weight, 0, 0.02)
    nn.init.constant_(student.convs[-1].bias, 0.5)

    def save() -> None:
        save_weights(out / "compact_adain_decoder.safetensors", student, recorded(steps=steps, size=size, batch=batch))

    fit([*student.parameters()], decoder_losses(student, net, Samples(settings, *sets, cache)), steps, 0.01, save)


@app.command()
def judge(
    weights: WeightsOption, content: ContentOption, style: StyleOption, sheet: Path = Path("compact.png")
) -> None:
    """Score the compact teacher beside the real one on held-back pairs; write their pictures."""
    held = [open_pictures(source, kind, 256, "held-back") for source, kind in ((content, "content"), (style, "style"))]
    teacher, compact = load_teacher("adain", weights), load_teacher("adain", "compact")
    stylizers = {"photo": lambda c, s: c, "teacher": teacher.stylize, "compact": compact.stylize}
    record, rows = evaluate(stylizers, vgg19_perception(weights), *held)
    write_sheet(sheet, [[r[0], r[1], *r[3:]] for r in rows], ["content", "style", "teacher", "compact"])
    typer.echo(json.dumps(record, indent=2))


if __name__ == "__main__":
    app()
