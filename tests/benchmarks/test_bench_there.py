"""`brushlet bench --host`, through a real sshd to a device that shows a Jetson's files and runs our own Python."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from datetime import datetime, timezone
from pathlib import Path

import pytest

from benchmarks import Request, bench, read_record
from benchmarks import bench_there as bench_there_module
from benchmarks.bench_there import FORWARDED, HANDLED, arguments
from benchmarks.budget import Budget
from benchmarks.peers.request import PeerRequest
from devices.errors import DeviceError
from devices.remote import ConnectionLost, RemoteError, connect
from export.tensorrt.build_engine import EngineOptions
from runtime.bundle import open_bundle, sha256_of
from runtime.errors import UserError
from tests.export.tensorrt.test_bundle_engines import add_recipe
from tests.tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"sizes": (64,), "threads": (1,), "runs": 3, "seconds": 0.01, "timeout": 60.0, "host": "jetson"}
CPU = {**QUICK, "engines": ("onnxruntime",)}
ON_BENCH = "if '-m' in sys.orig_argv and 'benchmarks' in sys.orig_argv:\n"
ON_WORKER = "if 'benchmarks.worker' in sys.orig_argv:\n"

WRITE = (
    "if '-m' in sys.orig_argv and 'benchmarks' in sys.orig_argv:\n"
    "    import os; path = sys.orig_argv[sys.orig_argv.index('--output') + 1]\n"
    "    {}\n"
    "    os._exit(0)"
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A small bundle that a test may change."""
    return make_tiny_bundle(tmp_path / "own")


def fails(request: Request, kind: type[Exception] = UserError) -> str:
    """The one line with which a benchmark fails."""
    with pytest.raises(kind) as caught:
        bench(request)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def run(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )


QUICK_WORDS = ("--size", 64, "--threads", 1, "--runs", 3, "--seconds", 0.01)


