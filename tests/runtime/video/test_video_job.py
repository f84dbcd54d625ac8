"""``brushlet stylize`` with videos."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from runtime import UserError, write_picture
from runtime.cli import app
from tests.runtime.video.clips import drawn, make_clip, times_of
from tests.tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip in the current directory."""
    monkeypatch.chdir(tmp_path)
    return make_clip(Path("clip.mp4"), sound="aac")


def run(tiny: Path, *arguments: object) -> None:
    app([*map(str, arguments), "--style", "warm", "--model", str(tiny)], standalone_mode=False)


def test_a_clip_is_painted(clip: Path, tiny: Path, capsys: pytest.CaptureFixture[str]):
    run(tiny, clip, "-o", "out.mp4")
    out, err = capsys.readouterr()
    assert out.startswith("out.mp4  64x48  12 frames in ") and out.endswith("sound: copied\n") and err == ""
    assert len(times_of(Path("out.mp4"))) == 12


def test_json_and_notes(clip: Path, tiny: Path, capsys: pytest.CaptureFixture[str]):
    run(tiny, clip, "-o", "out.webm", "--json", "--strength", 0.5)
    out, err = capsys.readouterr()
    record = json.loads(out)
    video = record.pop("videos")[0]
    asked = {"engine": "onnxruntime", "precision": "fp32", "styles": ["warm"], "strength": 0.5}
    assert record == {"model": "tiny", **asked}
    assert video["frames"] == video["expected_frames"] == 12 and video["complete"]
    assert video["fps"] > 0 and video["painting_fps"] >= video["fps"] * 0.9
    assert err == "note: webm cannot hold aac: encoded again\n"


def test_default_names_keep_the_suffix(clip: Path, tiny: Path):
    make_clip(Path("other.ts"), drawn(3), container="mpegts").rename("strange.flv")
    run(tiny, clip)
    run(tiny, "strange.flv")
    assert {"clip-stylized.mp4", "strange-stylized.mp4"} <= set(os.listdir())


def test_a_bad_video_among_several_is_skipped(clip: Path, tiny: Path, capsys: pytest.CaptureFixture[str]):
    Path("bad.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="1 of 2 videos could not be painted whole"):
        run(tiny, "bad.mp4", clip, "-o", "out")
    assert os.listdir("out") == ["clip-stylized.mp4"]
    assert "bad.mp4 is not a video that can be read" in capsys.readouterr().err


def test_a_truncated_video_is_written_and_told(clip: Path, tiny: Path):
    whole = make_clip(Path("whole.mkv"), drawn(60)).read_bytes()
    Path("cut.mkv").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cut.mkv is damaged or incomplete: out.mp4 holds the \d+ of 60 frames"):
        run(tiny, "cut.mkv", "-o", "out.mp4")
    assert 10 < len(times_of(Path("out.mp4"))) < 60


def test_the_style_may_change_over_the_clip(clip: Path, tiny: Path):
    for seed, name in enumerate(("a.png", "b.png")):
        write_picture(
            name, np.random.default_rng(seed).integers(90 * seed, 90 * seed + 90, (64, 64, 3), dtype=np.uint8)
        )
    arguments = [
        str(clip),
        "--style",
        "a.png",
        "--style-to",
        "b.png",
        "--model",
        str(tiny),
        "-o",
        "out.mkv",
        "--blend",
        "0",
    ]
    app(arguments, standalone_mode=False)
    from tests.runtime.video.test_stylize_video import frames_of

    means = [frame.mean() for frame in frames_of(Path("out.mkv"))]
    assert means[-1] - means[0] > 60 and (np.diff(means) > 0).all()


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("would be overwritten", ["clip.mp4", "-o", "clip.mp4"]),
        ("the name of a video must end in", ["clip.mp4", "-o", "out.png"]),
        ("photo.png is not a video: stylize pictures and videos", ["clip.mp4", "photo.png"]),
        ("both be written to clip-stylized.mp4", ["clip.mp4", "sub/clip.mp4"]),
        ("several videos need a folder", ["clip.mp4", "two.mp4", "-o", "clip.mp4"]),
        ("there is no file none.mp4", ["none.mp4"]),
        ("--blend must be from 0 to 60", ["clip.mp4", "--blend", "-1"]),
        ("--steady must be from 0 to 60", ["clip.mp4", "--steady", "nan"]),
        ("no encoder 'none'", ["clip.mp4", "--codec", "none"]),
        ("the name of a style|no style of that name", ["clip.mp4", "--style-to", "cold"]),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(clip: Path, tiny: Path, match: str, arguments: list[str]):
    write_picture("photo.png", np.zeros((8, 8, 3), np.uint8))
    before = sorted(os.listdir())
    with pytest.raises(UserError, match=match) as raised:
        run(tiny, *arguments)
    assert len(str(raised.value).splitlines()) == 1
    assert sorted(os.listdir()) == before


def test_ctrl_c_leaves_a_video_that_plays(clip: Path, tiny: Path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 96, 128, 3), dtype=np.uint8)
    make_clip(Path("long.mp4"), [*noise] * 40)
    line = [
        sys.executable,
        "-m",
        "brushlet",
        "stylize",
        "long.mp4",
        "--style",
        "warm",
        "--model",
        str(tiny),
        "-o",
        "o.mp4",
    ]
    with subprocess.Popen(
        line, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while not any(path.stat().st_size > 2000 for path in Path().glob(".o.mp4.*.tmp")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    frames = int(out.split("  ")[2].split(" ")[0])
    assert "note: o.mp4 ends where it was interrupted" in err and err.endswith("interrupted\n")
    assert 0 < frames < 800 and len(times_of(Path("o.mp4"))) == frames
    assert not list(Path().glob(".*.tmp"))


def test_without_pyav_the_extra_is_named(clip: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"pip install 'brushlet\[video\]'"):
        run(tiny, clip)
