"""One pinned file from the network: verified, whole or not there, and taken up again where a cut connection left it."""

from __future__ import annotations

import contextlib
import errno
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TimeRemainingColumn, TransferSpeedColumn

from runtime.errors import UserError

ATTEMPTS = 4  # in a row that bring nothing
FIRST_PAUSE_S = 0.5
TIMEOUT_S = (10, 60)
MOST_BYTES = 4 << 30
_CHUNK = 1 << 14  # of a chunk that breaks off, nothing is kept
_CUT_CONNECTION = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class _Cut(Exception):
    """The connection ended before the file did."""


def fetch(url: str, sha256: str, directory: Path) -> Path:
    """The file at `url` in `directory`, downloaded if it is not there with this hash.

    What arrived before a cut connection stays beside it as `.part`; the next attempt, or the next run, asks only for
    the rest. Several processes may call this at once: one downloads, the others wait.

    Raises:
        UserError: no network, an error of the server, another hash, no space on the disk.
    """
    name = Path(urlsplit(url).path).name
    pooch.get_logger().setLevel("WARNING")  # its notes would cross the progress bar
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f"{name}.lock"):
            found = pooch.retrieve(url, f"sha256:{sha256}", fname=name, path=directory, downloader=_Resuming(sha256))
    except ValueError as error:  # pooch: the hash differs; it has removed the file
        raise UserError(f"{url} is not the expected file: its SHA-256 is not {sha256}; it was removed") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise UserError(f"there is no space left on the disk for {name} in {directory}") from error
        raise UserError(f"{name} cannot be kept in {directory}: {error.strerror or error}") from error
    return Path(found)


class _Resuming:
    """A pooch downloader that continues partial downloads with HTTP Range requests."""

    def __init__(self, sha256: str) -> None:
        self._sha256 = sha256

    def __call__(self, url: str, output_file: str, _: object, check_only: bool = False) -> None:
        output = Path(output_file)
        # pooch's own temporary file has a random name, so what stays between runs is named after the hash.
        part = output.parent / f"{Path(urlsplit(url).path).name}.{self._sha256[:12]}.part"
        console = Console(stderr=True)
        columns = "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console, transient=True) as progress:
            _download(url, part, progress)
        part.replace(output)


def _download(url: str, part: Path, progress: Progress) -> None:
    task = progress.add_task(f"downloading {Path(urlsplit(url).path).name}", total=None)
    failures, before = 0, _size(part)
    while failures < ATTEMPTS:
        try:
            _append(url, part, progress, task)
            return
        except (_Cut, *_CUT_CONNECTION) as error:
            cause = error
        except requests.RequestException as error:
            raise UserError(f"cannot download {url}: {error}") from error
        except OSError as error:
            if error.errno == errno.ENOSPC:  # leave the disk as it was
                part.unlink(missing_ok=True)
            raise
        have = _size(part)
        failures, before = (0 if have > before else failures + 1), have
        time.sleep(FIRST_PAUSE_S * 2**failures)
    if have:
        raise UserError(
            f"the download of {url} was cut off after {have / 1e6:.1f} MB: the same command goes on from there"
        ) from cause
    raise UserError(f"cannot reach {urlsplit(url).netloc} to download {url}: is there a network?") from cause


def _append(url: str, part: Path, progress: Progress, task: TaskID) -> None:
    """Ask for what is missing behind the end of `part` and add it; raises _Cut when that was not all."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            # Nothing lies behind it: it is whole, and the hash will tell, or it is of another file.
            if _total(response) == have:
                return
            part.unlink()
            raise _Cut
        if not response.ok:
            raise UserError(f"cannot download {url}: the server answered {response.status_code} {response.reason}")
        if response.status_code != requests.codes.partial_content or _start(response) != have:
            have = 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        _require_space(part, total, have)
        progress.update(task, total=total, completed=have)
        with part.open("ab" if have else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                have += len(chunk)
                if have > MOST_BYTES:
                    raise UserError(f"{url} is larger than {MOST_BYTES >> 30} GiB")
                file.write(chunk)
                progress.update(task, completed=have)
    if total is not None and have < total:
        raise _Cut


def _require_space(part: Path, total: int | None, have: int) -> None:
    if total is None:
        return
    if total > MOST_BYTES:
        raise UserError(f"{part.name} would be larger than {MOST_BYTES >> 30} GiB")
    if shutil.disk_usage(part.parent).free < total - have:
        raise OSError(errno.ENOSPC, "No space left on device")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _start(response: requests.Response) -> int | None:
    """Where a partial answer starts: N of `Content-Range: bytes N-M/T`."""
    with contextlib.suppress(ValueError, IndexError):
        return int(response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0])
    return None


def _total(response: requests.Response) -> int | None:
    """The whole size: T of `Content-Range: bytes N-M/T` or `bytes */T`."""
    with contextlib.suppress(ValueError, IndexError):
        return int(response.headers.get("Content-Range", "").rsplit("/")[-1])
    return None