def test_one_command_does_everything(jetson, tiny, tmp_path):
    wanted = ("--device", "jetson-orin-nano", "--host", "jetson", "--budget-ms", 60_000)
    done = run(tmp_path, tiny, *QUICK_WORDS, *wanted, "-o", "r.json")
    assert done.returncode == 0, done.stderr
    assert "tiny on NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super: 1 thread" in " ".join(
        done.stdout.split()
    )
    assert "jetson is jetson-orin-nano (certain)" in done.stderr
    assert "note: there is no TensorRT recipe for fp32 in the bundle" in done.stderr
    assert "measuring tiny at 64x64, 1 thread" in done.stderr
    record = read_record(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["kind"] == "measured"
    assert record.environment["device"]["device"] == "jetson-orin-nano"
    assert record.environment["device"]["certainty"] == "certain"
    assert record.environment["machine"]["board_release"] == "L4T 36.4.7"
    assert record.environment["transport"] == "ssh"
    assert record.command[:2] == ("brushlet", "bench")
    assert record.subjects[0].manifest_sha256 == sha256_of(tiny / "manifest.json")
    assert len(record.results[0].timing(0, "end_to_end").samples_ms) >= 3
    assert [check.met for check in record.checks] == [True]
    assert jetson.is_tidy()
    assert sorted(path.name for path in jetson.cache.iterdir()) == ["bundles", "lock", "packages", "running"]
    # The device's power mode and clocks are as they were: their tools were asked at most, and told nothing.
    assert not (jetson.home / "jetson_clocks.log").exists()
    asked = jetson.home / "nvpmodel.log"
    assert not asked.exists() or set(asked.read_text().split()) <= {"-q", "--query"}


def test_against_another_bundle_of_that_name_on_a_device_whose_clock_is_wrong(jetson, server, tiny, own):
    late = "import time; now = time.time; time.time = lambda: now() - 10**9; "
    jetson.command("python3", f'[ "$2" = -c ] && set -- -I -c "{late}$3"\nexec {sys.executable} "$@"')
    record = bench(
        Request(str(tiny), **CPU, rivals=(str(own),), budget=Budget(milliseconds=1e-6)), ["brushlet", "bench"]
    )
    assert [subject.name for subject in record.subjects] == ["tiny", f"tiny ({own})"]
    assert record.results[0].ratios[0].value > 0
    assert not any(check.met for check in record.checks)
    assert any("the clock of jetson is 1000000000 s behind" in line or "99999999" in line for line in record.warnings)
    created = datetime.strptime(record.created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert abs(time.time() - created.timestamp()) < 120


# -- TensorRT


def test_the_engine_is_built_there(with_tensorrt, own):
    add_recipe(own, EngineOptions(sizes=("64",)))
    before = (own / "manifest.json").read_bytes()
    told: list[str] = []
    request = Request(str(own), **QUICK, engines=(), device="jetson-orin-nano")  # the engine is the recommended one
    record = bench(request, tell=told.append)
    assert (record.subjects[0].engine, record.subjects[0].engine_version) == ("tensorrt", "10.3.0")
    assert [graph.file for graph in record.subjects[0].graphs if graph.role == "paint"] == [
        "engines/sm87/paint.fp32.engine"
    ]
    assert any(line.startswith("building the fp32 engine on jetson") for line in told)
    assert (own / "manifest.json").read_bytes() == before
    assert with_tensorrt.is_tidy()


def test_no_tensorrt(jetson, own):
    add_recipe(own, EngineOptions(sizes=("64",)))
    line = fails(Request(str(own), **QUICK, engines=("tensorrt",)))
    assert line.startswith("jetson has no TensorRT that ")
    assert line.endswith("sudo apt-get install python3-libnvinfer there")


def test_the_wrong_jetpack(jetson, server, own):
    add_recipe(own, EngineOptions(sizes=("64",)))
    jetson.module("tensorrt", "__version__ = '8.5.2'")
    jetson.show({"etc/nv_tegra_release": "# R35 (release), REVISION: 4.1, GCID: 1, BOARD: t186ref\n"})
    server.restart()
    line = fails(Request(str(own), **QUICK, engines=("tensorrt",)))
    assert line.startswith("jetson: its TensorRT 8.5.2 of L4T 35.4.1 does not fit, brushlet needs >=10.3,<12")


def test_no_recipe(with_tensorrt, tiny):
    line = fails(Request(str(tiny), **QUICK, engines=("tensorrt",)))
    assert "holds no recipe for a fp32 engine" in line and "--recipe-only" in line


def test_a_build_that_fails(jetson, server, own):
    add_recipe(own, EngineOptions(sizes=("64",)))
    jetson.module("tensorrt", "__version__ = '10.3.0'")  # which has nothing else of TensorRT
    server.restart()
    line = fails(Request(str(own), **QUICK, engines=("tensorrt",)))
    assert line.startswith("jetson built no engine: ")
    assert not list(jetson.cache.glob("engines/*"))
    assert jetson.is_tidy()


# -- what is found out before anything is copied


def test_another_device_than_was_named(jetson, tiny):
    line = fails(Request(str(tiny), **CPU, device="raspberry-pi-5"), DeviceError)
    assert line.startswith("jetson is not raspberry-pi-5: it is jetson-orin-nano (certain: ")
    assert list(jetson.cache.iterdir()) != [] and not (jetson.cache / "packages").exists()
    assert jetson.is_tidy()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"device": "jetson-orin-nanoo"}, "did you mean"),
        ({"rivals": ("teacher",)}, "--vs teacher runs in torch"),
        ({"peers": PeerRequest((), ".", None, None, 0)}, "--peers measures on this machine only"),
        ({"engines": ("nosuch",)}, "there is no engine 'nosuch'"),
        ({"host": "-oProxyCommand=touch pwned"}, "no host is called that"),
        ({"bundle": "nosuch"}, "there is no bundle"),
        ({"host": None, "device": "jetson-nano"}, "--device says what the machine at --host has to be"),
    ],
)
def test_what_cannot_be_asked_for(tiny, tmp_path, monkeypatch, options, line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRUSHLET_SSH", "false")
    with pytest.raises((UserError, DeviceError), match=line):
        bench(Request(**{"bundle": str(tiny), **CPU, **options}))
    assert not (tmp_path / "pwned").exists()


def test_a_damaged_bundle_does_not_leave_this_machine(own, monkeypatch):
    monkeypatch.setenv("BRUSHLET_SSH", "false")
    (own / "paint.onnx").write_bytes(b"x")
    assert "damaged or incomplete" in fails(Request(str(own), **CPU))


def test_every_option_is_forwarded_or_seen_to():
    """A new option of `bench` has to do something with --host, or be refused."""
    assert sorted([*FORWARDED, *HANDLED]) == sorted(field.name for field in fields(Request))


def test_words_for_the_device():
    request = Request("x", sizes=(32, 64), threads=(1, 2), engines=("a",), precisions=("fp32", "int8"))
    words = arguments(request, ["/there/$(id)", "/there/other bundle"])
    assert words[0] == "/there/$(id)"
    assert words[-2:] == ["--vs", "/there/other bundle"]
    assert " ".join(words).count("--size") == 2 and " ".join(words).count("--precision") == 2


# -- what goes wrong while it measures


def test_two_at_once(jetson, tiny):
    with connect("jetson"):
        assert "another run of brushlet uses jetson" in fails(Request(str(tiny), **CPU), RemoteError)


def kill_first(words: str, number: int) -> str:
    return f"import os\nif {words!r} in sys.orig_argv: os.kill(os.getpid(), {number})"


def test_a_killed_worker(changed, tiny):
    jetson = changed(kill_first("benchmarks.worker", signal.SIGKILL))
    line = fails(Request(str(tiny), **CPU))
    assert line == (
        "jetson could not measure: the measuring process was killed by SIGKILL: it may have run out of memory, try a "
        "smaller --size"
    )
    assert jetson.is_tidy()


def test_a_killed_benchmark(changed, tiny):
    jetson = changed(kill_first("benchmarks", signal.SIGKILL))
    assert fails(Request(str(tiny), **CPU)) == "jetson could not measure: it was killed: it may have run out of memory"
    assert jetson.is_tidy()


def test_out_of_memory(changed, tiny):
    changed(
        f"{ON_WORKER}    import benchmarks.subjects as s\n    def no(*a): raise MemoryError\n    s.open_subject = no"
    )
    assert "could not measure: there is not enough memory" in fails(Request(str(tiny), **CPU))


def test_a_benchmark_that_hangs(changed, tiny, monkeypatch):
    monkeypatch.setattr(bench_there_module, "_timeout", lambda request, bundles: 1.5)
    jetson = changed(f"{ON_BENCH}    import time; time.sleep(60)")
    assert fails(Request(str(tiny), **CPU)) == "jetson could not measure: it was stopped since it took too long"
    assert jetson.is_tidy()


def test_a_line_that_is_cut_while_it_measures(changed, line, tiny):
    jetson = changed(f"{ON_WORKER}    print('a worker', file=sys.stderr); import time; time.sleep(60)")

    def cut(text: str) -> None:
        if text.startswith("measuring"):
            line.cut()

    with pytest.raises(ConnectionLost, match="^the connection to jetson was cut"):
        bench(Request(str(tiny), **CPU), tell=cut)
    assert jetson.is_tidy()


def test_ctrl_c(changed, tiny, tmp_path):
    jetson = changed(f"{ON_WORKER}    import time; time.sleep(60)")
    command = [sys.executable, "-m", "brushlet", "bench", tiny, *QUICK_WORDS, "--host", "jetson", "-o", "r.json"]
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said = ""
    while "measuring" not in said:
        text = process.stderr.readline()
        assert text, said
        said += text
    os.killpg(process.pid, signal.SIGINT)
    out, end = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert end.splitlines()[-1] == "interrupted"
    assert jetson.is_tidy()
    assert not (tmp_path / "r.json").exists()


# -- records that are not to be trusted


def test_only_what_changed_is_copied_again(changed, own):
    jetson = changed(WRITE.format("pass"))  # it ends before it measures
    told: list[str] = []
    copied = []
    for change in (lambda: None, lambda: None, lambda: make_tiny_bundle(own, styles={})):
        change()
        told.clear()
        with pytest.raises(RemoteError, match="No such file"):
            bench(Request(str(own), **CPU), tell=told.append)
        copied.append([line.split(",")[0] for line in told if line.startswith("copying")])
    assert [len(lines) for lines in copied] == [2, 0, 1]
    assert copied[2] == ["copying tiny: 1 of 4 files"]
    assert not list(jetson.cache.glob("bundles/*/styles"))


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("open(path, 'w').write('{\"schema\": 2')", "the record of jetson is not valid JSON"),
        ("open(path, 'w').write('{}')", "the record of jetson: 'schema' is missing"),
        ("open(path, 'wb').write(bytes(range(256)))", "the record of jetson is not valid JSON"),
        ("open(path, 'w').write('[' * 100000)", "the record of jetson is not valid JSON"),
        ("open(path, 'w').truncate(2**40)", "jetson: running/.*/record.json has 1099511627776 bytes, more than"),
        ("pass", "jetson: .*No such file or directory"),
        ("os.mkdir(path)", "jetson: "),
    ],
)
def test_garbage_for_a_record(changed, tiny, code, line):
    jetson = changed(WRITE.format(code))
    with pytest.raises((UserError, DeviceError), match=f"^{line}"):
        bench(Request(str(tiny), **CPU))
    assert jetson.is_tidy()


