"""From a teacher's name to a trained student: puts data, teacher, losses, training and evaluation together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import set_seed
from rich.console import Console
from torch import Tensor, nn

from distill.accelerator import accelerator_for
from distill.adversary import Adversary
from distill.checkpoint import STATE_FILE, STUDENT_FILE, Trained, load_student, save_student
from distill.contact_sheet import write_sheet
from distill.data import PictureSet, random_crop
from distill.evaluate import evaluate, held_back_pairs, student_stylize
from distill.intermediate import Intermediate
from distill.kept_teacher import KeptTeacher
from distill.objective import Objective
from distill.open_teacher import open_teacher
from distill.paint_ahead import RunPairs, Share, paint_ahead
from distill.perceptual import compact_perception, vgg19_perception
from distill.precision import fast_autocast
from distill.progress import RunProgress
from distill.provenance import earlier_runs, provenance
from distill.run_pictures import EVALUATION_SIZE, Pictures, Say, open_all, open_pairs
from distill.samples import Samples, to_tensor
from distill.settings import Settings
from distill.slimmable import SlimmableObjective, cut_trained, judged_widths, score_name
from distill.students import FrozenPainter, build_student
from distill.students.widths import cut, grained, widened
from distill.teacher_cache import DEFAULT_BYTES, TeacherCache
from distill.teachers import Teacher
from distill.train import Trainer
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

EVALUATION_PAIRS = 32
CALIBRATION_CROPS, CALIBRATION_STREAM = 128, 3
CONFIG_FILE = "config.json"
#: Settings that a resumed run may have otherwise: to train longer, or to get past a divergence.
MAY_CHANGE = {"steps", "muon_lr", "adam_lr"}


@dataclass(frozen=True)
class Sources:
    """What a student learns from: teacher, pictures, loss networks by name, and the judge of held-back pairs."""

    teacher: Teacher
    pictures: Pictures
    perceptions: dict[str, nn.Module]
    judge: nn.Module


def distil(
    settings: Settings,
    out: Path,
    device: str = "auto",
    resume: bool = False,
    cache_bytes: int = DEFAULT_BYTES,
    console: Console | None = None,
    history: dict[str, Any] | None = None,
    teacher_processes: int | None = None,
) -> Trained:
    """Train a student as ``settings`` say and leave it, its scores and its pictures in ``out``.

    A slow teacher paints first, in ``teacher_processes`` processes (None: one per core).
    ``history`` is added to the provenance: what was done to the student before this run. Raises
    :class:`~runtime.errors.UserError` for anything the user can mend; ``KeyboardInterrupt`` passes through after a
    checkpoint was written.
    """
    console = console or Console(stderr=True)
    accelerator = accelerator_for(device)
    quiet = not accelerator.is_main_process

    def say(line: str) -> None:
        if not quiet:  # without markup: paths may hold brackets
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    set_seed(settings.seed)
    check_folder(out, settings, resume)
    sources = open_sources(settings, say)
    sources.teacher.to(accelerator.device)
    student = start(settings, sources.pictures.style, say)
    with accelerator.main_process_first():
        samples = samples_of(settings, sources, cache_bytes, accelerator.process_index, accelerator.num_processes)
        if sources.teacher.slow and accelerator.is_main_process:
            pairs = RunPairs(samples, sources.pictures, EVALUATION_PAIRS)
            paint_ahead(sources.teacher, pairs, console, processes=teacher_processes)
    trainer = Trainer(settings, objective_of(settings, student, sources), samples, accelerator, out)
    if resume:
        trainer.restore()
        say(f"resuming after step {trainer.step}")
    if accelerator.is_main_process:
        write_config(out, settings)  # nothing is written before everything was found to be in order
    origin = {**provenance(settings, sources.teacher, sources.pictures), **started_from(settings), **(history or {})}
    watch = sheets(settings, trainer, sources, origin, out) if accelerator.is_main_process else None
    with RunProgress(
        out, settings.steps, settings.batch, trainer.step, console, accelerator.is_main_process
    ) as progress:

        def report(step: int, losses: dict[str, float]) -> None:
            progress(step, losses)
            if watch is not None and step % settings.sheet_every == 0:
                watch(step)

        averaged = trainer.run(report)
    if accelerator.is_main_process:
        trained = finish(settings, averaged, sources, origin, out, say)
    accelerator.wait_for_everyone()
    return trained if accelerator.is_main_process else Trained(averaged, settings.to_json(), {}, {})


def check_folder(out: Path, settings: Settings, resume: bool) -> None:
    """Refuse to train over another run, and to resume one with other settings than may change on the way."""
    config = out / CONFIG_FILE
    if resume:
        if not config.exists():
            raise UserError(f"there is no run in {out} to resume")
        try:
            started = json.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{config} cannot be read: choose another --out") from error
        changed = set(Settings.from_json(started).differences(settings)) - MAY_CHANGE
        if changed:
            raise UserError(
                f"the run in {out} was started with other settings ({', '.join(sorted(changed))}): "
                "repeat them, or choose another --out"
            )
    elif (out / STATE_FILE).exists() or (out / STUDENT_FILE).exists():
        raise UserError(f"{out} already holds a run: continue it with --resume, or choose another --out")


def write_config(out: Path, settings: Settings) -> None:
    """Make the run's folder and write config.json."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / CONFIG_FILE, json_bytes(settings.to_json()))
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}") from error


