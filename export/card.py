"""card.md: what a bundle is, how it was made and what it scores, for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.atomic_write import write_atomically
from runtime.bundle import Manifest
from runtime.image_files import Picture, read_picture, write_picture

#: The card's picture is made small enough for this, in bytes: a bundle goes to devices, and a card to people.
MAX_PICTURE_BYTES = 150_000
_SIDES = (1024, 896, 768, 640, 512, 384, 256)
_QUALITY = 80
NOT_RECORDED = "not recorded"
_SCORES = {
    "content": "content loss",
    "style": "style loss",
    "ssim": "SSIM to the photo",
    "teacher_ssim": "SSIM to the teacher",
    "teacher_psnr": "PSNR to the teacher, dB",
}
_ARTEFACTS = {
    "lattice": "lattice, levels",
    "border": "border gain",
    "flat": "flat areas, levels",
    "bleeding": "bled colour",
}


def card_text(manifest: Manifest, picture: str | None = None) -> str:
    """The card as Markdown; ``picture`` is a picture file's name in the bundle."""
    shown = "photo, style, teacher"
    if manifest.student.fixed_style:
        shown = "label map, teacher" if manifest.labels else "photo, teacher"
        shown = "photo, adaptive student" if "frozen" in manifest.quality else shown
    parts = [
        f"# {manifest.name}",
        _what_it_is(manifest),
        *([f"![{shown} and student]({picture})", f"{shown.capitalize()}, student."] if picture else []),
        "## Use",
        _use(manifest),
        "## How it was made",
        _origin(manifest.provenance),
        "## Scores",
        _scores(manifest.quality),
        "## Export",
        _export(manifest),
        "## Licence",
        _licence(manifest.provenance),
    ]
    return "\n\n".join(parts) + "\n"


def write_text(path: Path, manifest: Manifest, picture: str | None = None) -> None:
    """Write `card_text`, whole or not at all; raises UserError when it cannot be written."""
    write_atomically(path, card_text(manifest, picture).encode())


def write_card_picture(sheet: Path | np.ndarray, path: Path) -> bool:
    """Write a contact sheet, a file or uint8 (H, W, 3), as a JPEG of at most `MAX_PICTURE_BYTES`.

    False if none of the sizes is small enough.

    Raises:
        UserError: the sheet cannot be read, or the copy not written.
    """
    whole = read_picture(sheet) if isinstance(sheet, Path) else Picture(sheet)
    path.parent.mkdir(parents=True, exist_ok=True)
    for side in _SIDES:
        write_picture(path, whole.scaled_down(side).on_white(), quality=_QUALITY)
        if path.stat().st_size <= MAX_PICTURE_BYTES:
            return True
    path.unlink()
    path.parent.rmdir()
    return False


def _what_it_is(manifest: Manifest) -> str:
    student = manifest.student
    painted, style = student.parameters.get("paint", 0), student.parameters.get("style", 0)
    paints = f"in one style, {_frozen(manifest)}" if student.fixed_style else "in the style of any picture"
    content = "label map" if manifest.labels else "photo"
    encoder = "" if student.fixed_style else f" and {_count(style)} in the style encoder"
    return (
        f"A student stylizer: it paints any {content} {paints}. Architecture `{student.architecture}`, width "
        f"{student.width:g}, {_count(painted)} weights in the painter{encoder}. "
        f"Its teacher: {_teacher(manifest.provenance, 'description')}."
    )


def _frozen(manifest: Manifest) -> str:
    """The folded style's name."""
    record = manifest.provenance.get("frozen")
    return _line(record.get("style") if isinstance(record, dict) else None)


def _use(manifest: Manifest) -> str:
    name, fixed = manifest.name, manifest.student.fixed_style
    content = "labels.png" if manifest.labels else "photo.jpg"
    option, argument = ("", "") if fixed else (" --style painting.jpg", ', "painting.jpg"')
    shell = f"```sh\npip install brushlet\nbrushlet stylize {content}{option} --model {name} -o out.png\n```"
    call = f'picture = Stylizer.load("{name}")("{content}"{argument})'
    python = f"```python\nfrom runtime import Stylizer\n\n{call}\n```"
    styles = ", ".join(f"`{style.name}`" for style in manifest.styles)
    held = [f"Styles in the bundle, to be named instead of a picture: {styles}."] if styles else []
    drawn = [f"A label map is drawn in these colours: {manifest.palette}."] if manifest.labels else []
    return "\n\n".join([f"`{name}` stands for this folder's path.", shell, python, *held, *drawn])


def _origin(provenance: dict[str, Any]) -> str:
    data = provenance.get("data") if isinstance(provenance.get("data"), dict) else {}
    rows = [
        ("teacher", _teacher(provenance, "description")),
        *((f"{kind} pictures", _data(entry)) for kind, entry in data.items()),
        ("steps", provenance.get("steps")),
        ("seed", provenance.get("seed")),
        *((("cut out of", _cut(provenance["cut"])),) if isinstance(provenance.get("cut"), dict) else ()),
        ("versions", _pairs(provenance.get("versions"))),
    ]
    table = _table(("what", "which"), [(what, _line(which)) for what, which in rows])
    before = provenance.get("started_from")
    runs = [run for run in (before if isinstance(before, list) else []) if isinstance(run, dict)]
    folded = provenance.get("frozen")
    last = [folded] if isinstance(folded, dict) else []
    commands = [_line(run.get("command")) for run in (*runs, provenance, *last)]
    known = [command for command in commands if command != NOT_RECORDED]
    if not known:
        return table
    title = "Command:" if len(known) == 1 else "Commands, each starting from the student of the one before:"
    return "\n\n".join([table, title, "```sh\n" + "\n".join(known) + "\n```"])


