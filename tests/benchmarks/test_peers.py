"""Peers beside a bundle: who takes part at which size, how they are told apart, and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import Record, Request, bench, bench_bundle, peer_entrants, read_record, subjects
from benchmarks.count_macs import MARGIN, count_job
from benchmarks.job import Job, Target
from benchmarks.macs import onnx_macs
from benchmarks.peers.prepared import PreparedPeer
from benchmarks.peers.request import PeerRequest
from benchmarks.record import Absent, RecordError
from runtime import UserError
from runtime.shipped import find_model
from tests.benchmarks.peers.tiny_weights import write_tiny_weights
from tests.benchmarks.test_bench_bundle import QUIET, canned
from tests.benchmarks.test_cli import QUICK, errors, run
from tests.benchmarks.test_table import shown


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_weights(tmp_path_factory.mktemp("weights"))


def answers(job: Job, timeout: float) -> dict:
    """What the processes answer: a peer for any size, one for 48 pixels with one style, one that is absent."""
    if job.purpose == "prepare":
        folder = Path(job.extra["folder"])
        (folder / "graph").write_bytes(b"12345")
        graphs = {"content": str(folder / "graph")}
        for peer in (
            PreparedPeer("microast", "any", "onnxruntime", "fp32", {**graphs, "style": str(folder / "graph")}),
            PreparedPeer("magenta-int8", "one", "litert", "int8", graphs, size=48),
        ):
            peer.save(folder / f"{peer.name}.json")
        files = [str(folder / f"{name}.json") for name in ("microast", "magenta-int8")]
        return {"prepared": files, "absent": [["cyclegan", "there is no weight"]]}
    if job.purpose == "macs":
        return {"macs": [[size * size, None, 7] for size in job.extra["sizes"]]}
    if job.purpose == "judge":
        scores = [{"content": 1.0 + n, "style": 0.5, "ssim": 0.25} for n in range(len(job.targets))]
        what = {"judge": "compact", "pairs": job.extra["pairs"], "size": 256, "content": "photos", "style": "paintings"}
        return {**what, "photo": {"content": 0.0, "style": 3.5, "ssim": 1.0}, "scores": scores}
    return canned(job, timeout)


@pytest.fixture
def request_with_peers(tiny: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    monkeypatch.setattr(bench_bundle, "measure_load", lambda: QUIET)
    monkeypatch.setattr(bench_bundle, "run_isolated", answers)
    monkeypatch.setattr(peer_entrants, "run_isolated", answers)
    return Request(str(tiny), sizes=(32, 48), threads=(1,), peers=PeerRequest(weights=str(weights), pairs=3))


@pytest.fixture
def with_peers(request_with_peers: Request) -> Record:
    return bench(request_with_peers)


def test_a_peer_of_one_size_is_measured_at_that_size_only(with_peers):
    assert [subject.name for subject in with_peers.subjects] == ["tiny", "microast", "magenta-int8"]
    small, large = with_peers.results
    assert {timing.subject for timing in small.timings} == {0, 1}
    assert {timing.subject for timing in large.timings} == {0, 1, 2}
    assert [start.subject for start in large.starts] == [0, 1, 2]
    assert {(ratio.slower, ratio.part) for ratio in large.ratios} == {
        (1, "end_to_end"),
        (1, "model"),
        (1, "style"),
        (2, "end_to_end"),
        (2, "model"),
    }
    assert with_peers.absent == (
        Absent("cyclegan", "there is no weight"),
        Absent("magenta-int8", "at 32x32: its graph is made for 48x48"),
    )


def test_a_peer_that_fits_no_size_takes_no_part(request_with_peers):
    record = bench(replace(request_with_peers, sizes=(32,)))
    assert [subject.name for subject in record.subjects] == ["tiny", "microast"]


def test_what_is_known_of_peers(with_peers):
    _, microast, magenta = with_peers.subjects
    assert (microast.kind, microast.precision, magenta.precision) == ("peer", "fp32", "int8")
    assert [(graph.role, graph.bytes) for graph in microast.graphs] == [("content", 5), ("style", 5)]
    assert [result.macs for result in with_peers.results] == [(1024, None, 7), (2304, None, 7)]


def test_a_style_of_its_own_has_no_style_loss(with_peers):
    judged = with_peers.judged
    assert (judged.judge, judged.pairs, judged.photo_style) == ("compact", 3, 3.5)
    assert [(score.subject, score.style) for score in judged.scores] == [(0, 0.5), (1, 0.5), (2, None)]
    assert judged.score(2).content == 3.0


def test_no_pairs_no_judging(request_with_peers):
    peers = replace(request_with_peers.peers, pairs=0)
    assert bench(replace(request_with_peers, peers=peers)).judged is None


def test_a_judge_that_fails_does_not_cost_the_measurement(request_with_peers, monkeypatch):
    def failing(job: Job, timeout: float) -> dict:
        if job.purpose == "judge":
            raise UserError("judging pictures needs torch")
        return answers(job, timeout)

    monkeypatch.setattr(bench_bundle, "run_isolated", failing)
    record = bench(request_with_peers)
    assert record.judged is None
    assert record.warnings == ("pictures were not judged: judging pictures needs torch",)
    assert len(record.results) == 2


def test_an_interrupted_judge_costs_no_measurement(request_with_peers, monkeypatch):
    jobs, kept = [], []

    def interrupted(job: Job, timeout: float) -> dict:
        jobs.append(job.purpose)
        if job.purpose == "judge":
            raise KeyboardInterrupt
        return answers(job, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(bench_bundle, "run_isolated", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bench(request_with_peers, keep=kept.append)
    assert [record.unfinished for record in kept] == [
        ("48x48, 1 thread", "judging the pictures"),
        ("judging the pictures",),
    ]
    assert kept[0].subjects[2].description == "not measured yet", "the peer for 48 pixels"
    jobs.clear()
    monkeypatch.setattr(bench_bundle, "run_isolated", lambda job, t: jobs.append(job.purpose) or answers(job, t))
    whole = bench(request_with_peers, earlier=kept[1])
    assert jobs == ["judge"]
    assert (whole.unfinished, whole.results, whole.judged.pairs) == ((), kept[1].results, 3)
    jobs.clear()
    assert bench(request_with_peers, earlier=kept[0]).subjects == whole.subjects
    assert jobs == ["macs", "start", "start", "start", "latency", "judge"]
    jobs.clear()
    assert bench(request_with_peers, earlier=whole).judged == whole.judged
    assert jobs == []


def test_a_record_with_peers_round_trips(with_peers):
    assert Record.from_json(json.loads(with_peers.to_text())) == with_peers
    data = with_peers.to_json()
    data["judged"]["scores"][0]["subject"] = 3
    with pytest.raises(RecordError, match="'subject' must be a whole number from 0 to 2"):
        Record.from_json(data)


def test_damaged_artefacts_and_suites_are_refused(with_peers):
    flaws = {"lattice": 0.5, "border": 1.0, "flat": None, "bleeding": 0.0}
    score = replace(with_peers.judged.scores[0], artefacts=flaws)
    suite = {"name": "two", "sha256": "0" * 64, "pictures": {"content": {}, "style": {}}}
    judged = replace(with_peers.judged, scores=(score, *with_peers.judged.scores[1:]), suite=suite)
    whole = replace(with_peers, judged=judged)
    assert Record.from_json(json.loads(whole.to_text())) == whole
    data = whole.to_json()
    data["judged"]["scores"][0]["artefacts"]["flat"] = "much"
    with pytest.raises(RecordError, match="'flat' must be a number"):
        Record.from_json(data)
    data = whole.to_json()
    del data["judged"]["scores"][0]["artefacts"]["border"]
    with pytest.raises(RecordError, match="'border' is missing"):
        Record.from_json(data)
    data = whole.to_json()
    data["judged"]["suite"] = [1]
    with pytest.raises(RecordError, match="'suite' must be a JSON object"):
        Record.from_json(data)


def test_one_table_for_all(with_peers):
    text = shown(with_peers, 100)
    rows = [line.split() for line in text.splitlines() if line.split()[:1] == ["microast"] and "(" not in line]
    assert rows == [
        ["microast", "11", "1.10x", "11", "100", "0", "2", "0.5", "0.25"],
        ["microast", "11", "1.10x", "11", "100", "0", "2", "0.5", "0.25"],
    ]
    (magenta,) = [row.split() for row in text.splitlines() if row.split()[:1] == ["magenta-int8"] and "(" not in row]
    assert magenta[:3] == ["magenta-int8", "12", "1.20x"]
    assert "microast (onnxruntime, fp32): d" in " ".join(text.split())
    assert "absent: cyclegan: there is no weight" in text
    assert "by compact on 3 held-back pairs at 256 px" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 100


def test_the_teacher_is_no_peer_to_judge(request_with_peers, monkeypatch):
    judged = []

    def watched(job: Job, timeout: float) -> dict:
        if job.purpose == "judge":
            judged.extend(target.kind for target in job.targets)
        if job.purpose == "macs":
            return {"macs": [[1, 2, 3, 4] for _ in job.extra["sizes"]]}
        return answers(job, timeout)

    monkeypatch.setattr(bench_bundle, "run_isolated", watched)
    record = bench(replace(request_with_peers, rivals=("teacher",)))
    assert [subject.kind for subject in record.subjects] == ["bundle", "teacher", "peer", "peer"]
    assert judged == ["bundle", "peer", "peer"]
    assert [score.subject for score in record.judged.scores] == [0, 2, 3]


def test_the_students_work_is_its_graphs_with_the_margin_around_the_picture():
    model = find_model("adain-w025")
    job = Job("macs", (Target("bundle", str(model)),), (), (), 0, 1, None, {"sizes": [128, 512]})
    small, large = (counts[0] for counts in count_job(job)["macs"])
    side = 512 + 2 * MARGIN
    sites = json.loads((model / "manifest.json").read_text())["student"]["sites"]
    flat = {f"{k}_{n}": (1, s["channels"], 1, 1) for n, s in enumerate(sites) for k in ("scale", "shift")}
    paint = onnx_macs(model / "paint.onnx", {"content": (1, 3, side, side), **flat})
    measure = onnx_macs(model / "measure.onnx", {"thumbnail": (1, 3, 256, 256)})
    assert large == paint + measure
    assert 0 < small < large / 8


def test_a_peer_paints_end_to_end_what_its_graph_paints(weights, tmp_path):
    from benchmarks.peers.convert import prepare_peer

    path = prepare_peer("microast", weights, tmp_path)
    target = Target("peer", str(path))
    loaded = subjects.open_subject(target, ("model", "end_to_end", "style"), 64, 1)
    painted = loaded.calls["model"]().clip(0, 1)[0].transpose(1, 2, 0) * 255
    assert abs(painted - loaded.calls["end_to_end"]()).max() <= 0.51
    assert len(loaded.calls["style"]()) == 8
    content, style = subjects.example_picture(64), subjects.example_picture(256, seed=1)
    assert (subjects.open_painter(target, 1)(content, style) == loaded.calls["end_to_end"]()).all()


def test_a_bundle_as_a_painter(tiny):
    target, picture = Target("bundle", str(tiny)), subjects.example_picture(40)
    loaded = subjects.open_subject(target, ("end_to_end", "style"), 40, 1)
    style = subjects.example_picture(256, seed=1)
    assert (subjects.open_painter(target, 1)(picture, style) == loaded.calls["end_to_end"]()).all()
    assert loaded.calls["style"]().student == "tiny"


def test_measured_for_real(weights, tiny, tmp_path):
    """The whole command with two tiny peers and one that is absent."""
    (weights / "gan" / "horse2zebra_compressed_net_G.pth").rename(tmp_path / "away.pth")
    asked = ("--peer", "johnson-nc8", "--peer", "cyclegan", "--peer-weights", weights, "--pairs", "1", "-o", "r.json")
    status, out, err = run(tmp_path, tiny, *QUICK, *asked, "--plot", "p.png")
    (tmp_path / "away.pth").rename(weights / "gan" / "horse2zebra_compressed_net_G.pth")
    assert status == 0, err
    assert "absent: cyclegan: there is no *compressed*net_G.pth below" in " ".join(out.split())
    record = read_record(tmp_path / "r.json")
    assert [subject.name for subject in record.subjects] == ["tiny", "johnson-nc8"]
    assert record.results[0].macs[1] > 0
    assert record.judged.scores[1].style is None
    assert record.judged.scores[0].ssim < 1
    assert "plot: p.png" in err
    assert (tmp_path / "p.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--peers",), "error: name the folder with the peers' weights: --peer-weights PATH"),
        (("--peers", "--peer-weights", "gone"), "error: --peer-weights: gone is not a folder"),
        (("--peer", "micro", "--peer-weights", "."), "error: there is no peer 'micro': did you mean 'microast'"),
        (("--peers", "--peer-weights", ".", "--pairs", "-1"), "error: --pairs must be from 0 to 10000, not -1"),
        (("--peers", "--peer-weights", ".", "--content", "x"), "error: --content: x is not a folder of pictures"),
        (("--plot", "p.svg"), "error: --plot shows peers beside the bundle: add --peers"),
        (("--peers", "--peer-weights", ".", "--plot", "p.pdf"), "error: --plot must end in .png or .svg"),
    ],
)
def test_requests_that_cannot_be(tiny, tmp_path, monkeypatch, arguments, said):
    monkeypatch.delenv("BRUSHLET_DATA", raising=False)
    status, out, err = run(tmp_path, tiny, *arguments)
    assert (status, out) == (1, "")
    assert errors(err)[0].startswith(said)


def test_weights_are_looked_for_beside_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("BRUSHLET_DATA", str(tmp_path))
    with pytest.raises(UserError, match="weights is not a folder"):
        PeerRequest().folder()
    (tmp_path / "weights" / "x").mkdir(parents=True)
    assert PeerRequest().folder() == tmp_path / "weights"
    assert PeerRequest().judge_weights() is None
    (tmp_path / "weights" / "x" / "vgg_normalised.pth").touch()
    assert PeerRequest().judge_weights() == str(tmp_path / "weights" / "x" / "vgg_normalised.pth")
