"""Photos painted for the report by what was measured: bundles that are at hand, and peers whose weights are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.isolate import run_isolated
from benchmarks.job import Target
from benchmarks.measurements import Subject
from benchmarks.peer_entrants import prepare_them
from benchmarks.peers import PEERS, PRECISIONS
from benchmarks.peers.prepared import PreparedPeer
from benchmarks.record import Record
from benchmarks.report.plain_text import plain
from benchmarks.subjects import open_painter
from runtime.bundle import MANIFEST_NAME, open_bundle, sha256_of
from runtime.engines import ENGINES
from runtime.errors import UserError
from runtime.framing import STYLE_SHORT_SIDE
from runtime.image_files import list_pictures, read_picture
from runtime.shipped import SHIPPED, find_model, shipped_models
from runtime.stylizer import Stylizer

#: Photos are painted with this as their longer side, in pixels.
SIDE = 640
MOST_PHOTOS = 4
_SECONDS_TO_PREPARE = 1800.0

#: Paints a photo in the style of that number.
Painter = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Request:
    """What to paint.

    Attributes:
        photos: a folder; None paints nothing.
        styles: a folder of paintings; None takes the styles that the bundle holds.
        bundles: directories, or names of students that ship; those that ship are found without being named.
        peer_weights: the folder below which the peers' weights are; None paints none of them.
    """

    photos: Path | None = None
    styles: Path | None = None
    bundles: tuple[str, ...] = ()
    peer_weights: Path | None = None


@dataclass(frozen=True)
class Combination:
    """What tells subjects apart, in however many records they are."""

    kind: str
    name: str
    engine: str
    precision: str

    @classmethod
    def of(cls, subject: Subject) -> Combination:
        return cls(subject.kind, subject.name, subject.engine, subject.precision)


@dataclass(frozen=True)
class Samples:
    """Photos, each with the name of its style, and what became of them.

    Attributes:
        photos: uint8 (H, W, 3) each.
        painted: a picture for each photo, by who painted it.
        notes: why others painted nothing, and what to know of those that did.
    """

    photos: tuple[np.ndarray, ...] = ()
    titles: tuple[str, ...] = ()
    painted: dict[Combination, list[np.ndarray]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def paint_samples(records: Sequence[Record], request: Request) -> Samples:
    """Paint ``MOST_PHOTOS`` photos of the folder, each in another style, with everybody in the records who can.

    Raises UserError for a folder without pictures, a picture that cannot be read, or a bundle that cannot be opened.
    """
    if request.photos is None:
        if request.styles or request.bundles or request.peer_weights:
            raise UserError("name the folder with the photos to paint: --pictures DIR")
        return Samples()
    if request.peer_weights and request.styles is None:
        raise UserError("peers paint in the style of a picture: name a folder of paintings, --styles DIR")
    files = _some_of(request.photos)
    photos = [read_picture(path, long_side=SIDE).on_white() for path in files]
    bundles = _bundles(request.bundles)
    subjects = {Combination.of(subject): subject for record in records for subject in record.subjects}
    styles = _styles(request.styles, bundles, subjects)
    painted, notes = {}, []
    with TemporaryDirectory(prefix="brushlet-report-") as folder:
        painters = list(_painters(subjects, bundles, styles, request, Path(folder), notes))
        for combination, open_one in track(painters, "painting", console=Console(stderr=True), transient=True):
            try:
                paint = open_one()
                painted[combination] = [paint(photo, n % max(len(styles), 1)) for n, photo in enumerate(photos)]
            except UserError as error:
                notes.append(f"{_called(combination)} painted nothing: {plain(str(error))}")
    titles = [
        f"{plain(path.stem, 60)}" + (f" in the style {plain(styles[n % len(styles)].name, 60)}" if styles else "")
        for n, path in enumerate(files)
    ]
    return Samples(tuple(photos), tuple(titles), painted, tuple(notes))


@dataclass(frozen=True)
class _Style:
    """A painting, uint8 (H, W, 3), or the name of a style that bundles hold."""

    name: str
    rgb: np.ndarray | None = None


def _painters(
    subjects: dict[Combination, Subject],
    bundles: dict[str, Path],
    styles: Sequence[_Style],
    request: Request,
    folder: Path,
    notes: list[str],
) -> Iterator[tuple[Combination, Callable[[], Painter]]]:
    """Who can paint, each with what loads it; ``notes`` gets a line for each of the others."""
    peers = _prepared(subjects, request.peer_weights, folder) if request.peer_weights else {}
    for combination, subject in subjects.items():
        name = subject.name
        if subject.kind == "bundle" and name in bundles:
            directory = bundles[name]
            if sha256_of(directory / MANIFEST_NAME) != subject.manifest_sha256:
                notes.append(f"{_called(combination)}: painted by another version of this bundle than was measured")
            yield combination, lambda c=combination, d=directory: _bundle_painter(c, d, styles)
        elif subject.kind == "bundle":
            notes.append(f"{_called(combination)} painted nothing: name its directory with --bundle")
        elif combination in peers:
            target = Target("peer", peers[combination], subject.engine, subject.precision)
            yield combination, lambda t=target: _peer_painter(t, styles)
        elif subject.kind == "peer" and request.peer_weights:
            notes.append(f"{_called(combination)} painted nothing: its weights are not there")


def _bundle_painter(combination: Combination, directory: Path, styles: Sequence[_Style]) -> Painter:
    stylizer = Stylizer.load(directory, combination.engine, precision=combination.precision)
    if stylizer.student.fixed_style:
        return lambda photo, number: stylizer(stylizer.stand_in(photo))
    codes = [stylizer.style(style.name if style.rgb is None else style.rgb) for style in styles]
    return lambda photo, number: stylizer(photo, codes[number])


def _peer_painter(target: Target, styles: Sequence[_Style]) -> Painter:
    paint = open_painter(target, 1)
    return lambda photo, number: paint(photo, styles[number].rgb)


def _prepared(subjects: dict[Combination, Subject], weights: Path, folder: Path) -> dict[Combination, str]:
    """The files that peers are loaded from."""
    if not weights.is_dir():
        raise UserError(f"--peer-weights: {weights} is not a folder")
    peers = [each for each in subjects if each.kind == "peer" and each.name in PEERS]
    if not peers:
        return {}
    asked = ({each.name for each in peers}, {each.engine for each in peers}, {each.precision for each in peers})
    names, engines, precisions = (
        sorted(found & set(known)) for found, known in zip(asked, (PEERS, ENGINES, PRECISIONS), strict=True)
    )
    job = prepare_them(names, weights.absolute(), folder, engines, precisions)
    paths = run_isolated(job, _SECONDS_TO_PREPARE)["prepared"]
    ready = {path: PreparedPeer.load(path) for path in paths}
    return {Combination("peer", peer.name, peer.engine, peer.precision): path for path, peer in ready.items()}


def _bundles(named: Sequence[str]) -> dict[str, Path]:
    """Directories by the bundle's name. A record's own words are never taken for a path."""
    found = {name: SHIPPED / name for name in shipped_models()}
    return found | {open_bundle(directory).manifest.name: directory for directory in map(find_model, named)}


def _styles(folder: Path | None, bundles: dict[str, Path], subjects: dict[Combination, Subject]) -> list[_Style]:
    if folder is not None:
        return [
            _Style(path.stem, read_picture(path, long_side=2 * STYLE_SHORT_SIDE).on_white())
            for path in _some_of(folder)
        ]
    names = (subject.name for subject in subjects.values() if subject.kind == "bundle" and subject.name in bundles)
    for name in names:
        if held := open_bundle(bundles[name]).manifest.styles:
            return [_Style(style.name) for style in held[:MOST_PHOTOS]]
    return []


def _some_of(folder: Path) -> list[Path]:
    """At most ``MOST_PHOTOS`` pictures, spread over the folder."""
    files = list_pictures(folder)
    if not files:
        raise UserError(f"{folder} holds no pictures")
    places = np.linspace(0, len(files) - 1, min(MOST_PHOTOS, len(files)))
    return [files[round(place)] for place in places]


def _called(combination: Combination) -> str:
    return plain(f"{combination.name} {combination.precision} in {combination.engine}", 160)
