"""Finding weights, fetching them over a bad network, and refusing files that are not weights."""

from __future__ import annotations

import errno
import hashlib
import http.server
import os
import pickle
import shutil
import threading
from pathlib import Path

import pytest
import requests
import torch
from safetensors.torch import save_file

from distill import download, weights
from distill.download import fetch
from distill.weights import ENVIRONMENT, KNOWN, Weights, choose_weights, find_weights, load_state
from runtime.errors import UserError

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT as /file.pth; `cuts` holds after how many bytes the next answers break off."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts: list[int] = []
        self.ranges: list[str | None] = []
        self.honours_ranges = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up early is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.path != "/file.pth":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.honours_ranges else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        body = CONTENT[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    """Neither a cache nor BRUSHLET_WEIGHTS; the cache is `tmp_path/cache/weights`."""
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)
    monkeypatch.setattr(weights.pooch, "os_cache", lambda project: tmp_path / "cache")
    return tmp_path / "cache" / "weights"


def leftovers(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.suffix != ".lock"}


def test_a_file_is_fetched_once(server, tmp_path):
    path = fetch(server.url, SHA256, tmp_path)
    assert path.read_bytes() == CONTENT
    assert fetch(server.url, SHA256, tmp_path) == path
    assert server.ranges == [None]
    assert leftovers(tmp_path) == {"file.pth"}


def test_a_cut_connection_is_taken_up_where_it_ended(server, tmp_path):
    server.cuts = [300_000, 200_000]
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in server.ranges[1:]]
    assert 270_000 < starts[0] <= 300_000
    assert 450_000 < starts[1] <= 500_000


def test_the_next_run_goes_on_from_what_arrived(server, tmp_path):
    server.cuts = [300_000] + [0] * download.ATTEMPTS
    with pytest.raises(UserError, match="cut off after 0.3 MB: the same command goes on from there"):
        fetch(server.url, SHA256, tmp_path)
    assert not (tmp_path / "file.pth").exists()
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] is not None
    assert server.ranges[-1] == server.ranges[1]
    assert leftovers(tmp_path) == {"file.pth"}


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.cuts, server.honours_ranges = [300_000], False
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT


def test_a_partial_file_that_is_whole_or_too_long(server, tmp_path):
    part = tmp_path / f"file.pth.{SHA256[:12]}.part"
    part.write_bytes(CONTENT)
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT
    (tmp_path / "file.pth").unlink()
    part.write_bytes(CONTENT + b"more")
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT


def test_another_hash_is_refused_and_removed(server, tmp_path):
    with pytest.raises(UserError, match="not the expected file"):
        fetch(server.url, "0" * 64, tmp_path)
    assert leftovers(tmp_path) == set()


def test_a_damaged_cached_file_is_fetched_again(server, tmp_path):
    (tmp_path / "file.pth").write_bytes(CONTENT[:-1])
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT


def test_the_servers_error_is_named(server, tmp_path):
    with pytest.raises(UserError, match="answered 404 Not Found"):
        fetch(server.url.replace("file", "other"), SHA256, tmp_path)
    assert leftovers(tmp_path) == set()


def test_no_network(server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match="cannot reach 127.0.0.1:.* is there a network"):
        fetch(server.url, SHA256, tmp_path)
    assert leftovers(tmp_path) == set()


def test_no_space_is_seen_before_the_download(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="no space left on the disk for file.pth"):
        fetch(server.url, SHA256, tmp_path)
    assert leftovers(tmp_path) == set()


def test_no_space_while_writing_leaves_nothing(server, tmp_path, monkeypatch):
    def full(response, size):
        yield CONTENT[:5000]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(requests.Response, "iter_content", full)
    with pytest.raises(UserError, match="no space left on the disk for file.pth"):
        fetch(server.url, SHA256, tmp_path)
    assert leftovers(tmp_path) == set()


def test_a_directory_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be kept in"):
        fetch(server.url, SHA256, tmp_path / "file" / "cache")


def test_what_the_user_gives_comes_first(no_weights, tmp_path, monkeypatch):
    mine, other = tmp_path / "mine", tmp_path / "other"
    for directory in (mine, other):
        directory.mkdir()
        (directory / "adain_decoder.pth").write_bytes(b"x")
        (directory / "vgg_normalised_relu4_1.pth").write_bytes(b"x")
    monkeypatch.setenv(weights.ENVIRONMENT, str(other))
    assert find_weights("vgg19", mine) == mine / "vgg_normalised_relu4_1.pth"
    assert find_weights("adain-decoder", mine / "vgg_normalised_relu4_1.pth") == mine / "adain_decoder.pth"
    assert find_weights("vgg19", None) == other / "vgg_normalised_relu4_1.pth"
    (mine / "own-name.bin").write_bytes(b"x")
    assert find_weights("vgg19", mine / "own-name.bin") == mine / "own-name.bin"


