"""All packages of a student in one precision, judged and repaired."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("coremltools")

from distill.freeze import freeze_style
from export.calibration import Pair
from export.coreml import packages as packages_module
from export.coreml.app_graphs import AppGraph
from export.coreml.compress import compressible
from export.coreml.convert import Details
from export.coreml.mil_program import read_program
from export.coreml.packages import Pictures, package_name, write_packages
from export.coreml.parity import Likeness, PackageParity
from export.fidelity import Gate
from runtime.errors import UserError

DETAILS = Details("tiny", "CC0", "1", {})
SIZES = ((32, 32),)


@pytest.fixture
def pictures(draw) -> Pictures:
    def pairs(first: int, count: int) -> tuple[Pair, ...]:
        return tuple(Pair(draw(i, 40, 40), draw(50 + i, 64, 64), 1.0) for i in range(first, first + count))

    return Pictures(pairs(0, 1), pairs(10, 2), pairs(20, 2))


def record(psnr: float) -> PackageParity:
    return PackageParity("paint", "int8", Likeness(psnr, psnr, 0.001, 0.002), "", ((32, 32),), 1, "checkpoint", "tests")


def palette_sizes(graph: AppGraph) -> list[int]:
    """How many different weights each compressed layer has."""
    return [graph.module.get_submodule(name).weight.unique().numel() for name in compressible(graph)]


@pytest.fixture
def without_conversion(monkeypatch):
    """Nothing is converted or run: the list holds what was, and the records are taken from another one."""
    made, records = [], []
    monkeypatch.setattr(packages_module, "to_program", lambda graph, sizes, target, details: graph)
    monkeypatch.setattr(packages_module, "stored", lambda model, precision: model)
    monkeypatch.setattr(packages_module, "save_package", lambda model, path: made.append((path.name, model)))
    monkeypatch.setattr(packages_module, "measure_packages", lambda *arguments: (records.pop(0),))
    return made, records


@pytest.mark.parametrize(
    ("precision", "name"),
    [("fp16", "paint.mlpackage"), ("int8", "paint.int8.mlpackage"), ("palettized", "paint.palettized.mlpackage")],
)
def test_names_say_the_precision(precision, name):
    assert package_name("paint", precision) == name


def test_a_fixed_style_is_one_package_judged_without_numbers(student, pictures, tmp_path):
    channels = sum(site.channels for site in student.sites)
    torch.manual_seed(0)
    code, stats = (1 + 0.2 * torch.rand(1, 2, channels) for _ in range(2))
    lines = []
    found = write_packages(
        freeze_style(student, code, stats), tmp_path, "int8", SIZES, pictures, Gate(25, 0.1), DETAILS, lines.append
    )
    assert [path.name for path in tmp_path.iterdir()] == ["paint.int8.mlpackage"]
    assert found.target == "iOS17" and found.sizes == {"paint": SIZES}
    assert [entry.numbers_from for entry in found.parity] == ["checkpoint"] and found.parity[0].likeness.psnr >= 25
    program = read_program(found.files["paint"])
    assert [feature.name for feature in program.inputs] == ["content"]
    kinds = [op.kind for op in program.operations]
    assert kinds.count("quantize") == len(found.evidence["int8_inputs"]) > 0
    assert found.evidence["restored"] == [] and lines == []


def test_a_picture_that_misses_is_tried_again_with_more_inputs_in_fp16(student, pictures, tmp_path, without_conversion):
    made, records = without_conversion
    records += [record(20), record(24), record(30)]
    lines = []
    found = write_packages(student, tmp_path, "int8", SIZES, pictures, Gate(25, 0.1), DETAILS, lines.append)
    assert [name for name, _ in made].count("paint.int8.mlpackage") == 3
    costliest = [entry["layer"] for entry in found.evidence["sensitivity"]]
    assert found.evidence["restored"] == costliest[:2]
    assert not set(costliest[:2]) & set(found.evidence["int8_inputs"])
    assert "20.0 dB" in lines[0] and "misses" in lines[0] and costliest[0] in lines[1]


def test_palettes_grow_until_the_picture_passes(student, pictures, tmp_path, without_conversion):
    made, records = without_conversion
    records += [record(20), record(30)]
    found = write_packages(student, tmp_path, "palettized", SIZES, pictures, Gate(25, 0.1), DETAILS)
    assert found.target == "iOS16" and len(made) == 6
    assert found.evidence["bits"].keys() == {"style", "measure", "paint"}
    assert set(found.evidence["bits"]["paint"].values()) <= {4, 6, 8}
    for first, second in zip(made[:3], made[3:], strict=True):
        entries = [sum(palette_sizes(graph)) for graph in (first[1], second[1])]
        assert first[0] == second[0] and entries[0] < entries[1]
    assert max(palette_sizes(made[-1][1])) <= 256


def test_what_never_passes_is_refused(student, pictures, tmp_path, without_conversion):
    _, records = without_conversion
    records += [record(12)]
    with pytest.raises(UserError, match=r"Core ML as fp16 changes the pictures too much: 12.0 dB .* at 32x32"):
        write_packages(student, tmp_path, "fp16", SIZES, pictures, Gate(40, 0.1), DETAILS)
