"""Everything that decides how a student is trained, in one record that is saved beside it."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, field, fields, replace
from math import inf
from typing import Any, get_type_hints

from distill.losses import LossWeights
from runtime.errors import UserError

#: Fields that the first students that ship were trained without, and what those had instead.
ADDED_LATER: dict[str, Any] = {"teacher_options": {}, "slimmable": False, "grain": False}


@dataclass(frozen=True)
class Settings:
    """What ``distill`` was asked for. ``content`` and ``style`` of None are the pictures that ship.
    ``teacher_options`` are texts by name, for the teacher.

    ``batch`` counts over all processes. ``pairs`` is how many teacher pictures are cached; ``teacher_share`` of the
    samples come from them, ``identity_share`` are the photo as its own style, and the rest are fresh crops judged by
    perception alone. The last ``vgg_share`` of the steps use VGG-19 itself as the loss where its weights are found.
    ``slimmable`` trains all narrower widths with the student's own. ``grain`` gives it details of its own; one that has
    them keeps them.
    """

    teacher: str = "adain"
    student: str = "haar_painter"
    width: float = 0.25
    content: str | None = None
    style: str | None = None
    weights: str | None = None
    teacher_options: dict = field(default_factory=dict)
    preset: str = "standard"
    warm_start: str | None = None
    steps: int = 4500
    batch: int = 8
    size: int = 160
    pairs: int = 2000
    teacher_share: float = 0.4
    identity_share: float = 0.08
    vgg_share: float = 0.1
    muon_lr: float = 0.005
    adam_lr: float = 1e-3
    clip: float = 1.0
    ema: float = 0.999
    checkpoint_every: int = 200
    sheet_every: int = 1000
    seed: int = 0
    loss: LossWeights = field(default_factory=LossWeights)
    slimmable: bool = False
    grain: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.width <= 4:
            raise UserError(f"--width must be above 0 and at most 4, got {self.width:g}")
        if self.steps < 1 or self.batch < 1 or self.pairs < 1:
            raise UserError("--steps, --batch and --pairs must be at least 1")
        if not 64 <= self.size <= 1024 or self.size % 16:
            raise UserError(f"--size must be a multiple of 16 between 64 and 1024, got {self.size}")
        if not (min(self.teacher_share, self.identity_share) >= 0 and self.teacher_share + self.identity_share <= 1):
            raise UserError("the shares of samples must be at least 0 and add up to at most 1")
        if not 0 <= self.vgg_share <= 1:
            raise UserError(f"--vgg-share must lie between 0 and 1, got {self.vgg_share:g}")
        if not 0 <= self.ema < 1:
            raise UserError(f"ema must lie between 0 and below 1, got {self.ema:g}")
        if not (0 < self.muon_lr < inf and 0 < self.adam_lr < inf and 0 < self.clip < inf):
            raise UserError(f"--learning-rate must be a number above 0, got {self.muon_lr:g} (and so must the others)")
        if self.checkpoint_every < 1 or self.sheet_every < 1:
            raise UserError("checkpoint_every and sheet_every must be at least 1")
        if self.slimmable and (self.width <= 0.125 or (16 * self.width) % 1):
            raise UserError(f"--slimmable needs a --width above 0.125 in steps of 0.0625, got {self.width:g}")
        if self.seed < 0:
            raise UserError(f"--seed must be at least 0, got {self.seed}")
        if not all(isinstance(text, str) for option in self.teacher_options.items() for text in option):
            raise UserError("the options of the teacher must be texts by name")
        if not all(0 <= weight < inf for weight in astuple(self.loss)):
            raise UserError("the weights of losses must be numbers of at least 0")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Settings:
        """Read :meth:`to_json` back; ``UserError`` when fields are missing, unknown or of the wrong kind."""
        try:
            record = {**ADDED_LATER, **record}
            missing = {f.name for f in fields(cls)} - set(record)
            if missing:
                raise ValueError(f"{min(missing)} is missing")
            record = {**record, "loss": LossWeights(**record["loss"])}
            for name, kind in get_type_hints(cls).items():
                if not isinstance(record[name], (int, float) if kind is float else kind):
                    raise ValueError(f"{name} is {record[name]!r}")
            return cls(**record)
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(f"the run's config.json was written by another version of brushlet: {error}") from error

    def differences(self, other: Settings) -> list[str]:
        """Names of the fields in which two settings differ."""
        return [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]


#: What each preset changes. Times are for a student of width 0.25 on two cores of 2023.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "steps": 300,
        "batch": 4,
        "size": 128,
        "pairs": 64,
        "checkpoint_every": 50,
        "sheet_every": 100,
        "muon_lr": 0.002,
        "adam_lr": 5e-4,
    },
    "standard": {},
    "full": {"steps": 160_000, "batch": 16, "size": 256, "pairs": 8000, "checkpoint_every": 1000, "sheet_every": 5000},
}


def from_preset(preset: str, **changes: Any) -> Settings:
    """Settings of ``preset`` with every given (not None) change applied; ``UserError`` for an unknown preset."""
    if preset not in PRESETS:
        raise UserError(f"there is no preset called '{preset}'; choose from {', '.join(PRESETS)}")
    given = {k: v for k, v in changes.items() if v is not None}
    return replace(Settings(), preset=preset, **{**PRESETS[preset], **given})
