"""`benchmarks.bench_bundle`: what a record of a real benchmark holds, and which requests are refused."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest

from benchmarks import Record, Request, bench, bench_bundle, subjects
from benchmarks.entrants import RIVAL_SECONDS, find_entrants, graphs_run, teacher_name
from benchmarks.job import Job, Target
from benchmarks.report_run import record_path
from devices import Host, Load, describe_this_machine
from runtime import Stylizer, UserError
from runtime.bundle import (
    BundleError,
    Graph,
    Manifest,
    StudentInfo,
    TensorSpec,
    digest_of,
    open_bundle,
    sha256_of,
)

QUIET = Load(cpus=2, busy=0.0, stolen=0.0, load_average=0.0)


def test_subjects_are_named_with_their_files(record, tiny):
    own, rival = record.subjects
    assert (own.kind, own.name, rival.name) == ("bundle", "tiny", "other")
    assert own.manifest_sha256 == sha256_of(tiny / "manifest.json") != rival.manifest_sha256
    assert [graph.role for graph in own.graphs] == ["style", "measure", "paint"]
    assert own.graph_bytes == sum((tiny / f"{role}.onnx").stat().st_size for role in ("style", "measure", "paint"))
    assert own.graphs[2].sha256 == sha256_of(tiny / "paint.onnx")
    assert (own.engine, own.providers) == ("onnxruntime", ("CPUExecutionProvider",))


def test_every_size_has_its_measurements(record):
    assert [(result.width, result.height) for result in record.results] == [(32, 32), (64, 64)]
    for result in record.results:
        parts = {(timing.subject, timing.part) for timing in result.timings}
        assert parts == {(0, "model"), (0, "end_to_end"), (0, "files"), (1, "model"), (1, "end_to_end")}
        assert [start.subject for start in result.starts] == [0, 1]


def test_samples_and_their_numbers(record):
    for result in record.results:
        for timing in result.timings:
            assert len(timing.samples_ms) >= 6
            assert sum(timing.samples_ms) >= 20 * 0.999
            p50, p90, p99 = timing.percentiles_ms
            assert timing.low_ms <= p50 <= timing.high_ms
            assert p50 == pytest.approx(np.median(timing.samples_ms), abs=1e-3)
            assert p50 <= p90 <= p99 <= max(timing.samples_ms)
            assert timing.pictures_per_second == pytest.approx(1000 / p50)


def test_the_model_alone_takes_less_than_the_whole_way(record):
    for result in record.results:
        median = {(timing.subject, timing.part): timing.percentiles_ms[0] for timing in result.timings}
        assert median[0, "model"] < median[0, "end_to_end"]


def test_ratios_compare_the_same_part(record):
    for result in record.results:
        median = {(timing.subject, timing.part): np.median(timing.samples_ms) for timing in result.timings}
        assert {(ratio.part, ratio.slower, ratio.faster) for ratio in result.ratios} == {
            ("model", 1, 0),
            ("end_to_end", 1, 0),
        }
        for ratio in result.ratios:
            assert ratio.value == pytest.approx(median[1, ratio.part] / median[0, ratio.part])
            assert ratio.low <= ratio.value <= ratio.high


def test_memory_is_that_of_a_process_with_one_subject(record):
    for result in record.results:
        for start in result.starts:
            assert 10e6 < start.baseline_bytes < start.peak_bytes < 400e6
            assert start.above_baseline_bytes == start.peak_bytes - start.baseline_bytes


def test_settings_and_environment(record):
    assert (record.settings.threads, record.settings.runs, record.settings.seconds) == ((1,), 6, 0.02)
    for result in record.results:
        assert result.threads == 1
        assert result.cpus is None or len(result.cpus) == 1
    assert record.environment["machine"] == describe_this_machine().to_json()
    assert record.environment["packages"]["numpy"] == np.__version__
    assert record.environment["load_before"]["cpus"] >= 1
    datetime.strptime(record.created, "%Y-%m-%dT%H:%M:%SZ")
    assert record.command == ("brushlet", "bench", "tiny")


def canned(job: Job, timeout: float) -> dict:
    """What a measuring process answers, without one."""
    if job.purpose == "start":
        told = {"description": "d", "engine": job.targets[0].engine, "engine_version": "1", "providers": []}
        memory = {"baseline_bytes": None, "peak_bytes": 10**8, "gpu_bytes": None}
        return {"load_ms": 1.0, "first_ms": 2.0, **memory, **told}
    series = [
        {"subject": number, "part": part, "warmup_ms": [9.0], "samples_ms": [10.0 + number] * 7}
        for number, parts in enumerate(job.parts)
        for part in parts
    ]
    rest = {"steady": True, "shortened": False, "batch": job.batch, "stages_ms": {}}
    return {"series": [{**one, **rest} for one in series], "stolen": 0.0, "others": 0.0}


@pytest.fixture
def quick(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    """A request on a quiet machine whose measuring processes answer at once."""
    monkeypatch.setattr(bench_bundle, "measure_load", lambda: QUIET)
    monkeypatch.setattr(bench_bundle, "run_isolated", canned)
    return Request(str(tiny), sizes=(32,), power=False)


def test_default_threads_are_this_machines_cores(quick):
    assert bench(quick).settings.threads == (describe_this_machine().default_threads,)


def test_busy_machine_is_told_and_recorded(quick, monkeypatch):
    busy = Load(cpus=2, busy=0.9, stolen=0.0, load_average=3.0)
    monkeypatch.setattr(bench_bundle, "measure_load", lambda: busy)
    told = []
    record = bench(replace(quick, threads=(1,)), tell=told.append)
    line = "other work keeps 1.8 of 2 CPUs busy: measure again on a quiet machine"
    assert told == [f"warning: {line}", "measuring tiny at 32x32, 1 thread"]
    assert record.warnings == (line,)
    assert record.environment["load_before"] == busy.to_json()


def test_quiet_machine_and_sound_samples_need_no_warning(quick):
    assert bench(quick).warnings == ()


def test_doubts_are_recorded(quick, monkeypatch):
    def doubtful(job: Job, timeout: float) -> dict:
        answer = canned(job, timeout)
        for series in answer.get("series", []):
            series.update(steady=series["part"] == "model", shortened=series["part"] == "model")
        return {**answer, "stolen": 0.25, "others": 0.5}

    monkeypatch.setattr(bench_bundle, "run_isolated", doubtful)
    assert bench(replace(quick, threads=(1,))).warnings == (
        "tiny, end_to_end at 32x32, 1 thread: the warm-up never became steady",
        "tiny, model at 32x32, 1 thread: only 7 runs, since each takes long",
        "tiny, files at 32x32, 1 thread: the warm-up never became steady",
        "at 32x32, 1 thread: other work took 50% of the CPUs' time meanwhile",
        "at 32x32, 1 thread: the hypervisor gave 25% of the machine's time to others meanwhile",
    )


def test_a_subject_that_drifts_is_told(quick, monkeypatch):
    def slowing(job: Job, timeout: float) -> dict:
        answer = canned(job, timeout)
        for series in answer.get("series", []):
            if series["part"] == "model":
                series["samples_ms"] = [10.0 + number for number in range(30)]
        return answer

    monkeypatch.setattr(bench_bundle, "run_isolated", slowing)
    (line,) = bench(replace(quick, threads=(1,))).warnings
    assert line == "tiny, model at 32x32, 1 thread: the last third took 2.38 times as long as the first"


def test_several_pictures_at_once_are_cells_of_their_own(quick):
    record = bench(replace(quick, batches=(1, 4), sizes=(32, 48), threads=(1,)))
    assert [(result.batch, result.width) for result in record.results] == [(1, 32), (1, 48), (4, 32), (4, 48)]
    one, four = (result.timing(0, "end_to_end") for result in record.results[::2])
    assert one.percentiles_ms == four.percentiles_ms
    assert four.pictures_per_second == pytest.approx(4 * one.pictures_per_second)


def test_it_waits_before_every_cell(quick, monkeypatch):
    busy, looks = replace(QUIET, busy=0.9), []
    monkeypatch.setattr(bench_bundle, "measure_load", lambda: looks.append(1) or (busy if len(looks) == 1 else QUIET))
    told = []
    record = bench(replace(quick, sizes=(32, 48), threads=(1,), wait=60.0), tell=told.append)
    assert told[0] == "waiting up to 60 s for a quiet machine: other work keeps 1.8 of 2 CPUs busy"
    assert len(looks) == 4 + 3, "three quiet looks each, after one that was not"
    assert record.warnings == ()


def test_a_system_that_does_not_pin_has_no_cpus(quick, monkeypatch):
    monkeypatch.setattr(bench_bundle, "Host", lambda: Host(allowed_cpus=None))
    assert bench(replace(quick, threads=(1,))).results[0].cpus is None


def test_a_bundle_against_itself_has_two_names(quick):
    record = bench(replace(quick, rivals=(quick.bundle,)))
    assert [subject.name for subject in record.subjects] == ["tiny", f"tiny ({quick.bundle})"]
    assert [ratio.value for ratio in record.results[0].ratios] == [1.1, 1.1]


def fixed_style_bundle(directory: Path) -> Path:
    """A student with one style folded in: the picture's colours, inverted."""
    content, picture = (TensorSpec(name, (1, 3, "H", "W")) for name in ("content", "picture"))
    infos = [
        onnx.helper.make_tensor_value_info(spec.name, onnx.TensorProto.FLOAT, spec.shape) for spec in (content, picture)
    ]
    one = onnx.numpy_helper.from_array(np.array(1, np.float32), "one")
    nodes = [onnx.helper.make_node("Sub", ["one", "content"], ["picture"])]
    graph = onnx.helper.make_graph(nodes, "paint", infos[:1], infos[1:], [one])
    directory.mkdir()
    path = directory / "paint.onnx"
    opset = onnx.helper.make_opsetid("", 17)
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())
    entry = Graph("paint", "fp32", "onnx", path.name, *digest_of(path), (content,), (picture,))
    Manifest("negative", StudentInfo("frozen", 0.25, 4, 4, 256, {"paint": 1}, ()), (entry,)).write(directory)
    return directory