def test_wrong_places_are_named(no_weights, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no weights file or directory"):
        find_weights("vgg19", tmp_path / "nowhere")
    with pytest.raises(UserError, match="neither vgg_normalised.pth nor vgg_normalised_relu4_1.pth"):
        find_weights("vgg19", tmp_path)
    monkeypatch.setenv(weights.ENVIRONMENT, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="BRUSHLET_WEIGHTS is .* not a directory"):
        find_weights("vgg19", None)


def test_without_download_nothing_is_none(no_weights):
    assert find_weights("vgg19", None, download=False) is None
    assert not no_weights.exists()


def test_the_cache_serves_only_verified_files(no_weights, server, monkeypatch):
    monkeypatch.setitem(KNOWN, "vgg19", Weights(("file.pth",), server.url, SHA256, "CC0"))
    no_weights.mkdir(parents=True)
    (no_weights / "file.pth").write_bytes(b"damaged")
    assert find_weights("vgg19", None, download=False) is None
    assert find_weights("vgg19", None).read_bytes() == CONTENT
    assert find_weights("vgg19", None, download=False) == no_weights / "file.pth"


def test_a_failed_download_says_how_to_do_without(no_weights, server, monkeypatch):
    monkeypatch.setitem(KNOWN, "vgg19", Weights(("file.pth",), server.url, "0" * 64, "CC0"))
    with pytest.raises(UserError, match=r"or give file.pth with --weights DIR or BRUSHLET_WEIGHTS=DIR"):
        find_weights("vgg19", None)


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_every_download_is_pinned(known):
    assert known.url.startswith("https://") and known.url.endswith(known.files[0])
    assert len(known.sha256) == 64 and int(known.sha256, 16)
    assert known.licence


STATE = {"0.weight": torch.arange(6.0).reshape(2, 3), "0.bias": torch.ones(2, dtype=torch.float16)}


class Code:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def save_legacy(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("save", [torch.save, save_legacy, save_file], ids=["zip", "legacy", "safetensors"])
def test_tensors_come_back_whatever_the_files_name(tmp_path, save):
    save(STATE, tmp_path / "weights.bin")
    loaded = load_state(tmp_path / "weights.bin")
    assert loaded.keys() == STATE.keys()
    assert all(torch.equal(loaded[key], STATE[key]) and loaded[key].dtype == STATE[key].dtype for key in STATE)


def test_wrapped_weights_are_unwrapped(tmp_path):
    torch.save({"model": STATE, "epoch": 3}, tmp_path / "checkpoint.pth")
    assert load_state(tmp_path / "checkpoint.pth").keys() == STATE.keys()


def test_pickles_with_code_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("code.pth").write_bytes(pickle.dumps(Code()))
    torch.save(torch.nn.Conv2d(1, 1, 1), "module.pth")
    for name in ("code.pth", "module.pth"):
        with pytest.raises(UserError, match=f"{name} is refused"):
            load_state(Path(name))
    assert not Path("made-by-a-pickle").exists()


def write_cut(path: Path, save) -> None:
    save(STATE, path)
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_cut(path, torch.save),
        lambda path: write_cut(path, save_legacy),
        lambda path: write_cut(path, save_file),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("<html>not found</html>"),
        lambda path: path.write_bytes(b"\xff" * 8 + b"{" + b"x" * 50),
        lambda path: torch.save([1, 2], path),
        lambda path: torch.save({"epoch": 3}, path),
        lambda path: path.mkdir(),
        lambda path: None,
    ],
    ids=["cut", "cut-legacy", "cut-safetensors", "empty", "html", "header", "list", "numbers", "directory", "missing"],
)
def test_other_files_give_one_clear_line(tmp_path, write):
    path = tmp_path / "weights.pth"
    write(path)
    with pytest.raises(UserError) as caught:
        load_state(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_real_weights_have_the_communitys_layout(shared_data):
    directory = shared_data / "weights"
    encoder = load_state(find_weights("vgg19", directory))
    decoder = load_state(find_weights("adain-decoder", directory))
    assert encoder["0.weight"].shape == (3, 3, 1, 1)
    assert decoder["28.weight"].shape == (3, 64, 3, 3)


def test_vgg_is_looked_for_beside_a_teachers_weights(no_weights, tmp_path, monkeypatch):
    """A teacher's folder or file need not come with VGG-19; one that lies beside it wins over the environment."""
    (tmp_path / "teacher").mkdir()
    candy = tmp_path / "teacher" / "candy.model"
    candy.write_bytes(b"")
    assert choose_weights("vgg19", candy, beside=True) is None
    with pytest.raises(UserError, match="holds neither vgg_normalised.pth nor"):
        choose_weights("vgg19", candy.parent)
    elsewhere, here = tmp_path / "vgg_normalised.pth", candy.parent / "vgg_normalised.pth"
    elsewhere.write_bytes(b"")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    assert choose_weights("vgg19", candy, beside=True) == elsewhere
    here.write_bytes(b"")
    assert choose_weights("vgg19", candy, beside=True) == choose_weights("vgg19", candy.parent, beside=True) == here
