"""`runtime.video.stylize_video`, from file to file, with a painter that changes nothing: what is lost on the way."""

from __future__ import annotations

import os
import resource
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from runtime import UserError
from runtime.video.encoders import HARDWARE, FrameFormat, choose_encoder
from runtime.video.frame_stylizer import FrameStylizer
from runtime.video.pixels import Colours, from_rgb, to_rgb
from runtime.video.read_video import Frame, VideoReader
from runtime.video.steadiness import UNSTEADY
from runtime.video.stylize_video import VideoInterrupted, VideoSummary, stylize_video
from tests.runtime.video.clips import BT709, FULL, LIMITED, Untouched, drawn, make_clip, packets_of, times_of


def pass_through(content: Path, output: Path, stylizer: Untouched | None = None, **options: object) -> VideoSummary:
    return stylize_video(stylizer or Untouched(), content, None, output, steadiness=UNSTEADY, **options)


def frames_of(path: Path) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        return [item.rgb for item in reader if isinstance(item, Frame)]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_sound_and_times_are_kept(tmp_path: Path, suffix: str):
    original = make_clip(tmp_path / "clip.mp4", drawn(24), sound="aac", title="A walk")
    summary = pass_through(original, tmp_path / f"out{suffix}")
    assert (summary.frames, summary.expected_frames, summary.complete) == (24, 24, True)
    assert (summary.audio, summary.notes, summary.encoder) == ("copied", (), "libx264")
    copied, sound = packets_of(tmp_path / f"out{suffix}", "audio"), packets_of(original, "audio")
    if suffix == ".ts":  # a transport stream puts a header before each
        assert all(packet.endswith(old) for packet, old in zip(copied, sound, strict=True))
    else:
        assert copied == sound
    times = np.array(times_of(tmp_path / f"out{suffix}"))
    np.testing.assert_allclose(np.diff(times), 1 / 24, atol=2e-3)
    if suffix != ".ts":
        import av

        with av.open(str(tmp_path / f"out{suffix}")) as container:
            assert {key.lower(): value for key, value in container.metadata.items()}["title"] == "A walk"


def test_sound_stays_beside_its_picture(tmp_path: Path):
    import av

    original = make_clip(tmp_path / "clip.ts", drawn(24), sound="aac", container="mpegts")
    pass_through(original, tmp_path / "out.mp4")

    def lead(path: Path) -> float:
        with av.open(str(path)) as container:
            video, sound = container.streams.video[0], container.streams.audio[0]
            return float(video.start_time * video.time_base - sound.start_time * sound.time_base)

    assert lead(original) == pytest.approx(lead(tmp_path / "out.mp4"), abs=2e-3)