BOTH = {"engines": ("onnxruntime", "openvino"), "precisions": ("fp32", "int8")}


def test_every_engine_in_every_precision_takes_part(quick, quantised):
    record = bench(replace(quick, bundle=str(quantised), **BOTH, sizes=(32, 48), threads=(1, 2)))
    combinations = [(subject.name, subject.precision) for subject in record.subjects]
    assert combinations == [("tiny", "fp32"), ("tiny", "int8")] * 2
    assert [[graph.file for graph in subject.graphs] for subject in record.subjects] == [
        ["style.onnx", "measure.onnx", "paint.onnx"],
        ["style.onnx", "measure.onnx", "paint.int8.onnx"],
    ] * 2
    assert [(result.width, result.threads) for result in record.results] == [(32, 1), (48, 1), (32, 2), (48, 2)]
    for result in record.results:
        assert {(ratio.slower, ratio.faster, ratio.part) for ratio in result.ratios} == {
            (rival, 0, part) for rival in (1, 2, 3) for part in ("model", "end_to_end")
        }
        assert [ratio.value for ratio in result.ratios if ratio.part == "model"] == [1.1, 1.2, 1.3]
    assert record.warnings == ()


def test_all_combinations_share_one_process(quick, quantised, monkeypatch):
    jobs = []
    monkeypatch.setattr(bench_bundle, "run_isolated", lambda job, timeout: jobs.append(job) or canned(job, timeout))
    bench(replace(quick, bundle=str(quantised), **BOTH))
    (latency,) = [job for job in jobs if job.purpose == "latency"]
    assert [(target.engine, target.precision) for target in latency.targets] == [
        ("onnxruntime", "fp32"),
        ("onnxruntime", "int8"),
        ("openvino", "fp32"),
        ("openvino", "int8"),
    ]


