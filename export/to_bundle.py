"""A run, a student file or a student that ships becomes a bundle: graphs, named styles, manifest and card."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import nn

from distill.checkpoint import Trained, load_student
from distill.slimmable import cut_trained
from export.bundle_folder import CARD_NAME, PICTURE_NAME, new_bundle_folder, require_replaceable
from export.card import write_card_picture, write_text
from export.compact_weights import round_weights
from export.formats import BASE, FORMATS, PartlyWritten, Request, Target, Written, find_format
from export.frozen_style import FrozenStyle
from export.graphs import student_info
from export.options import ExportOptions
from export.parity import Parity, measure_rounding, require_finite
from export.student_source import NOT_IN_NAMES, Source, find_source, library_of, trained_on
from runtime.bundle import Bundle, BundleError, Manifest, StyleFile, open_bundle, sha256_of
from runtime.errors import UserError
from runtime.image_files import list_pictures
from runtime.label_maps import palette_of
from runtime.stylizer import Stylizer

__all__ = ["FORMATS", "Exported", "export_bundle"]

#: Where bundles go when no place is named.
BUNDLES = Path("bundles")
_ALWAYS = ("brushlet", "torch")


@dataclass(frozen=True)
class Exported:
    """A bundle that was written.

    Attributes:
        bytes: the size of all its files.
        kept: targets that were there already, made from the same student with the same options and versions.
        failures: targets that could not be exported, with the reason; the others are in the bundle.
    """

    directory: Path
    manifest: Manifest
    bytes: int
    kept: tuple[Target, ...] = ()
    failures: tuple[tuple[Target, str], ...] = ()


def export_bundle(
    source: str | Path,
    output: str | Path | None = None,
    *,
    name: str | None = None,
    targets: Sequence[Target] = (BASE,),
    options: ExportOptions | None = None,
    compact: bool = True,
    styles: str | Path | None = None,
    width: float | None = None,
    frozen_style: FrozenStyle | None = None,
    force: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> Exported:
    """Write the bundle of a student, or add to it; the bundle is whole at every moment.

    The fp32 ONNX graphs are always there. Each target is added by itself: what a target cannot do takes nothing from
    the others, and what the bundle holds already is not made again.

    Args:
        source: a run directory, a student file, or the name of a student that ships.
        output: the bundle's folder; ``bundles/<name>`` by default. See `require_replaceable` for one that exists.
        name: the bundle's name; the run's by default.
        targets: formats and precisions to add, see `export.formats.plan_targets`.
        compact: store weights as fp16. Those of a student in float32 are rounded first, and what that changes in
            its pictures is measured and recorded; computing is float32 in any case.
        styles: a folder whose pictures become named styles, called after the files.
        width: cut the student of this width out of one that was trained with ``--slimmable``.
        frozen_style: fold this one style into the weights; the bundle's name then ends with the style's.
        force: replace the bundle of another student, and make again what is there.
        log: gets a line for the user now and then.

    Raises:
        UserError: a bad source, name, format or folder; fp32 graphs that miss their gate; a disk that is full. Nothing
            is left behind then, and a bundle that was there is untouched.
    """
    for target in targets:
        find_format(target.format)
    origin = find_source(source)
    trained = load_student(origin.file)
    if width is not None:
        trained, origin = cut_trained(trained, width), origin.cut(width)
    require_finite(trained.student, origin.file)
    if frozen_style is not None:
        if styles is not None:
            raise UserError("a student with one style folded in has no others: leave --styles or --freeze-style out")
        trained, sheet = frozen_style.fold(trained, log)
        origin = replace(origin.frozen(frozen_style), sheet=sheet)
    name = _checked_name(name) if name is not None else origin.name
    directory = Path(output) if output is not None else BUNDLES / name
    work = _Export(origin, trained, name, directory, options or ExportOptions(), compact, force, log)
    work.write_base(_style_pictures(styles))
    for target in dict.fromkeys(targets):
        if target != BASE:
            work.add(target)
    return work.result()


class _Export:
    """One export under way; ``manifest`` is what the bundle on disk says."""

    def __init__(
        self,
        origin: Source,
        trained: Trained,
        name: str,
        directory: Path,
        options: ExportOptions,
        compact: bool,
        force: bool,
        log: Callable[[str], None],
    ) -> None:
        self.origin, self.trained, self.name, self.directory = origin, trained, name, directory
        self.options, self.compact, self.force, self.log = options, compact, force, log
        self.digest, self.trained_on = origin.digest, trained_on(origin, trained)
        self.library = library_of(origin)
        self.student, self.rounding = _rounded(trained.student) if compact else (trained.student, ())
        self.manifest = self._new_manifest()
        self.kept: list[Target] = []
        self.failures: list[tuple[Target, str]] = []

    def write_base(self, pictures: dict[str, Path]) -> None:
        """The fp32 ONNX graphs and the named styles, unless they are there."""
        present = self._present()
        if present is not None:
            self.manifest = present.manifest
            self.kept.append(BASE)
            if not pictures:
                return
        with new_bundle_folder(self.directory, self.digest, self.force) as folder:
            if present is not None:
                _copy(present, folder)
                manifest = present.manifest
            else:
                written = FORMATS[BASE.format].load()(self._request(BASE, folder))
                manifest = self._merged(self.manifest, BASE, written)
            self.manifest = self._complete(folder, manifest, pictures)

    def add(self, target: Target) -> None:
        """Add one target to the bundle on disk, or note why that is not possible."""
        if not self.force and self._record(target).get("key") == self._key(target):
            self.kept.append(target)
            return
        self.log(f"exporting {target}")
        try:
            with new_bundle_folder(self.directory, self.digest, force=False) as folder:
                _copy(Bundle(self.directory, self.manifest), folder)
                manifest = _without(self.manifest, target, folder)
                try:
                    written, whole = FORMATS[target.format].load()(self._request(target, folder)), True
                except PartlyWritten as error:
                    self.failures.append((target, str(error)))
                    written, whole = error.written, False
                self.manifest = self._complete(folder, self._merged(manifest, target, written, whole))
        except UserError as error:
            self.failures.append((target, str(error)))
        except ModuleNotFoundError as error:
            extra = FORMATS[target.format].extra
            self.failures.append((target, f"{error.name} is not installed: pip install 'brushlet[{extra}]'"))

    def result(self) -> Exported:
        size = sum(file.stat().st_size for file in self.directory.rglob("*") if file.is_file())
        return Exported(self.directory, self.manifest, size, tuple(self.kept), tuple(self.failures))

    def _present(self) -> Bundle | None:
        """The bundle that is there, if it is whole and its base is what this export would make."""
        require_replaceable(self.directory, self.digest, self.force)
        try:
            bundle = open_bundle(self.directory)
        except BundleError:
            return None
        same = _export_record(bundle.manifest)["targets"].get(str(BASE), {}).get("key") == self._key(BASE)
        return bundle if same and bundle.manifest.name == self.name and not self.force else None

    def _new_manifest(self) -> Manifest:
        palette = palette_of(self.trained.provenance)
        export = {"student_sha256": self.digest, "weights": "fp16" if self.compact else "fp32", "targets": {}}
        return Manifest(
            name=self.name,
            student=student_info(self.student),
            graphs=(),
            provenance={**self.trained.provenance, "export": export},
            parity=tuple(parity.to_json() for parity in self.rounding),
            quality=self.trained.quality,
            labels=palette.labels if palette is not None else (),
        )

    def _request(self, target: Target, folder: Path) -> Request:
        return Request(
            self.student,
            folder,
            target.precision,
            self.compact,
            self.options,
            self.log,
            self.trained.provenance,
            self.trained_on,
            {entry.name: entry.code.values for entry in self.library.entries} if self.library else None,
        )

    def _key(self, target: Target) -> str:
        """Changes with everything that the target's files depend on."""
        options = {} if target == BASE else {**self.options.to_json(), **self._own_pictures()}
        parts = [self.digest, self.compact, list(target), options, _versions(target)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    def _own_pictures(self) -> dict[str, Any]:
        places = {"trained_on": {kind: str(place) for kind, place in (self.trained_on or {}).items()}}
        library = {"library": self.library.encoder if self.library else None}
        return {key: value for key, value in {**places, **library}.items() if value}

    def _record(self, target: Target) -> dict[str, Any]:
        return _export_record(self.manifest)["targets"].get(str(target), {})

    def _merged(self, manifest: Manifest, target: Target, written: Written, whole: bool = True) -> Manifest:
        record = {
            **({"key": self._key(target)} if whole else {}),
            "versions": _versions(target),
            "files": [graph.file for graph in written.graphs],
            **({"evidence": written.evidence} if written.evidence else {}),
        }
        export = _export_record(manifest)
        export = {**export, "targets": {**export["targets"], str(target): record}}
        return replace(
            manifest,
            graphs=(*manifest.graphs, *written.graphs),
            parity=(*manifest.parity, *({**found.to_json(), "target": str(target)} for found in written.parity)),
            provenance={**manifest.provenance, "export": export},
        )

    def _complete(self, folder: Path, manifest: Manifest, pictures: dict[str, Path] | None = None) -> Manifest:
        """Add styles, card and manifest to the graphs, then check the whole as any reader will."""
        manifest.write(folder)
        if pictures:
            manifest = replace(manifest, styles=_write_styles(folder, pictures))
            manifest.write(folder)
        picture = None
        if self.origin.sheet is not None and write_card_picture(self.origin.sheet, folder / PICTURE_NAME):
            picture = PICTURE_NAME
        write_text(folder / CARD_NAME, manifest, picture)
        return open_bundle(folder).manifest


def _export_record(manifest: Manifest) -> dict[str, Any]:
    """What an export noted in the manifest; empty for a bundle of an older version."""
    record = manifest.provenance.get("export")
    record = record if isinstance(record, dict) else {}
    targets = record.get("targets")
    return {**record, "targets": targets if isinstance(targets, dict) else {}}


def _copy(bundle: Bundle, folder: Path) -> None:
    """Copy the files that the manifest names."""
    for file in (*bundle.manifest.graphs, *bundle.manifest.styles):
        place = folder / file.file
        place.parent.mkdir(parents=True, exist_ok=True)
        source = bundle.path(file)
        shutil.copytree(source, place) if source.is_dir() else shutil.copyfile(source, place)


def _without(manifest: Manifest, target: Target, folder: Path) -> Manifest:
    """The manifest without what an earlier export of the target wrote; its files go from ``folder``."""
    files = _export_record(manifest)["targets"].get(str(target), {}).get("files", [])
    gone = [graph.file for graph in manifest.graphs if graph.file in files]
    for file in gone:
        path = folder / file
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return replace(
        manifest,
        graphs=tuple(graph for graph in manifest.graphs if graph.file not in gone),
        parity=tuple(record for record in manifest.parity if record.get("target") != str(target)),
    )


def _checked_name(name: str) -> str:
    if not name or len(name) > 100 or NOT_IN_NAMES.search(name) or name[0] in "._-":
        raise UserError(
            f"--name {name!r}: a bundle's name is letters, digits, '.', '_' and '-', and starts with a letter or digit"
        )
    return name


def _style_pictures(folder: str | Path | None) -> dict[str, Path]:
    """The pictures directly in ``folder`` by the names of their styles."""
    if folder is None:
        return {}
    found: dict[str, Path] = {}
    for path in list_pictures(folder, recursive=False):
        if path.stem in found:
            raise UserError(f"{found[path.stem]} and {path} would be the same style: rename one of them")
        if NOT_IN_NAMES.search(path.stem):
            raise UserError(f"{path} cannot name a style: use letters, digits, '.', '_' and '-' in its name")
        found[path.stem] = path
    if not found:
        raise UserError(f"there are no pictures in {folder}")
    return found


def _rounded(student: nn.Module) -> tuple[nn.Module, tuple[Parity, ...]]:
    """The student with fp16 weights, and what that changed, if anything."""
    rounded = round_weights(student)
    before, after = student.state_dict(), rounded.state_dict()
    if all(before[key].equal(after[key]) for key in before):
        return student, ()
    return rounded, (measure_rounding(student, rounded),)


def _versions(target: Target) -> dict[str, str]:
    """Versions of the packages that make the target's files, where they are installed."""
    packages = (*_ALWAYS, *FORMATS[target.format].packages)
    return {package: found for package in packages if (found := _installed(package))}


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _write_styles(folder: Path, pictures: dict[str, Path]) -> tuple[StyleFile, ...]:
    (folder / "styles").mkdir()
    files = []
    with Stylizer.load(folder, threads=1) as stylizer:
        for name, picture in pictures.items():
            path = folder / "styles" / f"{name}.json"
            stylizer.style(picture).save(path)
            files.append(StyleFile(name, f"styles/{path.name}", sha256_of(path), path.stat().st_size))
    return tuple(files)