def test_a_container_that_cannot_hold_the_sound_gets_it_in_another_codec(tmp_path: Path):
    import av

    original = make_clip(tmp_path / "clip.mp4", drawn(24), sound="aac")
    summary = pass_through(original, tmp_path / "out.webm")
    assert summary.audio == "encoded again" and summary.notes == ("webm cannot hold aac: encoded again",)
    with av.open(str(tmp_path / "out.webm")) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        rate = container.streams.audio[0].rate
    middle = sound[len(sound) // 4 : len(sound) // 2]
    loudest = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() * rate / len(middle)
    assert loudest == pytest.approx(440, abs=5)
    assert len(sound) / rate == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_times_and_odd_rates_are_kept(tmp_path: Path, suffix: str):
    ticks = [0, 1001, 2002, 9009, 10010, 31031]
    original = make_clip(
        tmp_path / "clip.mp4", drawn(6), times=ticks, time_base=Fraction(1, 30000), rate=Fraction(30000, 1001)
    )
    pass_through(original, tmp_path / f"out{suffix}")
    tolerance = 1e-6 if suffix == ".mp4" else 1e-3  # Matroska counts milliseconds
    np.testing.assert_allclose(times_of(tmp_path / f"out{suffix}"), times_of(original), atol=tolerance)
    np.testing.assert_allclose(np.array(times_of(original)) * 30000, ticks, atol=1e-6)


@pytest.mark.parametrize("colorspace", [2, BT709])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
def test_colours_come_through(tmp_path: Path, colorspace: int, color_range: int):
    swatches = np.zeros((48, 64, 3), np.uint8)
    for index, colour in enumerate(
        [(255, 255, 255), (0, 0, 0), (200, 40, 40), (40, 180, 60), (50, 60, 200), (128,) * 3]
    ):
        row, column = divmod(index, 3)
        swatches[24 * row : 24 * row + 24, 20 * column : 20 * column + 24] = colour
    original = make_clip(tmp_path / "clip.mp4", [swatches] * 6, colorspace=colorspace, color_range=color_range)
    pass_through(original, tmp_path / "out.mkv", codec="ffv1")  # lossless: what differs is the way to RGB and back
    before, after = (np.mean(frames_of(path), axis=0) for path in (original, tmp_path / "out.mkv"))
    for row, column in np.ndindex(2, 3):
        inside = np.s_[24 * row + 6 : 24 * row + 18, 20 * column + 6 : 20 * column + 16]
        assert np.abs(before[inside].mean(axis=(0, 1)) - after[inside].mean(axis=(0, 1))).max() <= 1
    pass_through(original, tmp_path / "out.mp4")
    with VideoReader(original) as a, VideoReader(tmp_path / "out.mp4") as b:
        assert a.colours.full_range == (color_range == FULL)
        assert replace(a.colours, full_range=False) == b.colours


@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_rgb_to_yuv_and_back_moves_no_colour_on_average(matrix: int):
    colours = Colours(matrix, False, 2, 2, 2)
    swatches = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    once = to_rgb(from_rgb(swatches, colours, "yuv420p"), colours, 64, 64)
    error = (once.astype(int) - swatches)[4::8, 4::8]
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.2 and np.abs(error).max() <= 2


def test_a_phones_video_is_upright(tmp_path: Path):
    original = make_clip(tmp_path / "phone.mp4", rotation=90)
    summary = pass_through(original, tmp_path / "out.mp4")
    assert (summary.width, summary.height) == (48, 64)
    assert np.abs(frames_of(tmp_path / "out.mp4")[0].astype(int) - np.rot90(drawn(1)[0])).mean() < 3


def test_odd_sides_lose_a_pixel_and_say_so(tmp_path: Path):
    original = make_clip(tmp_path / "odd.mkv", drawn(4, 47, 63), codec="ffv1", pixel_format="yuv444p")
    summary = pass_through(original, tmp_path / "out.mp4")
    assert (summary.width, summary.height) == (62, 46)
    assert summary.notes == ("63x47 becomes 62x46: encoders take even sides",)


def test_more_than_8_bits_are_told(tmp_path: Path):
    original = make_clip(tmp_path / "deep.mkv", drawn(4), pixel_format="yuv420p10le")
    assert pass_through(original, tmp_path / "out.mp4").notes == ("10-bit video is painted and written with 8 bits",)


def test_a_truncated_video_is_painted_as_far_as_it_goes(tmp_path: Path):
    whole = make_clip(tmp_path / "whole.mkv", drawn(60)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    summary = pass_through(tmp_path / "cut.mkv", tmp_path / "out.mkv")
    assert not summary.complete and 10 < summary.frames < 60
    assert len(times_of(tmp_path / "out.mkv")) == summary.frames


class Interrupted(Untouched):
    """A painter during whose fifth frame Ctrl-C comes."""

    def paint(self, frame: np.ndarray) -> np.ndarray:
        if self.painted == self.when:
            raise KeyboardInterrupt
        return super().paint(frame)

    when = 4


def test_an_interrupt_leaves_a_video_that_plays(tmp_path: Path):
    original = make_clip(tmp_path / "clip.mp4", drawn(40), sound="aac")
    with pytest.raises(VideoInterrupted) as raised:
        pass_through(original, tmp_path / "out.mp4", Interrupted())
    assert raised.value.summary.frames == 4 and not raised.value.summary.complete
    assert len(times_of(tmp_path / "out.mp4")) == 4
    assert sorted(os.listdir(tmp_path)) == ["clip.mp4", "out.mp4"]


def test_an_interrupt_before_the_first_frame_leaves_nothing(tmp_path: Path):
    original = make_clip(tmp_path / "clip.mp4", drawn(40))
    stylizer = Interrupted()
    stylizer.when = 0
    with pytest.raises(KeyboardInterrupt) as raised:
        pass_through(original, tmp_path / "out.mp4", stylizer)
    assert not isinstance(raised.value, VideoInterrupted)
    assert os.listdir(tmp_path) == ["clip.mp4"]


class Broken(Untouched):
    """A painter that refuses the fourth frame."""

    def paint(self, frame: np.ndarray) -> np.ndarray:
        if self.painted == 3:
            raise UserError("the engine failed")
        return super().paint(frame)


def test_an_error_leaves_an_older_file_as_it_was(tmp_path: Path):
    original = make_clip(tmp_path / "clip.mp4", drawn(40))
    (tmp_path / "out.mp4").write_bytes(b"older")
    with pytest.raises(UserError, match="the engine failed"):
        pass_through(original, tmp_path / "out.mp4", Broken())
    assert (tmp_path / "out.mp4").read_bytes() == b"older"
    assert sorted(os.listdir(tmp_path)) == ["clip.mp4", "out.mp4"]


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path):
    noise = list(np.random.default_rng(0).integers(0, 256, (30, 96, 128, 3), dtype=np.uint8))
    original = make_clip(tmp_path / "clip.mp4", noise)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))
    try:
        with pytest.raises(UserError, match="cannot write .*out.mp4: it would be larger than files may be") as raised:
            pass_through(original, tmp_path / "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(str(raised.value).splitlines()) == 1
    assert os.listdir(tmp_path) == ["clip.mp4"]


def test_progress_counts_every_frame(tmp_path: Path):
    seen: list[tuple[int, int | None]] = []

    def progress(done: int, expected: int | None, painter: FrameStylizer) -> None:
        assert painter.painting_seconds > 0
        seen.append((done, expected))

    pass_through(make_clip(tmp_path / "clip.mp4"), tmp_path / "out.mp4", progress=progress)
    assert seen == [(index + 1, 12) for index in range(12)]


@pytest.mark.parametrize(
    ("name", "codec", "match"),
    [
        ("out.xyz", "auto", "the name of a video must end in .mp4"),
        ("out.mp4", "libx246", "no encoder 'libx246': did you mean 'libx26[45]'"),
        ("out.mp4", "aac", "is not an encoder of videos"),
        ("out.webm", "libx264", "cannot write .*out.webm with libx264"),
        ("none/out.mp4", "auto", "the folder does not exist"),
    ],
)
def test_what_cannot_be_written_is_one_line(tmp_path: Path, name: str, codec: str, match: str):
    original = make_clip(tmp_path / "clip.mp4")
    with pytest.raises(UserError, match=match) as raised:
        pass_through(original, tmp_path / name, codec=codec)
    assert len(str(raised.value).splitlines()) == 1
    assert os.listdir(tmp_path) == ["clip.mp4"]


def test_the_first_hardware_encoder_that_works_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("runtime.video.encoders.HARDWARE", ("h264_absent", "libx264"))
    frames = FrameFormat(64, 48, Fraction(24), Fraction(1, 24))
    assert choose_encoder("hardware", Path("out.mp4"), frames).name == "libx264"
    monkeypatch.setattr("runtime.video.encoders.HARDWARE", ("h264_absent",))
    with pytest.raises(UserError, match="no hardware encoder works here"):
        choose_encoder("hardware", Path("out.mp4"), frames)
    assert all(name.startswith("h264_") for name in HARDWARE)