def test_a_rival_bundle_runs_in_the_same_combinations(quick, quantised, tiny):
    entrants, left_out = find_entrants(replace(quick, bundle=str(quantised), rivals=(str(tiny),), **BOTH))
    rival = f"tiny ({tiny})"
    assert [(each.name, each.engine, each.precision) for each in entrants[4:]] == [
        (rival, "onnxruntime", "fp32"),
        (rival, "openvino", "fp32"),
    ]
    assert left_out == [
        f"{rival} holds no int8 painter for onnxruntime: left out",
        f"{rival} holds no int8 painter for openvino: left out",
    ]


def test_several_rivals_of_one_name_are_told_apart_by_where_they_lie(quick, tiny, quantised):
    sources = (str(tiny), str(quantised), "teacher")
    entrants, left_out = find_entrants(replace(quick, bundle="adain-w0125", rivals=sources))
    assert [each.name for each in entrants] == ["adain-w0125", "tiny", f"tiny ({quantised})", "teacher adain"]
    assert ["both_pictures" in each.parts for each in entrants] == [True, False, False, True]
    assert left_out == []


def test_what_a_bundle_lacks_is_told_and_recorded(quick):
    told = []
    record = bench(replace(quick, precisions=("fp32", "int8")), tell=told.append)
    line = "tiny holds no int8 painter for onnxruntime: left out"
    assert [subject.precision for subject in record.subjects] == ["fp32"]
    assert told[0] == f"warning: {line}"
    assert record.warnings == (line,)


