"""Cameras, with a generator or a video in a camera's place: there is none where tests run."""

from __future__ import annotations

import http.client
import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime import Stylizer, UserError
from runtime.cli import app
from runtime.video.camera import Camera
from runtime.video.camera_job import show_camera
from runtime.video.mjpeg_server import MjpegServer
from runtime.video.preview_window import PreviewWindow, window_works
from tests.runtime.video.clips import drawn, make_clip
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"))


class Pictures:
    """A screen that keeps what it shows, and is closed after `most`."""

    def __init__(self, most: int = 10**6, seconds: float = 0.0) -> None:
        self.shown: list[np.ndarray] = []
        self._most, self._seconds = most, seconds

    @property
    def closed(self) -> bool:
        return len(self.shown) >= self._most

    def show(self, picture: np.ndarray) -> None:
        time.sleep(self._seconds)
        self.shown.append(picture)


def paced(frames: list[np.ndarray], seconds: float) -> Iterator[np.ndarray]:
    for frame in frames:
        time.sleep(seconds)
        yield frame


def test_a_slow_painter_gets_the_newest_frame(tiny: Path):
    numbered = [np.full((8, 8, 3), index, np.uint8) for index in range(40)]
    screen = Pictures(seconds=0.05)
    with Stylizer.load(tiny, threads=1) as stylizer, Camera(paced(numbered, 0.005)) as camera:
        summary = show_camera("fake", camera, stylizer.frames("warm", 0.0), screen)
    assert summary.frames == len(screen.shown) < 20
    assert summary.frames + summary.dropped == 40
    assert screen.shown[-1].mean() == pytest.approx(39, abs=1)  # the last one is not missed


def test_a_closed_screen_ends_it(tiny: Path):
    def endless() -> Iterator[np.ndarray]:
        while True:
            yield drawn(1)[0]

    with Stylizer.load(tiny, threads=1) as stylizer, Camera(endless()) as camera:
        summary = show_camera("fake", camera, stylizer.frames("warm"), Pictures(most=5))
    assert summary.frames == 5


def test_a_camera_that_fails_is_told():
    def unplugged() -> Iterator[np.ndarray]:
        yield drawn(1)[0]
        raise OSError("no such device")

    with Camera(unplugged()) as camera:
        assert len(list(camera)) <= 1
        assert str(camera.error) == "no such device"


def test_a_video_is_played_at_its_own_speed(tmp_path: Path):
    path, begun = make_clip(tmp_path / "clip.mp4", drawn(12)), time.perf_counter()
    with Camera.open(str(path), long_side=32) as camera:
        frames = list(camera)
    assert time.perf_counter() - begun > 11 / 24
    assert 1 <= len(frames) <= 12 and frames[0].shape == (24, 32, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux2")
@pytest.mark.parametrize(
    ("name", "match"), [("63", r"/dev/video63\): no such file"), ("nonsense", "there is no camera")]
)
def test_a_camera_that_is_not_there(name: str, match: str):
    with pytest.raises(UserError, match=match):
        Camera.open(name)


def get(server: MjpegServer, path: str, host: str | None = None) -> http.client.HTTPResponse:
    port = int(server.url.rsplit(":", 1)[1].strip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    return connection.getresponse()


def test_pictures_are_served_one_after_the_other():
    with MjpegServer() as server:
        server.show(np.full((24, 32, 3), 200, np.uint8))
        page = get(server, "/")
        assert page.status == 200 and b'src="/stream"' in page.read()
        stream = get(server, "/stream")
        assert stream.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        levels = []
        for level in (200, 100):
            server.show(np.full((24, 32, 3), level, np.uint8))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += stream.read(1)
            length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            levels.append(np.asarray(Image.open(io.BytesIO(stream.read(length + 2)))).mean())
        assert levels[0] == pytest.approx(200, abs=2)
    assert server.closed


def test_only_the_loopbacks_own_names_are_answered():
    with MjpegServer() as server:
        server.show(np.zeros((8, 8, 3), np.uint8))
        assert server.url.startswith("http://127.0.0.1:")
        assert get(server, "/frame.jpg").status == 200
        assert get(server, "/frame.jpg", "painter.example.com").status == 403
        assert get(server, "/stream", "painter.example.com").status == 403
        assert get(server, "/../secret").status == 404


def test_viewers_are_few():
    with MjpegServer() as server:
        server.show(np.zeros((8, 8, 3), np.uint8))
        streams = [get(server, "/stream") for _ in range(8)]
        assert {stream.status for stream in streams} == {200}
        assert get(server, "/stream").status == 503


def test_a_port_that_is_taken():
    with MjpegServer() as server, pytest.raises(UserError, match="choose another --mjpeg PORT"):
        MjpegServer(int(server.url.rsplit(":", 1)[1].strip("/")))


def test_the_command_shows_a_video_in_a_cameras_place(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    clip = make_clip(tmp_path / "clip.mp4", drawn(6))
    app(
        ["--camera", str(clip), "--style", "warm", "--model", str(tiny), "--mjpeg", "0", "--json"],
        standalone_mode=False,
    )
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["camera"] == str(clip) and 1 <= record["frames"] <= 6
    assert err.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("--mjpeg shows a camera", ["--mjpeg", "8080"]),
        ("--mjpeg must be a port", ["--camera", "0", "--mjpeg", "99999"]),
        ("a camera is shown, not written", ["--camera", "0", "-o", "out.mp4"]),
        ("--steady must be", ["--camera", "0", "--steady", "-1"]),
    ],
)
def test_options_that_make_no_sense(tiny: Path, match: str, arguments: list[str]):
    with pytest.raises(UserError, match=match):
        app([*arguments, "--style", "warm", "--model", str(tiny)], standalone_mode=False)


class FakeWindows:
    """What `PreviewWindow` uses of OpenCV."""

    WINDOW_AUTOSIZE = WND_PROP_VISIBLE = 1

    class error(Exception):
        pass

    def __init__(self, key: int = -1) -> None:
        self.key, self.pictures, self.visible = key, [], 1.0

    def namedWindow(self, title: str, kind: int) -> None:
        pass

    def destroyWindow(self, title: str) -> None:
        pass

    def getWindowProperty(self, title: str, which: int) -> float:
        return self.visible

    def imshow(self, title: str, picture: np.ndarray) -> None:
        self.pictures.append(picture)

    def waitKey(self, milliseconds: int) -> int:
        return self.key


def test_a_window_shows_bgr_and_closes(monkeypatch: pytest.MonkeyPatch):
    windows = FakeWindows()
    monkeypatch.setitem(sys.modules, "cv2", windows)
    monkeypatch.setenv("DISPLAY", ":0")
    assert window_works()
    with PreviewWindow() as window:
        window.show(np.full((2, 2, 3), (1, 2, 3), np.uint8))
        assert windows.pictures[0][0, 0].tolist() == [3, 2, 1] and not window.closed
        windows.visible = 0.0
        window.show(np.zeros((2, 2, 3), np.uint8))
        assert window.closed
    windows.visible, windows.key = 1.0, ord("q")
    with PreviewWindow() as window:
        window.show(np.zeros((2, 2, 3), np.uint8))
        assert window.closed


def test_no_screen_no_window(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cv2", FakeWindows())
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not window_works()
    monkeypatch.setenv("DISPLAY", ":0")
    assert window_works()
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert not window_works()
    monkeypatch.delitem(sys.modules, "cv2")
    monkeypatch.setitem(sys.modules, "av", None)  # imported before OpenCV, whose window would hang
    assert not window_works()
