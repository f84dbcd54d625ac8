"""The format coreml in a bundle."""

from __future__ import annotations

import pytest

pytest.importorskip("coremltools")

from export import to_coreml
from export.calibration import Pair
from export.coreml.mil_program import read_program
from export.coreml.packages import Pictures
from export.formats import FORMATS, Request
from export.options import ExportOptions
from export.to_bundle import export_bundle
from export.to_coreml import write_coreml
from runtime.bundle import open_bundle
from runtime.errors import UserError
from tests.export.conftest import PROVENANCE
from tests.export.coreml.conftest import drawn


@pytest.fixture
def few_pictures(monkeypatch):
    pairs = tuple(Pair(drawn(i, 40, 40), drawn(9 + i, 64, 64), 1.0) for i in range(2))
    monkeypatch.setattr(to_coreml, "held_back_pairs", lambda folder: pairs)
    monkeypatch.setattr(to_coreml, "_pictures", lambda request: Pictures(pairs, pairs, pairs))


def test_a_bundle_holds_packages_that_it_verifies(run, tmp_path, few_pictures):
    from export.formats import Target

    options = ExportOptions(sizes=("32x48,32",))
    exported = export_bundle(run, tmp_path / "b", targets=[Target("coreml", "fp16")], options=options)
    assert not exported.failures
    bundle = open_bundle(tmp_path / "b")
    graph = bundle.graph("paint", "fp16", "coreml")
    assert graph.file == "paint.mlpackage" and bundle.path(graph).is_dir()
    assert graph.details == {"sizes": [[32, 48], [32, 32]], "least_system": "iOS16"}
    assert [spec.name for spec in graph.inputs] == ["content", "style_code", "content_stats", "strength"]
    assert graph.inputs[0].dtype == graph.outputs[0].dtype == "uint8"
    records = [entry for entry in bundle.manifest.parity if entry.get("format") == "coreml"]
    assert len(records) == 3 and all(entry["psnr"] >= 40 and entry["judge"] for entry in records)
    metadata = read_program(bundle.path(graph)).metadata
    assert metadata["license"] == PROVENANCE["teacher"]["licence"]
    assert metadata["brushlet.precision"] == "fp16" and metadata["brushlet.teacher"] == "AdaIN of the tests"


def test_a_size_that_the_student_does_not_take_is_refused(student, tmp_path):
    with pytest.raises(UserError, match="multiples of 4"):
        write_coreml(Request(student, tmp_path, "fp16", options=ExportOptions(sizes=("30x30",))))
    assert list(tmp_path.iterdir()) == []


def test_the_format_is_known():
    assert FORMATS["coreml"].load() is write_coreml
    assert FORMATS["coreml"].precisions == ("fp16", "int8", "palettized")