@pytest.mark.parametrize(
    ("precisions", "said"),
    [
        (("int8",), "holds no paint graph as int8 onnx (it holds style fp32 onnx, "),
        (("int8", "fp16"), "holds no painter in int8 or fp16 for onnxruntime"),
    ],
)
def test_nothing_left_to_measure(quick, precisions, said):
    with pytest.raises(BundleError) as caught:
        bench(replace(quick, precisions=precisions))
    assert said in str(caught.value)


def test_two_engines_and_precisions_measured_for_real(quantised):
    pytest.importorskip("openvino")
    record = bench(Request(str(quantised), sizes=(32,), threads=(1,), runs=3, seconds=0.0, **BOTH))
    assert [(subject.engine, subject.precision) for subject in record.subjects] == [
        ("onnxruntime", "fp32"),
        ("onnxruntime", "int8"),
        ("openvino", "fp32"),
        ("openvino", "int8"),
    ]
    assert all(subject.engine_version[0].isdigit() for subject in record.subjects)
    for timing in record.results[0].timings:
        assert len(timing.samples_ms) >= 3


def test_both_engines_paint_the_same_picture(quantised):
    pytest.importorskip("openvino")
    pictures = []
    for engine, precision in (("onnxruntime", "fp32"), ("openvino", "int8")):
        target = Target("bundle", str(quantised), engine, precision)
        pictures.append(subjects.open_subject(target, ("end_to_end",), 40, 1).calls["end_to_end"]())
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1


def test_a_student_with_its_style_folded_in_is_measured_without_one(tmp_path):
    frozen = fixed_style_bundle(tmp_path / "frozen")
    parts = ("model", "end_to_end", "both_pictures")
    loaded = subjects.open_subject(Target("bundle", str(frozen)), parts, 20, 1)
    wanted = 255 - subjects.example_picture(20)
    assert np.array_equal(loaded.calls["end_to_end"](), wanted)
    assert np.array_equal(loaded.calls["both_pictures"](), wanted)
    assert [graph.role for graph in graphs_run(open_bundle(frozen), "onnxruntime", "fp32")] == ["paint"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bundle": "no/such/bundle"}, "there is no bundle or shipped student 'no/such/bundle'"),
        ({"rivals": ("no/such/bundle",)}, "there is no bundle or shipped student 'no/such/bundle'"),
        ({"engines": ("onnxruntime", "onnxruntme")}, "there is no engine 'onnxruntme': did you mean 'onnxruntime'"),
        ({"sizes": ()}, "there is no size to measure"),
        ({"sizes": (0,)}, "--size must be from 16 to 4123 pixels, not 0"),
        ({"sizes": (512, -512)}, "--size must be from 16 to 4123 pixels, not -512"),
        ({"sizes": (10**9,)}, "--size must be from 16 to 4123 pixels, not 1000000000"),
        ({"threads": (0,)}, "--threads: 0 threads do not fit this machine: choose 1 to"),
        ({"threads": (1, 9999)}, "--threads: 9999 threads do not fit this machine: choose 1 to"),
        ({"runs": 0}, "--runs must be from 1 to 10000, not 0"),
        ({"seconds": -1.0}, "--seconds must be from 0 to 10000, not -1"),
        ({"seconds": float("nan")}, "--seconds must be from 0 to 10000, not nan"),
        ({"timeout": 0.0}, "--timeout must be above 0 seconds, not 0"),
        ({"batches": (1, 0)}, "--batch must be from 1 to 64 pictures, not 0"),
        ({"batches": (65,)}, "--batch must be from 1 to 64 pictures, not 65"),
        ({"wait": -1.0}, "--wait must be 0 seconds or more, not -1"),
        ({"wait": float("inf")}, "--wait must be 0 seconds or more, not inf"),
    ],
)
def test_requests_that_cannot_be(quick, monkeypatch, change, said):
    monkeypatch.setattr(bench_bundle, "run_isolated", lambda *args: pytest.fail("it was tried nevertheless"))
    with pytest.raises(UserError) as caught:
        bench(replace(quick, **change))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("provenance", "name"),
    [
        ({}, "adain"),
        ({"teacher": "johnson"}, "johnson"),
        ({"teacher": {"name": "adain"}}, "adain"),
        ({"teacher": 3}, "adain"),
    ],
)
def test_teacher_of_the_bundle(tiny, provenance, name):
    opened = open_bundle(tiny)
    opened = replace(opened, manifest=replace(opened.manifest, provenance=provenance))
    assert teacher_name(opened) == name


