"""The format ``coreml``: style, measure and paint packages for apps on Apple's devices, judged as files."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from export.calibration import open_calibration
from export.coreml.app_graphs import AppGraph, app_graphs
from export.coreml.convert import Details
from export.coreml.image_sizes import parse_sizes
from export.coreml.packages import Packages, Pictures, write_packages
from export.coreml.parity import FP16_PSNR, held_back_pairs
from export.fidelity import Gate
from export.formats import Request, Written
from runtime.bundle import Graph, TensorSpec
from runtime.digests import digest_of
from runtime.label_maps import palette_of

#: Crops that ranges and biases come from.
CROPS = 40


def write_coreml(request: Request) -> Written:
    """Write the packages in the precision asked for.

    ``--size`` names the painter's picture sizes, ``--min-psnr`` and ``--max-shift`` are the gate of int8 and palettes.

    Raises:
        UserError: coremltools is absent, or cannot write here; a size that the student does not take; no pictures to
            calibrate with; pictures that miss the gate.
    """
    student, options = request.student, request.options
    sizes = parse_sizes(options.sizes, student.size_multiple)
    psnr = FP16_PSNR if request.precision == "fp16" else options.min_psnr
    packages = write_packages(
        student,
        request.folder,
        request.precision,
        sizes,
        _pictures(request),
        Gate(psnr, options.max_shift),
        _details(request),
        request.log,
    )
    rows = (1, 2, sum(site.channels for site in student.sites))
    graphs = tuple(_graph(request.precision, graph, packages, rows) for graph in app_graphs(student))
    return Written(graphs, packages.parity, packages.evidence)


def _pictures(request: Request) -> Pictures:
    folder = request.calibration
    judged = held_back_pairs(folder, codes=request.codes)
    if request.precision == "fp16":
        return Pictures(judged)
    palette = palette_of(request.provenance)
    calibration = open_calibration(folder, CROPS, request.options.seed, request.log, palette, request.codes)
    return Pictures(judged, calibration.pairs, calibration.tuning)


def _details(request: Request) -> Details:
    teacher = request.provenance.get("teacher")
    teacher = teacher if isinstance(teacher, dict) else {}
    name = f"{request.student.architecture}, width {request.student.width:g}"
    facts = {"precision": request.precision, "torch": version("torch"), "teacher": _text(teacher.get("description"))}
    return Details(name, _text(teacher.get("licence")), _brushlet(), facts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else "not recorded"


def _brushlet() -> str:
    try:
        return version("brushlet")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "not recorded"


def _graph(precision: str, graph: AppGraph, packages: Packages, rows: tuple[int, ...]) -> Graph:
    file = packages.files[graph.role]
    arrays = (TensorSpec(name, shape) for name, shape in graph.arrays.items())
    return Graph(
        graph.role,
        precision,
        "coreml",
        file.name,
        *digest_of(file),
        inputs=(_picture(graph.picture), *arrays),
        outputs=(_picture(graph.output) if graph.paints else TensorSpec(graph.output, rows),),
        details={"sizes": [list(size) for size in packages.sizes[graph.role]], "least_system": packages.target},
    )


def _picture(name: str) -> TensorSpec:
    """An image input or output: 8 bits per channel, whatever the program computes in."""
    return TensorSpec(name, (1, 3, "H", "W"), "uint8")