def _cut(record: dict[str, Any]) -> str:
    return f"one training of every width up to {_line(record.get('from'))}"


def _scores(quality: dict[str, Any]) -> str:
    scores = quality.get("scores")
    if isinstance(quality.get("frozen"), dict):
        return _frozen_scores(quality["frozen"])
    if not isinstance(scores, dict) or not all(isinstance(row, dict) for row in scores.values()):
        return "Not recorded: the run was exported before it was judged."
    columns = [key for key in _SCORES if any(key in row for row in scores.values())]
    rows = [(name, *(_number(row.get(key)) for key in columns)) for name, row in scores.items()]
    teacher, student = scores.get("teacher", {}), scores.get("student", {})
    ratios = tuple(_ratio(student.get(key), teacher.get(key)) if key in ("content", "style") else "" for key in columns)
    if any(ratios):
        rows.append(("student / teacher", *ratios))
    judged = (
        f"Means over {_line(quality.get('pairs'))} pairs that nobody trained on, at {_line(quality.get('size'))} "
        f"pixels, judged by {_line(quality.get('judge'))}. Losses: lower is better; SSIM and PSNR: higher is nearer."
    )
    return "\n\n".join([judged, _table(("", *(_SCORES[key] for key in columns)), rows), *_artefacts(quality)])


def _artefacts(quality: dict[str, Any]) -> list[str]:
    """What goes wrong in the pictures, where that was looked at; see `distill.artefacts`."""
    found = quality.get("artefacts")
    if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
        return []
    rows = [(name, *(_number(row.get(key)) for key in _ARTEFACTS)) for name, row in found.items()]
    return [
        "What goes wrong, each compared with the photo: a pattern of 2 or 4 pixels, detail that the border gained over "
        "the inside, texture where the photo is flat, and the share of colour changes that left the photo's edges.",
        _table(("", *_ARTEFACTS.values()), rows),
    ]


def _frozen_scores(record: dict[str, Any]) -> str:
    text = (
        "The style is part of the weights, and so are statistics that serve all photos. On "
        f"{_line(record.get('photos'))} photos held back, {_likeness(record, '')}"
    )
    if record.get("psnr_fine_tuned") is None:
        return f"{text}."
    return f"{text}. After {_line(record.get('steps'))} steps of fine-tuning, {_likeness(record, '_fine_tuned')}."


def _likeness(record: dict[str, Any], when: str) -> str:
    gap = record.get(f"style_gap{when}")
    text = f"its pictures are {_number(record.get(f'psnr{when}'))} dB from the adaptive student's"
    if not isinstance(gap, (int, float)):
        return text
    return f"{text}, and {gap:.0%} of the way from the photo's style statistics to theirs is missing"


def _export(manifest: Manifest) -> str:
    files = [
        (
            f"`{graph.file}`",
            graph.precision,
            f"{graph.bytes / 1e3:.1f} kB",
            str(manifest.student.parameters.get(graph.role, "")),
        )
        for graph in manifest.graphs
    ]
    parity = [
        (
            _line(record.get("role")),
            _line(record.get("format")),
            _line(record.get("precision")),
            _number(record.get("max_abs_error")),
            _number(record.get("psnr")),
            _line(record.get("gate")),
        )
        for record in manifest.parity
    ]
    exported = manifest.provenance.get("export")
    stored = exported.get("weights") if isinstance(exported, dict) else None
    return "\n\n".join(
        [
            f"Weights are stored as {_line(stored)}; computing is in the precision of the table.",
            _table(("file", "computes in", "size", "weights"), files),
            "Difference from the student in torch on random pictures; below fp32, difference between pictures painted "
            "on held-back pairs:",
            _table(("graph", "format", "precision", "largest error", "PSNR, dB", "gate"), parity),
        ]
    )


def _licence(provenance: dict[str, Any]) -> str:
    terms = _teacher(provenance, "licence")
    return (
        f"The student's weights come from its teacher's, whose terms apply: {terms}. The data have terms of their own."
    )


def _teacher(provenance: dict[str, Any], field: str) -> str:
    teacher = provenance.get("teacher")
    return _line(teacher.get(field) if isinstance(teacher, dict) else teacher if field == "description" else None)


def _data(entry: object) -> str:
    if not isinstance(entry, dict):
        return _line(entry)
    parts = (("", "name"), ("pictures: ", "pictures"), ("fingerprint: ", "fingerprint"))
    return ", ".join(label + _line(entry[key]) for label, key in parts if key in entry) or NOT_RECORDED


def _pairs(value: object) -> object:
    return ", ".join(f"{key} {entry}" for key, entry in value.items() if entry) if isinstance(value, dict) else value


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _line(value: object) -> str:
    """The value as one line; what is missing is said to be."""
    return NOT_RECORDED if value is None or value == "" else " ".join(str(value).split())


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def _ratio(value: object, base: object) -> str:
    known = isinstance(value, (int, float)) and isinstance(base, (int, float)) and base > 0
    return f"{value / base:.2f}x" if known else ""


def _count(weights: int) -> str:
    return f"{weights / 1e6:.1f} M" if weights >= 1e6 else f"{weights / 1e3:.0f} k"