def open_sources(settings: Settings, say: Say) -> Sources:
    """Load the teacher and the loss networks on the CPU and open the pictures, saying what they are."""
    teacher = open_teacher(settings)
    say(f"teacher: {teacher.description}")
    if (settings.student == FrozenPainter.architecture) is teacher.takes_style:
        raise UserError(f"a {settings.student} cannot learn from {teacher.name}: one of them has one style")
    if teacher.paired:
        pictures = open_pairs(settings, say)
    else:
        pictures = open_all(settings, say, teacher.takes_style, teacher.palette)
    perceptions, judge = perceptions_for(settings)
    say(f"losses:  the compact VGG that ships{', then VGG-19 for the last steps' if 'vgg19' in perceptions else ''}")
    return Sources(teacher, pictures, perceptions, judge)


def objective_of(settings: Settings, student: nn.Module, sources: Sources) -> Objective:
    """The losses of a run, with what the weighted ones need beside the student."""
    loss, teacher = settings.loss, sources.teacher
    if settings.slimmable:
        if loss.intermediate > 0 or loss.adversarial > 0:
            raise UserError("--slimmable trains by pictures alone: leave the losses intermediate and adversarial out")
        return SlimmableObjective(student, sources.perceptions, loss)
    intermediate = Intermediate.between(teacher, student) if loss.intermediate > 0 else None
    adversary = Adversary.of(teacher) if loss.adversarial > 0 else None
    return Objective(student, sources.perceptions, loss, intermediate, adversary)


def samples_of(settings: Settings, sources: Sources, cache_bytes: int, rank: int = 0, world: int = 1) -> Samples:
    """The batches of a run, its teacher's pictures kept on disk."""
    content, style = sources.pictures.content, sources.pictures.style
    if isinstance(sources.teacher, KeptTeacher):
        sources.teacher.make_room(cache_bytes)
        return Samples(settings, content, style, sources.teacher, rank, world)
    data_key = f"{content.fingerprint}-{style.fingerprint if style is not None else 'one'}-{settings.seed}"
    cache = TeacherCache(sources.teacher, data_key, settings.size, settings.pairs, limit=cache_bytes)
    return Samples(settings, content, style, cache, rank, world, sources.teacher.paired)


def paint_share(settings: Settings, share: Share, processes: int | None, cache_bytes: int, console: Console) -> None:
    """Have a share of the slow teacher's pictures of a run painted, for machines that do this together.

    Raises:
        UserError: as :func:`distil`, or the teacher is none that keeps pictures.
    """
    set_seed(settings.seed)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    sources = open_sources(settings, say)
    teacher = sources.teacher
    if not isinstance(teacher, KeptTeacher):
        raise UserError(f"{teacher.name} is fast enough to paint while a student learns: leave --teacher-shard out")
    samples = samples_of(settings, sources, cache_bytes)
    pairs = RunPairs(samples, sources.pictures, EVALUATION_PAIRS)
    painted = paint_ahead(teacher, pairs, console, share, processes)
    say(f"share {share.number} of {share.of} is done, {painted} pictures of it now: {teacher.folder}")
    say("copy the files of all shares into the folder of that name on the machine that trains")


def perceptions_for(settings: Settings) -> tuple[dict[str, nn.Module], nn.Module]:
    """The loss networks by name, and the judge: VGG-19 where its weights are, else the compact one."""
    compact = compact_perception()
    vgg = vgg19_perception(settings.weights, beside=True)
    if vgg is None:
        return {"compact": compact}, compact
    return ({"compact": compact, "vgg19": vgg} if settings.vgg_share > 0 else {"compact": compact}), vgg


def start(settings: Settings, style: PictureSet | None, say: Say) -> nn.Module:
    """A student to train: the one to warm-start from, or a fresh one whose style inputs are calibrated."""
    if settings.warm_start is not None:
        return started_warm(settings, settings.warm_start, say)
    student = build_student(settings.student, width=settings.width, grain=settings.grain)
    if not student.sites:
        say("training from random weights")
        return student
    student.style.features.load_state_dict(compact_perception().vgg.state_dict())
    rng = np.random.default_rng([settings.seed, CALIBRATION_STREAM])
    with torch.no_grad():
        chosen = (style[int(i)] for i in rng.integers(len(style), size=CALIBRATION_CROPS))
        crops = (to_tensor([random_crop(p, settings.size, rng, augment=True)]) for p in chosen)
        student.style.calibrate(torch.cat([student.style.statistics(crop) for crop in crops]))
    say("training from random weights")
    return student