def test_against_the_teacher_both_do_the_same_work(quick):
    (own, rival), _ = find_entrants(replace(quick, rivals=("teacher",), teacher_weights="weights.pth"))
    assert own.parts == ("end_to_end", "model", "files", "both_pictures")
    assert rival.parts == ("both_pictures",)
    assert rival.target == Target("teacher", "none", "torch", weights=str(Path("weights.pth").absolute()))
    assert (own.effort.budget, rival.effort.budget) == (None, RIVAL_SECONDS)


def test_a_teacher_gets_the_same_pictures(monkeypatch):
    pytest.importorskip("torch")
    seen = {}

    def teacher_callable(name, weights, size, threads):
        seen["asked"] = (name, weights, size, threads)
        return lambda content, style: seen.update(content=content, style=style), "a teacher of nothing"

    runner = ModuleType("export.teacher_runner")
    runner.teacher_callable = teacher_callable
    monkeypatch.setitem(sys.modules, "export.teacher_runner", runner)
    target = Target("teacher", "adain", "torch", weights="/weights.pth")
    loaded = subjects.open_subject(target, ("both_pictures",), 48, 2)
    loaded.calls["both_pictures"]()
    assert seen["asked"] == ("adain", Path("/weights.pth"), 48, 2)
    assert np.array_equal(seen["content"], subjects.example_picture(48))
    assert seen["style"].shape == (256, 256, 3)
    assert (loaded.description, loaded.engine) == ("a teacher of nothing", "torch")


def test_several_pictures_at_once_for_real(tiny):
    record = bench(Request(str(tiny), sizes=(32,), threads=(1,), batches=(3,), runs=3, seconds=0.0))
    (result,) = record.results
    assert {timing.batch for timing in result.timings} == {result.batch} == {3}
    assert result.others is None or 0 <= result.others <= 1
    stages = result.timing(0, "files").stages_ms
    assert list(stages) == ["read", "measure", "paint", "write"]
    assert all(0 < ms < 1000 for ms in stages.values())
    assert Record.from_json(record.to_json()) == record


def test_real_teacher_interleaved_with_the_student(tiny, tmp_path):
    pytest.importorskip("torch")
    taught = shutil.copytree(tiny, tmp_path / "taught")
    manifest = json.loads((taught / "manifest.json").read_text())
    manifest["provenance"]["teacher"] = {"name": "adain"}
    (taught / "manifest.json").write_text(json.dumps(manifest))
    record = bench(Request(str(taught), sizes=(32,), threads=(1,), runs=2, seconds=0.0, rivals=("teacher",)))
    own, teacher = record.subjects
    assert (teacher.kind, teacher.name, teacher.engine, teacher.graphs) == ("teacher", "teacher adain", "torch", ())
    (ratio,) = record.results[0].ratios
    assert (ratio.part, ratio.slower, ratio.faster) == ("both_pictures", 1, 0)
    assert ratio.value > 1


def test_without_torch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match=r"a teacher runs in torch .*pip install 'brushlet\[distill\]'"):
        subjects.open_subject(Target("teacher", "adain", "torch"), ("both_pictures",), 48, 1)


def test_model_only_paints_what_the_stylizer_paints(tiny):
    parts = ("model", "end_to_end", "both_pictures")
    loaded = subjects.open_subject(Target("bundle", str(tiny)), parts, 50, 1)
    assert tuple(loaded.calls) == parts
    painted = loaded.calls["model"]()["picture"]
    whole = loaded.calls["end_to_end"]()
    assert painted.shape == (1, 3, 52, 52), "padded to the student's multiple"
    levels = np.clip(painted[0, :, :50, :50], 0, 1).transpose(1, 2, 0) * 255
    assert np.abs(levels - whole).max() <= 0.51
    assert np.array_equal(whole, loaded.calls["both_pictures"]()), "the style is the same, coded before or now"


def test_end_to_end_is_the_stylizer(tiny):
    loaded = subjects.open_subject(Target("bundle", str(tiny)), ("end_to_end",), 64, 1)
    with Stylizer.load(tiny) as stylizer:
        wanted = stylizer(subjects.example_picture(64), subjects.example_picture(256, seed=1))
    assert np.array_equal(loaded.calls["end_to_end"](), wanted)


def test_example_picture_is_always_the_same():
    picture = subjects.example_picture(40)
    assert (picture.shape, picture.dtype) == ((40, 40, 3), np.uint8)
    assert np.array_equal(picture, subjects.example_picture(40))
    assert picture.std() > 30, "not a flat picture"


def test_records_of_one_second_do_not_replace_each_other(record, tmp_path):
    first = record_path(record, tmp_path)
    assert first.name.startswith("tiny-20")
    first.touch()
    second = record_path(record, tmp_path)
    assert second != first
    assert second.stem == f"{first.stem}-2"
