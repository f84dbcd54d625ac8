"""Pictures as a web page on this machine: JPEG after JPEG in one response (multipart/x-mixed-replace).

It listens on the loopback address alone and answers to the loopback's names alone, so neither the network nor a web
page that had its own name point here (DNS rebinding) sees the camera.
"""

from __future__ import annotations

import io
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar

import numpy as np
from PIL import Image

from runtime.errors import UserError

HOST = "127.0.0.1"
_BOUNDARY = "frame"
_QUALITY = 85
_MOST_VIEWERS = 8
_IDLE_SECONDS = 30.0
_PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>brushlet</title>
<body style="margin:0;background:#111"><img src="/stream" alt="The camera, painted"
style="display:block;margin:auto;max-width:100%;max-height:100vh"></body></html>
"""


class MjpegServer:
    """Serves the newest picture to whoever looks; a context manager.

    Args:
        port: of 127.0.0.1; 0 takes a free one, which `url` tells.

    Raises:
        UserError: the port is taken or may not be used.
    """

    def __init__(self, port: int = 0) -> None:
        self._jpeg = b""
        self._number = 0
        self._closed = False
        self._changed = threading.Condition()
        self._viewers = threading.BoundedSemaphore(_MOST_VIEWERS)
        handler = type("Handler", (_Handler,), {"pictures": self})
        try:
            self._server = _Server((HOST, port), handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(f"cannot listen on {HOST}:{port}: {reason.lower()}: choose another --mjpeg PORT") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="mjpeg", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self._server.server_port}/"

    @property
    def closed(self) -> bool:
        """Whether it serves no more."""
        return self._closed

    def show(self, picture: np.ndarray) -> None:
        """Make a picture, uint8 (H, W, 3), the newest."""
        encoded = io.BytesIO()
        Image.fromarray(picture).save(encoded, format="JPEG", quality=_QUALITY)
        with self._changed:
            self._jpeg, self._number = encoded.getvalue(), self._number + 1
            self._changed.notify_all()

    def after(self, number: int) -> tuple[int, bytes] | None:
        """The newest picture as JPEG, with its number, once there is one after `number`; None when there is no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > number or self._closed, timeout=_IDLE_SECONDS)
            return None if self._closed or self._number <= number else (self._number, self._jpeg)

    def admit(self) -> bool:
        """Let a viewer in, if there are not too many; it calls `leave` at the end."""
        return self._viewers.acquire(blocking=False)

    def leave(self) -> None:
        """A viewer is gone."""
        self._viewers.release()

    def close(self) -> None:
        """Stop serving."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> MjpegServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a viewer that reads nothing must not keep the program


class _Handler(BaseHTTPRequestHandler):
    pictures: ClassVar[MjpegServer]
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        port = self.server.server_address[1]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self.path == "/":
            self._send(_PAGE, "text/html; charset=utf-8")
        elif self.path == "/frame.jpg":
            newest = self.pictures.after(0)
            self._send(newest[1], "image/jpeg") if newest else self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
        elif self.path == "/stream":
            self._stream()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self._headers(kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        if not self.pictures.admit():
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers")
            return
        try:
            self.send_response(HTTPStatus.OK)
            self._headers(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.end_headers()
            number = 0
            while (newest := self.pictures.after(number)) is not None:
                number, jpeg = newest
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
        except OSError:  # the viewer is gone
            pass
        finally:
            self.pictures.leave()

    def _headers(self, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal belongs to the command."""