def started_warm(settings: Settings, source: str, say: Say) -> nn.Module:
    """The student to start from, at the width that is wanted: a narrower one is widened, a slimmable one cut."""
    trained = load_student(source)
    if settings.width < trained.student.width and trained.config.get("slimmable") is True:
        trained = cut_trained(trained, settings.width)
    student = trained.student.train()
    if settings.student == FrozenPainter.architecture and student.sites:
        student = FrozenPainter.unsteered(student)
    if student.architecture != settings.student or student.width > settings.width:
        raise UserError(
            f"{source} is a {student.architecture} of width {student.width:g}: "
            f"it cannot start a {settings.student} of width {settings.width:g}"
        )
    hint = " (--from-scratch starts from random weights)" if settings.preset == "quick" else ""
    say(f"warm start from {source}{hint}")
    if settings.grain and student.grain is None:
        student = grained(student).train()
    if student.width == settings.width:
        return student
    say(f"it is of width {student.width:g}: channels are added that change nothing at first")
    try:
        return widened(student, settings.width).train()
    except (KeyError, ValueError) as error:
        raise UserError(f"{source} cannot be widened to {settings.width:g}: {error}") from error


def started_from(settings: Settings) -> dict[str, Any]:
    """For the provenance: the runs that trained the student this one starts from."""
    if settings.warm_start is None:
        return {}
    runs = earlier_runs(load_student(settings.warm_start).provenance)
    return {"started_from": runs} if runs else {}


def sheets(settings: Settings, trainer: Trainer, sources: Sources, origin: dict[str, Any], out: Path) -> Any:
    """A function that keeps the student of a step, with a contact sheet of four held-back pairs."""
    device, pictures, paired = trainer.accelerator.device, sources.pictures, sources.teacher.paired
    pairs = list(held_back_pairs(pictures.held_content, pictures.held_style, 4, EVALUATION_SIZE, paired))
    with fast_autocast(device.type):
        painted = [sources.teacher.stylize(c.to(device), s.to(device)).cpu() for c, s in pairs]

    @torch.inference_mode()
    def write(step: int) -> None:
        stylize = student_stylize(trainer.average.module)
        rows = [
            [c[0], s[0], t[0], stylize(c.to(device), s.to(device))[0]] for (c, s), t in zip(pairs, painted, strict=True)
        ]
        write_rows(out / "sheets" / f"step-{step:06d}.png", rows, sources.teacher)
        # Not judged yet, but it can be exported and tried while training goes on.
        save_student(out / STUDENT_FILE, Trained(trainer.average.module, settings.to_json(), origin, {}))

    return write


def finish(
    settings: Settings, student: nn.Module, sources: Sources, origin: dict[str, Any], out: Path, say: Say
) -> Trained:
    """Evaluate on held-back pairs, then write the student, evaluation.json and the last contact sheet."""
    student = student.to("cpu").eval()
    say("judging on held-back pairs …")
    widths = judged_widths(settings.width) if settings.slimmable else ()
    quality, rows = judged(sources, {"student": student, **{score_name(w): cut(student, w) for w in widths}})
    trained = Trained(student, settings.to_json(), origin, quality)
    save_student(out / STUDENT_FILE, trained)
    write_atomically(out / "evaluation.json", json_bytes(quality))
    write_rows(out / "sheets" / "final.png", [[r[0], r[1], *r[3:5]] for r in rows], sources.teacher)
    return trained


def write_rows(path: Path, rows: list[list[Tensor]], teacher: Teacher) -> None:
    """A contact sheet of content, style, teacher and student; without the style where the teacher takes none."""
    titles = ["content", "style", "teacher", "student"]
    if not teacher.takes_style:
        rows, titles = [[row[0], *row[2:]] for row in rows], ["content", "teacher", "student"]
    write_sheet(path, rows, titles)


def judged(sources: Sources, students: dict[str, nn.Module]) -> tuple[dict[str, Any], list[list[Tensor]]]:
    """Scores of photo, teacher and students on the held-back pairs, and rows for a contact sheet; on the CPU."""
    teacher, judge, pictures = sources.teacher.to("cpu"), sources.judge.to("cpu"), sources.pictures
    stylizers = {"photo": lambda c, s: c, "teacher": teacher.stylize}
    stylizers.update((name, student_stylize(student)) for name, student in students.items())
    return evaluate(
        stylizers,
        judge,
        pictures.held_content,
        pictures.held_style,
        EVALUATION_PAIRS,
        EVALUATION_SIZE,
        teacher.paired,
    )


def json_bytes(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=2) + "\n").encode()
