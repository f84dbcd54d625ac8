"""From a run to a bundle: what is in it, what it paints, and what is refused."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from distill.checkpoint import Trained, save_student
from export import to_bundle
from export.compact_weights import round_weights
from export.formats import BASE, FORMATS, Format, Request, Target, Written
from export.graphs import StudentGraph
from export.onnx_files import write_onnx
from export.options import ExportOptions
from export.parity import MAX_ABS_ERROR
from export.student_source import find_source
from export.to_bundle import export_bundle
from export.to_onnx import to_onnx
from runtime import Stylizer, open_bundle
from runtime.bundle import Graph, digest_of, sha256_of
from runtime.errors import UserError
from runtime.framing import pad, style_crop, thumbnail, to_picture, to_tensor
from tests.export.conftest import PROVENANCE, QUALITY, make_run, make_student


def pictures(*shapes: tuple[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [np.kron(rng.integers(0, 256, (h, w, 3)), np.ones((3, 3, 1))).astype(np.uint8) for h, w in shapes]


def tensor(rgb: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(to_tensor(rgb))


def contents(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_the_bundle_verifies(exported, run):
    bundle = open_bundle(exported.directory)
    manifest = bundle.manifest
    assert manifest == exported.manifest
    assert manifest.name == run.name
    assert [graph.role for graph in manifest.graphs] == ["style", "measure", "paint"]
    for graph in manifest.graphs:
        assert graph.sha256 == sha256_of(bundle.path(graph))
        assert graph.bytes == bundle.path(graph).stat().st_size
        assert (graph.precision, graph.format) == ("fp32", "onnx")
    assert exported.bytes == sum(map(len, contents(exported.directory).values()))
    assert sorted(contents(exported.directory)) == [
        "card.md",
        "manifest.json",
        "measure.onnx",
        "paint.onnx",
        "pictures/final.jpg",
        "style.onnx",
        "styles/dots.json",
    ]


def test_history_and_parity_are_in_the_manifest(exported, run):
    manifest = exported.manifest
    assert manifest.quality == QUALITY
    assert {key: manifest.provenance[key] for key in PROVENANCE} == PROVENANCE
    assert manifest.provenance["export"]["student_sha256"] == sha256_of(run / "student.safetensors")
    assert manifest.provenance["export"]["weights"] == "fp16"
    assert [(r["role"], r["precision"]) for r in manifest.parity] == [
        ("paint", "fp16 weights"),
        ("style", "fp32"),
        ("measure", "fp32"),
        ("paint", "fp32"),
    ]
    assert all(record["max_abs_error"] <= MAX_ABS_ERROR for record in manifest.parity[1:])


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (31, 22)])
@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_it_paints_what_the_student_paints(exported, student, shape, strength):
    content, style = pictures(shape, (30, 41))
    with Stylizer.load(exported.directory, threads=1, margin=0, margin_mode="edge") as stylizer:
        painted = stylizer(content, style, strength)
    rounded = round_weights(student)
    padded, inside = pad(content, 4, 0, "edge")
    with torch.no_grad():
        code = rounded.style(tensor(style_crop(style)))
        affine = rounded.affine(code, rounded.measure(tensor(thumbnail(content, 256, 4))))
        affine = [(strength * scale + 1 - strength, strength * shift) for scale, shift in affine]
        expected = to_picture(rounded.paint(tensor(padded), affine).numpy()[:, :, inside[0], inside[1]])
    assert painted.shape == content.shape
    assert np.abs(painted.astype(int) - expected.astype(int)).max() <= 1


def test_named_styles_are_the_codes_of_their_pictures(exported):
    with Stylizer.load(exported.directory, threads=1) as stylizer:
        named = stylizer.style("dots")
        seen = stylizer.style(exported.directory.parent / "pictures" / "dots.png")
    assert np.array_equal(named.values, seen.values)
    assert named.student == exported.manifest.name


def test_exporting_again_gives_the_same_bytes_and_replaces(exported, run, tmp_path):
    styles = exported.directory.parent / "pictures"
    first = contents(exported.directory)
    target = tmp_path / "bundle"
    shutil.copytree(exported.directory, target)
    (target / "paint.onnx").write_bytes(b"damaged")
    assert contents(export_bundle(run, target, styles=styles).directory) == first
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_fp16_checkpoints_need_no_rounding_and_no_compaction_keeps_all(run, student, tmp_path):
    half = export_bundle(make_run(tmp_path / "half", student, half=True), tmp_path / "compact")
    full = export_bundle(run, tmp_path / "full", compact=False)
    assert all(record["precision"] == "fp32" for record in (*half.manifest.parity, *full.manifest.parity))
    assert half.bytes < 0.6 * full.bytes
    assert full.manifest.provenance["export"]["weights"] == "fp32"


def test_by_default_a_bundle_goes_to_bundles(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exported = export_bundle(run, name="mine")
    assert exported.directory == Path("bundles/mine")
    assert open_bundle("bundles/mine").manifest.name == "mine"


def fails(tmp_path: Path, message: str, source: object, **options: object) -> None:
    """Exporting raises one line, and nothing is left in ``tmp_path``/out."""
    (tmp_path / "out").mkdir(exist_ok=True)
    with pytest.raises(UserError, match=message) as caught:
        export_bundle(source, tmp_path / "out" / "bundle", **options)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_bad_sources(run, tmp_path):
    fails(tmp_path, "does not exist; give a run directory", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    fails(tmp_path, "holds no student.safetensors", tmp_path / "empty")
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 training state")
    fails(tmp_path, "is not a readable student", tmp_path / "checkpoint.pt")
    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes((run / "student.safetensors").read_bytes()[:-1000])
    fails(tmp_path, "is not a readable student", truncated)


def test_another_architecture(run, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(run / "student.safetensors", "pt") as file:
        metadata = file.metadata()
    record = json.loads(metadata["record"])
    for change in ({"width": 0.5}, {"name": "unet"}):
        changed = {**record, "architecture": {**record["architecture"], **change}}
        other = tmp_path / "other.safetensors"
        save_file(load_file(run / "student.safetensors"), other, {**metadata, "record": json.dumps(changed)})
        fails(tmp_path, "is a student of another architecture", other)
    save_file({"weight": torch.zeros(3)}, tmp_path / "plain.safetensors")
    fails(tmp_path, "but not of a brushlet student", tmp_path / "plain.safetensors")


def test_bad_options(run, tmp_path):
    fails(tmp_path, "there is no format 'onx': did you mean 'onnx'?", run, targets=[Target("onx", "fp32")])
    fails(tmp_path, "there is no format 'tflite': there is ", run, targets=[Target("tflite", "fp32")])
    for name in ("", "a/b", "..", "-rf", "ü", "x" * 101):
        fails(tmp_path, "--name .* a bundle's name is letters", run, name=name)
    (tmp_path / "none").mkdir()
    fails(tmp_path, "there are no pictures in", run, styles=tmp_path / "none")
    fails(tmp_path, "there is no folder", run, styles=tmp_path / "nowhere")


def test_bad_style_pictures(run, tmp_path):
    styles = tmp_path / "styles"
    styles.mkdir()
    (styles / "sea.png").write_bytes(b"no picture")
    fails(tmp_path, r"sea.png", run, styles=styles)
    shutil.copy(styles / "sea.png", styles / "sea.jpg")
    fails(tmp_path, r"sea.jpg and .*sea.png would be the same style", run, styles=styles)
    (styles / "sea.jpg").rename(styles / "a b.jpg")
    fails(tmp_path, "cannot name a style", run, styles=styles)


def test_a_diverged_student(tmp_path):
    student = make_student()
    with torch.no_grad():
        student.mix.weight[0] = float("inf")
    fails(tmp_path, "weights that are not finite", make_run(tmp_path / "diverged", student))


class Found:
    """A measurement of a format of the tests."""

    def to_json(self) -> dict[str, object]:
        return {"role": "paint", "format": "text", "precision": "int8", "psnr": 40.0, "gate": "psnr >= 35"}


def write_text_graph(request: Request) -> Written:
    """A format that writes one file, from what the bundle holds already."""
    if request.options.min_psnr > 50:
        (request.folder / "half-written").write_bytes(b"x")
        raise UserError("the gate is missed")
    path = request.folder / "engines" / "here" / f"paint.{request.precision}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{request.options.seed} {sha256_of(request.folder / 'paint.onnx')}")
    graph = Graph(
        "paint", request.precision, "text", path.relative_to(request.folder).as_posix(), *digest_of(path), (), ()
    )
    return Written((graph,), (Found(),), {"layers": ["a", "b"]})


@pytest.fixture
def text_format(monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    """The format ``text``; the list is what it was asked to write."""
    asked = []

    def write(request: Request) -> Written:
        asked.append(request.precision)
        return write_text_graph(request)

    form = Format(__name__, "write_text_graph", ("int8", "fp16"), ("numpy",), "coreml")
    monkeypatch.setattr(Format, "load", lambda self: write if self.extra == "coreml" else write_onnx)
    monkeypatch.setitem(FORMATS, "text", form)
    return asked


INT8 = Target("text", "int8")


def test_a_target_is_added_once_and_leaves_the_rest_alone(exported, run, tmp_path, text_format):
    directory = shutil.copytree(exported.directory, tmp_path / "bundle")
    before = contents(directory)
    first = export_bundle(run, directory, targets=[INT8])
    assert (first.kept, first.failures, text_format) == ((BASE,), (), ["int8"])
    assert [graph.format for graph in first.manifest.graphs] == ["onnx"] * 3 + ["text"]
    assert first.manifest.styles == exported.manifest.styles
    after = contents(directory)
    assert {file: after[file] for file in before if file not in ("manifest.json", "card.md")} == {
        file: data for file, data in before.items() if file not in ("manifest.json", "card.md")
    }
    record = first.manifest.provenance["export"]["targets"]["text int8"]
    assert record["evidence"] == {"layers": ["a", "b"]} and "numpy" in record["versions"]
    assert {**Found().to_json(), "target": "text int8"} in first.manifest.parity
    second = export_bundle(run, directory, targets=[BASE, INT8])
    assert second.kept == (BASE, INT8) and text_format == ["int8"]
    assert contents(directory) == after


def test_other_options_make_a_target_again(exported, run, tmp_path, text_format):
    directory = shutil.copytree(exported.directory, tmp_path / "bundle")
    export_bundle(run, directory, targets=[INT8, Target("text", "fp16")])
    again = export_bundle(run, directory, targets=[INT8], options=ExportOptions(seed=7))
    assert text_format == ["int8", "fp16", "int8"]
    assert [graph.precision for graph in again.manifest.graphs if graph.format == "text"] == ["fp16", "int8"]
    assert (directory / "engines" / "here" / "paint.int8.txt").read_text().startswith("7 ")
    assert sum(record.get("target") == "text int8" for record in again.manifest.parity) == 1


def test_a_run_is_calibrated_with_its_own_pictures_while_they_are_there(student, tmp_path, text_format, monkeypatch):
    asked = []

    def write(request: Request) -> Written:
        asked.append(request.calibration)
        return write_text_graph(request)

    monkeypatch.setattr(Format, "load", lambda self: write if self.extra == "coreml" else write_onnx)
    folders = {kind: tmp_path / kind for kind in ("content", "style")}
    for folder in folders.values():
        folder.mkdir()
    run = make_run(tmp_path / "run", student)
    config = {kind: str(folder) for kind, folder in folders.items()}
    save_student(run / "student.safetensors", Trained(student, config, PROVENANCE, QUALITY))
    bundle = tmp_path / "bundle"
    export_bundle(run, bundle, targets=[INT8])
    export_bundle(run, bundle, targets=[INT8], options=ExportOptions(calibration=tmp_path))
    folders["style"].rmdir()
    export_bundle(run, bundle, targets=[INT8])
    assert asked == [folders, tmp_path, None]
    alone = shutil.copy(run / "student.safetensors", tmp_path / "elsewhere.safetensors")
    folders["style"].mkdir()
    export_bundle(alone, tmp_path / "other", targets=[INT8])  # a file from somewhere names no folders of this machine
    assert asked[3:] == [None]


def test_a_student_that_ships_is_calibrated_in_the_styles_of_its_library(tmp_path, text_format, monkeypatch):
    asked = []

    def write(request: Request) -> Written:
        asked.append(request.codes)
        return write_text_graph(request)

    monkeypatch.setattr(Format, "load", lambda self: write if self.extra == "coreml" else write_onnx)
    export_bundle("adain-w0125", tmp_path / "bundle", targets=[INT8])
    file = find_source("adain-w0125").file
    export_bundle(shutil.copy(file, tmp_path / "mine.safetensors"), tmp_path / "mine", targets=[INT8])
    assert asked[1] is None  # whose style encoder may be another
    with Stylizer.load("adain-w0125", threads=1) as stylizer:
        named = stylizer.style("sunflowers")
    assert len(asked[0]) > 80
    assert np.allclose(asked[0]["sunflowers"], named.values, atol=1e-3, rtol=1e-3)


def test_a_target_that_fails_leaves_the_others(exported, run, tmp_path, text_format):
    directory = shutil.copytree(exported.directory, tmp_path / "bundle")
    export_bundle(run, directory, targets=[INT8])
    before = contents(directory)
    failed = export_bundle(run, directory, targets=[INT8], options=ExportOptions(min_psnr=60))
    assert failed.failures == ((INT8, "the gate is missed"),)
    assert contents(directory) == before
    open_bundle(directory)


def test_a_missing_package_names_its_extra(exported, run, tmp_path, text_format, monkeypatch):
    def missing(request: Request) -> Written:
        raise ModuleNotFoundError("No module named 'coremltools'", name="coremltools")

    monkeypatch.setattr(Format, "load", lambda self: missing)
    directory = shutil.copytree(exported.directory, tmp_path / "bundle")
    failures = export_bundle(run, directory, targets=[INT8]).failures
    assert failures == ((INT8, "coremltools is not installed: pip install 'brushlet[coreml]'"),)


def test_a_missed_gate_leaves_nothing(run, tmp_path, monkeypatch):
    def corrupted(graph: StudentGraph) -> onnx.ModelProto:
        model = to_onnx(graph)
        weight = model.graph.initializer[0]
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + 1, weight.name))
        return model

    monkeypatch.setattr("export.onnx_files.to_onnx", corrupted)
    fails(tmp_path, "the style graph differs from torch by", run)


def test_a_full_disk_leaves_nothing_and_keeps_the_old_bundle(run, exported, tmp_path):
    before = contents(exported.directory)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        fails(tmp_path, r"cannot write .*out/bundle/style.onnx", run)
        with pytest.raises(UserError, match="cannot write"):
            export_bundle(run, exported.directory, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(exported.directory) == before
    assert not list(exported.directory.parent.glob(".*"))


def test_an_interrupt_leaves_nothing(run, tmp_path, monkeypatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(to_bundle, "write_text", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_bundle(run, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []
