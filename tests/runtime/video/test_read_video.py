"""`runtime.video.read_video`, and what it reads orientation and colours with."""

from __future__ import annotations

import random
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import UserError
from runtime.video.orientation import Orientation, orientation_from_matrix
from runtime.video.read_video import Frame, VideoReader
from runtime.video.recognise import is_video
from tests.runtime.video.clips import BT709, FULL, LIMITED, drawn, make_clip


def frames_of(path: Path, **options: object) -> tuple[list[Frame], VideoReader]:
    with VideoReader(path, **options) as reader:
        return [item for item in reader if isinstance(item, Frame)], reader


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", sound="aac")


def test_frames_come_in_order_with_their_times(clip: Path):
    frames, reader = frames_of(clip)
    assert (reader.width, reader.height, reader.rate, reader.frames, reader.complete) == (64, 48, 24, 12, True)
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(12) / 24, atol=1e-4)
    for frame, original in zip(frames, drawn(12), strict=True):
        assert np.abs(frame.rgb.astype(int) - original).mean() < 2


@pytest.mark.parametrize("colorspace", [2, BT709])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
def test_colours_are_read_by_what_the_video_declares(tmp_path: Path, colorspace: int, color_range: int):
    flat = [np.full((32, 32, 3), (180, 90, 40), np.uint8)] * 3
    path = make_clip(tmp_path / "flat.mp4", flat, colorspace=colorspace, color_range=color_range)
    frames, _ = frames_of(path)
    assert np.abs(frames[1].rgb.astype(int) - flat[0]).max() <= 2


def test_high_videos_that_declare_nothing_are_bt709_as_players_take_them(tmp_path: Path):
    flat = [np.full((720, 64, 3), (180, 90, 40), np.uint8)] * 2
    frames, reader = frames_of(make_clip(tmp_path / "flat.mp4", flat))  # coded as BT.601
    assert reader.colours.colorspace == 2 and reader.colours.matrix == 1
    assert np.abs(frames[0].rgb.astype(int) - flat[0]).max() > 5


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frames_are_turned_upright(tmp_path: Path, rotation: int):
    path = make_clip(tmp_path / "phone.mp4", rotation=rotation)
    frames, reader = frames_of(path)
    # ffmpeg's angle is how far the stored frame has to be turned counter-clockwise to be seen upright.
    upright = np.rot90(drawn(1)[0], rotation // 90)
    assert frames[0].rgb.shape == upright.shape == (reader.height, reader.width, 3)
    assert np.abs(frames[0].rgb.astype(int) - upright).mean() < 2


@given(st.integers(0, 3), st.booleans(), st.integers(1, 3))
def test_a_display_matrix_says_where_pixels_go(turns: int, mirrored: bool, scale: int):
    picture = np.arange(12).reshape(3, 4)
    orientation = Orientation(turns, mirrored)
    a, b, c, d = {0: (1, 0, 0, 1), 1: (0, -1, 1, 0), 2: (-1, 0, 0, -1), 3: (0, 1, -1, 0)}[turns]
    if mirrored:
        a, b = -a, -b
    one = scale << 16
    matrix = struct.pack("=9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    assert orientation_from_matrix(matrix) == orientation
    places = {}
    for y in range(3):
        for x in range(4):
            places[b * x + d * y, a * x + c * y] = picture[y, x]
    rows, columns = (sorted({place[axis] for place in places}) for axis in (0, 1))
    moved = np.array([[places[row, column] for column in columns] for row in rows])
    assert (orientation.upright(picture) == moved).all()


def test_a_matrix_that_is_cut_off_is_none():
    assert orientation_from_matrix(b"\0" * 8) == Orientation()


def test_frames_are_scaled_down(clip: Path):
    frames, reader = frames_of(clip, long_side=32)
    assert frames[0].rgb.shape == (24, 32, 3) == (reader.height, reader.width, 3)


def test_variable_times_and_odd_rates(tmp_path: Path):
    times = [0, 3, 4, 11, 12, 40]
    path = make_clip(
        tmp_path / "phone.mkv", drawn(6), times=times, time_base=Fraction(1, 100), rate=Fraction(30000, 1001)
    )
    frames, _ = frames_of(path)
    np.testing.assert_allclose([frame.seconds for frame in frames], np.array(times) / 100, atol=2e-3)


def test_a_truncated_video_gives_the_frames_that_are_there(tmp_path: Path):
    whole = make_clip(tmp_path / "whole.mkv", drawn(60), rate=Fraction(24))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    frames, reader = frames_of(cut)
    assert 10 < len(frames) < 60 and not reader.complete
    assert frames_of(whole)[1].complete


def test_damage_in_the_middle_is_told(tmp_path: Path):
    whole = make_clip(tmp_path / "whole.ts", drawn(40), container="mpegts")
    data = bytearray(whole.read_bytes())
    data[len(data) // 3 : len(data) // 2] = random.Random(0).randbytes(len(data) // 2 - len(data) // 3)
    (tmp_path / "damaged.ts").write_bytes(data)
    frames, reader = frames_of(tmp_path / "damaged.ts")
    assert frames and not reader.complete


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("none.mp4", None, "there is no file"),
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"not a video at all\n" * 50, "is not a video that can be read"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n", "is not a video that can be read"),
        ("concat.mkv", b"ffconcat version 1.0\nfile /etc/hostname\n", "is not a video that can be read"),
    ],
)
def test_what_is_no_video_is_one_line(tmp_path: Path, name: str, data: bytes | None, match: str):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=match) as raised:
        VideoReader(tmp_path / name)
    assert len(str(raised.value).splitlines()) == 1


def test_a_folder_and_sound_alone_are_refused(tmp_path: Path):
    import av

    with pytest.raises(UserError, match="is a folder"):
        VideoReader(tmp_path)
    with av.open(str(tmp_path / "song.mp4"), "w") as out:
        track = out.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        out.mux(track.encode(frame) + track.encode(None))
    with pytest.raises(UserError, match="has no video track"):
        VideoReader(tmp_path / "song.mp4")


def test_a_video_without_frames_is_refused(tmp_path: Path):
    whole = make_clip(tmp_path / "whole.mkv", drawn(30)).read_bytes()
    (tmp_path / "none.mkv").write_bytes(whole[:1100])
    with pytest.raises(UserError, match="none.mkv"):
        VideoReader(tmp_path / "none.mkv")


def test_huge_frames_are_refused_before_they_are_decoded(clip: Path):
    with pytest.raises(UserError, match="its frames have 64x48 pixels, more than"):
        VideoReader(clip, max_pixels=1000)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_mutated_videos_end_in_frames_or_one_line(tmp_path_factory: pytest.TempPathFactory, seed: int):
    mutate = random.Random(seed)
    data = bytearray(_seed_clip(tmp_path_factory, mutate.choice(("mp4", "mkv", "ts"))))
    for _ in range(mutate.choice((1, 8, 64))):
        data[mutate.randrange(len(data))] = mutate.randrange(256)
    if mutate.random() < 0.3:
        del data[mutate.randrange(len(data)) :]
    path = tmp_path_factory.getbasetemp() / "mutated.mp4"
    path.write_bytes(data)
    try:
        frames, _ = frames_of(path, max_pixels=10**6)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert all(frame.rgb.ndim == 3 and np.isfinite(frame.seconds) for frame in frames)


_SEEDS: dict[str, bytes] = {}


def _seed_clip(factory: pytest.TempPathFactory, kind: str) -> bytes:
    if kind not in _SEEDS:
        path = factory.mktemp("seed") / f"seed.{kind}"
        _SEEDS[kind] = make_clip(path, drawn(8, 32, 32), sound="aac").read_bytes()
    return _SEEDS[kind]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".webm"])
def test_videos_are_recognised_by_content(tmp_path: Path, suffix: str):
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    path = make_clip(tmp_path / f"clip{suffix}", drawn(3), codec=codec)
    nameless = path.rename(tmp_path / "clip.bin")
    assert is_video(nameless)


def test_pictures_are_no_videos(tmp_path: Path):
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 400)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 400)
    assert not is_video(tmp_path / "photo.heic") and not is_video(tmp_path / "photo.jpg")
    assert is_video("absent.mp4") and not is_video("absent.png")
