"""`Stylizer.frames`: numpy in, numpy out."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from runtime import StyleCode, Stylizer, UserError
from runtime.video.frame_stylizer import FrameStylizer
from runtime.video.steadiness import UNSTEADY, Steadiness
from tests.runtime.video.clips import drawn
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    return Stylizer.load(make_tiny_bundle(tmp_path_factory.mktemp("bundle")), threads=1)


def test_unsteady_frames_are_painted_as_pictures(stylizer: Stylizer):
    with stylizer.frames("warm", 0.7, UNSTEADY) as paint:
        for frame, painted in zip(drawn(5), paint.paint_all(drawn(5), 24), strict=True):
            assert (painted == stylizer(frame, "warm", 0.7)).all()


def test_frames_are_the_same_with_any_number_of_threads(stylizer: Stylizer):
    frames = drawn(8)
    with Stylizer.load(stylizer.bundle.directory, threads=2) as other:
        painted = [list(each.frames("warm").paint_all(frames, 24)) for each in (stylizer, other)]
    for one, two in zip(*painted, strict=True):
        assert np.array_equal(one, two)


def test_the_first_frame_of_a_scene_is_painted_as_a_picture(stylizer: Stylizer):
    frames = [*drawn(6), *(255 - frame // 2 for frame in drawn(6))]
    with stylizer.frames("warm", steadiness=Steadiness(5, 0.5, 0.1)) as paint:
        painted = list(paint.paint_all(frames, 24))
        assert paint.cuts == 1
    for start in (0, 6):
        assert (painted[start] == stylizer(frames[start], "warm")).all()


def test_a_visitor_changes_the_rest_of_a_steady_picture_slowly(stylizer: Stylizer):
    ground = np.random.default_rng(0).integers(60, 200, (48, 64, 3), dtype=np.uint8)
    visited = ground.copy()
    visited[:, 48:] = 0
    rest = np.s_[:, :40]

    def step(steadiness: Steadiness) -> float:
        with stylizer.frames("warm", steadiness=steadiness) as paint:
            before, after = paint.paint_all([ground, visited], 24)
            return float(np.abs(after[rest].astype(int) - before[rest]).mean())

    assert step(UNSTEADY) > 3
    assert step(Steadiness(1, 0, 0)) < 0.25 * step(UNSTEADY)


def test_a_style_may_change_over_time(stylizer: Stylizer):
    warm = stylizer.style("warm")
    cold = StyleCode(warm.values * np.float32(0.5), warm.student, "cold")
    paint = FrameStylizer(stylizer, lambda seconds: warm if seconds < 0.1 else cold, 1.0, UNSTEADY)
    frame = drawn(1)[0]
    assert (paint(frame, 0.0) == stylizer(frame, warm)).all()
    assert (paint(frame, 0.2) == stylizer(frame, cold)).all()


def test_time_that_goes_back_begins_a_new_video(stylizer: Stylizer):
    paint = stylizer.frames("warm", steadiness=Steadiness(60, 60, 0))
    dark, bright = drawn(1)[0] // 4, drawn(1)[0]
    paint(dark, 10.0)
    assert (paint(bright, 0.0) == stylizer(bright, "warm")).all()


def test_the_size_may_change(stylizer: Stylizer):
    with stylizer.frames("warm") as paint:
        for shape in ((48, 64), (48, 64), (30, 30), (1, 1)):
            frame = np.full((*shape, 3), 90, np.uint8)
            assert paint(frame).shape == frame.shape


def test_several_threads_may_call(stylizer: Stylizer):
    paint, frame, wrong = stylizer.frames("warm", steadiness=UNSTEADY), drawn(1)[0], []
    expected = stylizer(frame, "warm")

    def work() -> None:
        for _ in range(10):
            if not (paint(frame) == expected).all():
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and paint.painting_seconds > 0


def test_wrong_frames_and_options_are_refused(stylizer: Stylizer):
    paint = stylizer.frames("warm")
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), "frame.png"):
        with pytest.raises(TypeError, match="a frame is a uint8 array"):
            paint(wrong)
    with pytest.raises(UserError, match="strength must be"):
        stylizer.frames("warm", 2)
    with pytest.raises(UserError, match="name a style"):
        stylizer.frames()


def test_a_video_through_the_stylizer(stylizer: Stylizer, tmp_path: Path):
    from tests.runtime.video.clips import make_clip

    summary = stylizer.video(make_clip(tmp_path / "clip.mp4"), "warm", tmp_path / "out.mp4", 0.5, long_side=32)
    assert (summary.frames, summary.width, summary.height) == (12, 32, 24)
