"""What pictures score on held-back pairs: the part of a record, and the job that makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.labels import Named
from benchmarks.measurements import Raw, if_present, objects, unless_null
from runtime.errors import UserError
from runtime.json_fields import Fields

if TYPE_CHECKING:
    from benchmarks.job import Job
    from benchmarks.suite import SuitePictures

#: What pictures are looked at for, in the order of tables.
ARTEFACTS = ("lattice", "border", "flat", "bleeding")


@dataclass(frozen=True)
class Score:
    """Means over the pairs.

    Attributes:
        content: the judge's squared error of relu4_1 against the photo; lower is better.
        style: of means and deviations of relu1_1 to relu4_1 against the painting; lower is better. None for a subject
            with one style of its own, which was not asked for the painting's.
        ssim: structural similarity to the photo.
        artefacts: what goes wrong in the pictures, by the names of `distill.artefacts`; a value is None where no
            picture had it to go wrong, and all of it where nobody looked.
        to_fp32: likeness to the pictures of the same network in float32, in dB; None for that one, and where nobody
            compared them.
    """

    subject: int
    content: float
    style: float | None
    ssim: float
    artefacts: dict[str, float | None] | None = None
    to_fp32: float | None = None

    @classmethod
    def read(cls, fields: Fields, raw: Raw, subjects: int) -> Score:
        return cls(
            subject=fields.integer("subject", 0, subjects - 1),
            content=fields.number("content", 0, 1e12),
            style=unless_null(raw, "style", lambda name: fields.number(name, 0, 1e12)),
            ssim=fields.number("ssim", -1, 1),
            artefacts=if_present(raw, "artefacts", lambda name: _artefacts(fields.inner(name), raw[name])),
            to_fp32=if_present(raw, "to_fp32", lambda name: fields.number(name, -1e3, 1e3)),
        )


def _artefacts(fields: Fields, raw: Raw) -> dict[str, float | None]:
    return {name: unless_null(raw, name, lambda key: fields.number(key, -1e6, 1e6)) for name in ARTEFACTS}


@dataclass(frozen=True)
class Judged:
    """Scores of all subjects on the same pairs.

    Attributes:
        judge: the network that judged: "vgg19", or "compact" for the one that ships.
        size: side of the square pictures, in pixels.
        content, style: where the photos and paintings come from.
        photo_style: style loss of the photos themselves.
        suite: name, title and SHA-256 of the suite that named the pictures, and the SHA-256 of each; empty for
            held-back pictures of any folders.
    """

    judge: str
    pairs: int
    size: int
    content: str
    style: str
    photo_style: float
    scores: tuple[Score, ...]
    suite: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: dict[str, Any], fixed: Mapping[int, bool], pictures: SuitePictures | None) -> Judged:
        """What the process that judged answered; ``fixed`` says of each subject whether its style is its own."""
        answer = dict(answer)
        scores, photo = zip(fixed.items(), answer.pop("scores"), strict=True), answer.pop("photo")
        return cls(
            **answer,
            photo_style=photo["style"],
            scores=tuple(
                Score(
                    number,
                    each["content"],
                    None if own else each["style"],
                    each["ssim"],
                    each.get("artefacts"),
                    each.get("to_fp32"),
                )
                for (number, own), each in scores
            ),
            suite=pictures.to_json() if pictures is not None else {},
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; what records had not at first is left out where there is none of it."""
        data = asdict(self)
        for score in data["scores"]:
            for name in ("artefacts", "to_fp32"):
                if score[name] is None:
                    del score[name]
        if not self.suite:
            del data["suite"]
        return data

    def score(self, subject: int) -> Score | None:
        """Of that subject, or None where it was not judged."""
        return next((score for score in self.scores if score.subject == subject), None)

    @classmethod
    def read(cls, fields: Fields, subjects: int) -> Judged:
        return cls(
            judge=fields.text("judge"),
            pairs=fields.integer("pairs", 1, 10**6),
            size=fields.integer("size", 1, 2**20),
            content=fields.text("content", 400),
            style=fields.text("style", 400),
            photo_style=fields.number("photo_style", 0, 1e12),
            scores=tuple(Score.read(*item, subjects) for item in objects(fields, "scores", 256)),
            suite=fields.mapping("suite", optional=True),
        )


def float_originals(subjects: Sequence[Named]) -> list[int | None]:
    """For each subject that is not in float32 the number of the same one that is, in the same engine if it is there."""
    originals: list[int | None] = []
    for subject in subjects:
        same = [
            number
            for number, other in enumerate(subjects)
            if (other.kind, other.name, other.precision) == (subject.kind, subject.name, "fp32")
        ]
        alike = [number for number in same if subjects[number].engine == subject.engine]
        originals.append(None if subject.precision == "fp32" else next(iter([*alike, *same]), None))
    return originals


def judge_job(job: Job) -> dict[str, Any]:
    """Judge the pictures of the job's targets, in this process; returns `export.quality_runner.Judgement` as JSON."""
    from benchmarks.subjects import open_painter

    try:
        from export.quality_runner import NamedPairs, judge_pictures
    except ModuleNotFoundError as error:
        raise UserError(f"judging pictures needs {error.name}: pip install 'brushlet[export]'") from error
    extra, named = job.extra, job.extra.get("named")
    judgement = judge_pictures(
        [open_painter(target, job.threads) for target in job.targets],
        extra["content"],
        extra["style"],
        extra["vgg19"] and Path(extra["vgg19"]),
        extra["pairs"],
        job.threads,
        named
        and NamedPairs([(Path(photo), Path(painting)) for photo, painting in named], extra["side"], extra["judge"]),
        extra.get("artefacts", True),
        extra["fp32"],
    )
    return asdict(judgement)
