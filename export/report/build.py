"""From a bundle to its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from export.bundle_folder import REPORT_NAME
from export.report.comparison import RAN, Painted, is_reference, paint_samples
from export.report.costs import PaintCost, paint_cost
from export.report.evidence import evidence_parts
from export.report.gallery import ENCODINGS, gallery
from export.report.pictures import AMPLIFIED, SIDE, Photo, Style, sample_photos, sample_styles
from export.report.plots import BAR, MARKED
from export.report.recorded import as_mapping, as_text, judged, targets
from export.report.tables import (
    absent_rows,
    cost_sentence,
    glance_rows,
    graph_rows,
    hash_rows,
    parity_rows,
    total_rows,
    version_rows,
)
from export.report.verdict import SAFE_PSNR, SAME_PSNR
from runtime.atomic_write import write_atomically
from runtime.bundle import ONNX_FORMATS, Bundle, Manifest, open_bundle
from runtime.errors import UserError
from runtime.stylizer import Stylizer

#: A page is made smaller until it is below this, in bytes.
MAX_PAGE_BYTES = 3_000_000
_TEMPLATE = "page.html.j2"


def write_report(directory: Path, output: Path | None = None, contents: Sequence[Path] | None = None) -> Path:
    """Paint samples with every graph of a bundle and write the page that compares them.

    Args:
        directory: the bundle.
        output: the page; ``report.html`` in the bundle by default.
        contents: photos to paint; three of scikit-image's by default.

    Returns:
        The page's path. It holds all it shows: no script, no address, no file beside it.

    Raises:
        BundleError: the bundle is damaged. A graph that is whole and does not work is listed as failed instead.
        UserError: a photo cannot be read, or the page cannot be written.
    """
    bundle = open_bundle(directory)
    photos = sample_photos(contents)
    samples = _paint(bundle, photos)
    page = _smallest_fitting(bundle, samples)
    path = Path(output) if output is not None else Path(directory) / REPORT_NAME
    write_atomically(path, page)
    return path


@dataclass(frozen=True)
class _Samples:
    """What was painted; ``problem`` says why there is no style to paint in."""

    photos: Sequence[Photo]
    styles: Sequence[Style]
    painted: Sequence[Painted]
    problem: str = ""


def _paint(bundle: Bundle, photos: Sequence[Photo]) -> _Samples:
    with Stylizer(bundle, margin=0) as plain:
        photos = [replace(photo, rgb=plain.stand_in(photo.rgb)) for photo in photos]
        try:
            styles = sample_styles(plain)
        except UserError as error:
            return _Samples(photos, (), paint_samples(bundle, plain, (), ()), str(error))
        return _Samples(photos, styles, paint_samples(bundle, plain, photos, styles))


def _smallest_fitting(bundle: Bundle, samples: _Samples) -> bytes:
    """The page with the best pictures that keep it below `MAX_PAGE_BYTES`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.get_template(_TEMPLATE)
    values = _values(bundle, samples)
    for encoding in ENCODINGS:
        rows = gallery(samples.painted, samples.photos, samples.styles, encoding)
        page = template.render(values, rows=rows).encode()
        if len(page) <= MAX_PAGE_BYTES:
            break
    return page


def _values(bundle: Bundle, samples: _Samples) -> dict[str, Any]:
    manifest, painted = bundle.manifest, samples.painted
    records, exported = judged(manifest), targets(manifest)
    costs = _costs(bundle)
    reference = next((costs.get(item.graph.file) for item in painted if is_reference(item.graph)), None)
    return {
        "name": manifest.name,
        "summary": _summary(manifest),
        "same_psnr": f"{SAME_PSNR:g}",
        "safe_psnr": f"{SAFE_PSNR:g}",
        "side": SIDE,
        "amplified": AMPLIFIED,
        "bar": BAR,
        "marked": MARKED,
        "glance": glance_rows(manifest, painted, records, costs),
        "absent": absent_rows(painted),
        "no_pictures": samples.problem or "no graph runs here",
        "cost": cost_sentence(reference, manifest),
        "graphs": graph_rows(manifest),
        "totals": total_rows(manifest),
        "parity": parity_rows(records),
        "evidence": evidence_parts(exported),
        "versions": version_rows(exported),
        "hashes": hash_rows(manifest),
        "version": version("brushlet"),
        "runners": ", ".join(dict.fromkeys(item.detail for item in painted if item.status == RAN)) or "nothing",
    }


def _costs(bundle: Bundle) -> dict[str, PaintCost]:
    """By file, for the paint graphs whose work can be counted."""
    costs = {}
    for graph in bundle.manifest.graphs:
        if graph.role == "paint" and graph.format in ONNX_FORMATS:
            try:
                costs[graph.file] = paint_cost(bundle.path(graph))
            except ValueError:
                continue  # it does not run either, and is listed for that
    return costs


def _summary(manifest: Manifest) -> str:
    student, teacher = manifest.student, as_mapping(manifest.provenance.get("teacher"))
    taught = as_text(teacher.get("description"))
    return f"{student.architecture}, width {student.width:g}" + (f"; its teacher: {taught}" if taught else "")
