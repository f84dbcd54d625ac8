"""Suites: which pairs of pictures, sizes and metrics a table is made of, so that anyone can make it again.

A suite is a TOML file; those that ship lie in ``suites/``. It names every picture with its SHA-256 and holds none.
Judging draws nothing at random, and the pictures that latencies are measured on have fixed seeds
(`benchmarks.subjects`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.peers.request import DATA, PeerRequest
from runtime.bundle import sha256_of
from runtime.errors import UserError
from runtime.json_fields import Fields

FOLDER = Path(__file__).parent / "suites"
MOST_BYTES, MOST_PAIRS = 2**20, 1000
KINDS = ("content", "style")
#: What pictures can be judged by; the first three always are.
METRICS = ("content", "style", "ssim", "artefacts")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_SIZES, _MOST_SIDE = 20, 8192


@dataclass(frozen=True)
class Suite:
    """What a suite's file says.

    Attributes:
        name: the file's, without its suffix.
        sha256: of the file.
        judge: the network that has to judge: "vgg19", or "compact" for the one that ships.
        side: of the square pictures that are judged, in pixels.
        metrics: of METRICS.
        sizes, precisions: what latencies are measured at.
        folders: per kind, "content" and "style", where its pictures lie below the data folder.
        pictures: per kind the SHA-256 of every picture, by name.
        pairs: names of a photo and a painting.
    """

    name: str
    title: str
    sha256: str
    judge: str
    side: int
    metrics: tuple[str, ...]
    sizes: tuple[int, ...]
    precisions: tuple[str, ...]
    folders: dict[str, str]
    pictures: dict[str, dict[str, str]]
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SuitePictures:
    """The pictures of a suite that are here.

    Attributes:
        pairs: paths of a photo and a painting, of those pairs that are whole.
        absent: names of pictures, with their kind, and why they are not used.
    """

    suite: Suite
    pairs: tuple[tuple[Path, Path], ...]
    absent: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """For a record: which suite, and the SHA-256 of every picture that was judged on, by kind and name."""
        suite = self.suite
        used = {kind: sorted({pair[at].name for pair in self.pairs}) for at, kind in enumerate(KINDS)}
        pictures = {kind: {name: suite.pictures[kind][name] for name in names} for kind, names in used.items()}
        return {"name": suite.name, "sha256": suite.sha256, "title": suite.title, "pictures": pictures}


def shipped_suites() -> list[str]:
    """Names of the suites that ship, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_suite(name: str) -> Suite:
    """A suite that ships, by its name, or a TOML file.

    Raises:
        UserError: there is none, or it is not a suite; the message says what is wrong.
    """
    path = FOLDER / f"{name}.toml" if name in shipped_suites() else Path(name)
    if not path.is_file():
        near = get_close_matches(name, shipped_suites(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(shipped_suites())}, or give a TOML file"
        raise UserError(f"--suite: there is no suite {name!r}: {hint}")
    return _read(path)


def find_pictures(suite: Suite, given: dict[str, str | None], most: int = MOST_PAIRS) -> SuitePictures:
    """Look for a suite's pictures; one that is another file than the suite's counts as absent.

    Args:
        given: per kind the folder that the user named, or None for the suite's own below $BRUSHLET_DATA.
        most: use only so many of the first pairs.

    Raises:
        UserError: a folder is not named, or not one pair is here.
    """
    folders = {kind: _folder(suite, kind, given.get(kind)) for kind in KINDS}
    if most < 1:
        raise UserError(f"--suite judges at least one pair: --pairs {most} judges nothing")
    wanted = suite.pairs[:most]
    absent: dict[tuple[str, str], str] = {}
    for at, kind in enumerate(KINDS):
        for name in sorted({pair[at] for pair in wanted}):
            if reason := _absence(folders[kind] / name, suite.pictures[kind][name]):
                absent[kind, name] = reason
    whole = [pair for pair in wanted if not any((kind, name) in absent for kind, name in zip(KINDS, pair, strict=True))]
    if not whole:
        (kind, name), reason = next(iter(absent.items()))
        raise UserError(f"--suite {suite.name}: not one of its pairs is here; {folders[kind] / name} {reason}")
    paths = tuple((folders["content"] / photo, folders["style"] / painting) for photo, painting in whole)
    return SuitePictures(suite, paths, tuple((f"{kind} {name}", reason) for (kind, name), reason in absent.items()))


def peers_on(name: str, request: PeerRequest | None) -> tuple[PeerRequest, list[int], list[str]]:
    """The request with a suite's pictures to judge on, and the sizes and precisions to measure at.

    Raises UserError as `load_suite` and `find_pictures` do, and where no peers were asked for.
    """
    if request is None:
        raise UserError("--suite sets bundle and peers beside each other: add --peers")
    suite = load_suite(name)
    pictures = find_pictures(suite, {"content": request.content, "style": request.style}, request.pairs)
    judging = replace(request, suite=pictures, pairs=len(pictures.pairs))
    return judging, list(suite.sizes), list(suite.precisions)


def _folder(suite: Suite, kind: str, given: str | None) -> Path:
    data = os.environ.get(DATA)
    if given is None and not data:
        raise UserError(f"--suite {suite.name} needs its {kind} pictures: name their folder with --{kind}, or {DATA}")
    return Path(given).absolute() if given is not None else Path(data or "").absolute() / suite.folders[kind]


def _absence(path: Path, sha256: str) -> str | None:
    """Why a picture cannot be used, or None."""
    if not path.is_file():
        return "is not there"
    return None if sha256_of(path) == sha256 else "is another picture than the suite's: its SHA-256 differs"


def _read(path: Path) -> Suite:
    fields = Fields(_parsed(path), str(path))
    pictures = {kind: _pictures(fields.inner(kind), kind) for kind in KINDS}
    return Suite(
        name=path.stem,
        title=fields.text("title"),
        sha256=sha256_of(path),
        judge=fields.choice("judge", ("vgg19", "compact")),
        side=fields.integer("side", 64, 4096),
        metrics=_metrics(fields),
        sizes=tuple(_sizes(fields)),
        precisions=tuple(_words(fields, "precisions")),
        folders={kind: _inside(fields.inner(kind), "folder") for kind in KINDS},
        pictures=pictures,
        pairs=tuple(_pairs(fields, pictures)),
    )


def _parsed(path: Path) -> Any:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(f"{path} is larger than any suite")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no suite: {str(error).splitlines()[0]}") from error


def _metrics(fields: Fields) -> tuple[str, ...]:
    found = _words(fields, "metrics")
    if not set(METRICS[:3]) <= set(found) <= set(METRICS):
        raise fields.fail("metrics", f"must hold {', '.join(METRICS[:3])}, and may hold {METRICS[3]}")
    return tuple(found)


def _sizes(fields: Fields) -> list[int]:
    found = fields.sequence("sizes", _MOST_SIZES)
    if not found or any(type(size) is not int or not 16 <= size <= _MOST_SIDE for size in found):
        raise fields.fail("sizes", f"must be a list of sides in pixels, from 16 to {_MOST_SIDE}")
    return found


def _words(fields: Fields, name: str) -> list[str]:
    found = fields.sequence(name, _MOST_SIZES)
    if not found or not all(isinstance(word, str) and word for word in found):
        raise fields.fail(name, "must be a list of words")
    return found


def _pictures(fields: Fields, kind: str) -> dict[str, str]:
    found = fields.mapping("sha256")
    for name, digest in found.items():
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest) or not _is_inside(name):
            raise fields.fail("sha256", f"must give 64 hex digits for the name of each picture, not {name[:60]!r}")
    return found


def _inside(fields: Fields, name: str) -> str:
    """A path below a folder. Raises UserError for one that leads out of it."""
    found = fields.text(name, 400)
    if not _is_inside(found):
        raise fields.fail(name, "must be a path below the data folder")
    return found


def _is_inside(path: str) -> bool:
    found = PurePosixPath(path)
    return not found.is_absolute() and ".." not in found.parts and "\\" not in path and path.isprintable()


def _pairs(fields: Fields, pictures: dict[str, dict[str, str]]) -> Iterator[tuple[str, str]]:
    found = fields.sequence("pairs", MOST_PAIRS)
    for pair in found:
        known = isinstance(pair, list) and len(pair) == 2
        if not known or not all(name in pictures[kind] for kind, name in zip(KINDS, pair, strict=True)):
            raise fields.fail("pairs", "must be pairs of a photo and a painting, each with a SHA-256")
        yield pair[0], pair[1]
    if not found:
        raise fields.fail("pairs", "must hold at least one pair")