def test_a_record_of_something_else(changed, tiny, own, tmp_path, record):
    path = tmp_path / "record.json"
    record.write(path)  # two sizes, two subjects, and other files than were sent
    changed(WRITE.format(f"import shutil; shutil.copy({str(path)!r}, path)"))
    shutil.rmtree(own)
    other = make_tiny_bundle(own, thumbnail=128, styles={})
    graph = open_bundle(other).graph("paint")
    assert graph.sha256 in {each.sha256 for each in record.subjects[0].graphs}  # the same graphs: told by the sizes
    assert fails(Request(str(other), **CPU)) == (
        "the record of jetson is of other sizes than were asked for: do not trust it"
    )
    assert fails(Request(str(other), **{**CPU, "engines": ("openvino",)})) == (
        "the record of jetson is of other files than were sent there: do not trust it"
    )


def test_a_record_that_would_write_to_the_terminal(changed, tiny, tmp_path, record):
    path = tmp_path / "record.json"
    data = record.to_json()
    data["environment"]["machine"]["name"] = "\x1b]0;pwned\x07\x1b[2J"
    data["environment"]["\x1b[2J"] = ["\x1b[2J"]
    path.write_text(json.dumps(data))
    changed(WRITE.format(f"import shutil; shutil.copy({str(path)!r}, path)"))
    with contextlib.suppress(OSError):
        found = bench(Request(str(tiny), **{**CPU, "sizes": (32, 64)}))
    assert "\x1b" not in found.to_text() and "\\u001b" not in found.to_text()
