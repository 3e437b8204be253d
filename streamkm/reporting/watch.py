"""The report of a checkpoint on the loopback address, which refreshes during the run."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePath
from typing import Any

from streamkm.checkpoint import Generations
from streamkm.errors import CheckpointError, DataError, NotACheckpointError
from streamkm.files.find import need
from streamkm.numbers import real_number
from streamkm.reporting.page import Refresh, page

_HERE = "127.0.0.1"
_GONE = ". The checkpoint is no longer there; this is its last state."


@contextmanager
def server(path: Any, port: int = 0, every: float = 5.0) -> Iterator[ThreadingHTTPServer]:
    """Yield a server of the report of a checkpoint; `serve_forever` runs it.

    Parameters
    ----------
    path : path or URL of the checkpoint
    port : 0 for any free one
    every : seconds between two refreshes

    Raises
    ------
    NotACheckpointError
        If there is no checkpoint.
    DataError
        If the port is not free, or matplotlib is missing.
    """
    need("matplotlib", "reports").use("agg")  # the pages are drawn in other threads
    watched = _Watched(path, real_number("every", every))
    handler = type("Handler", (_Handler,), {"watched": watched})
    try:
        found = _Server((_HERE, port), handler)
    except OSError as error:
        raise DataError(
            f"port {port} cannot be used: {error.strerror or error}.",
            python="Give another port, or 0 for any free one.",
            command="Give another --port, or leave it out for any free one.",
        ) from error
    found.daemon_threads = True
    with found:
        yield found


def address(server: ThreadingHTTPServer) -> str:
    """Return the URL of the page."""
    return f"http://{_HERE}:{server.server_address[1]}/"


class _Watched:
    """A checkpoint, and the page of its last state."""

    def __init__(self, path: Any, every: float) -> None:
        self._path, self._every = path, every
        self._lock, self._states, self._page = threading.Lock(), None, ""
        self._saved: Any = None
        self.page()

    def page(self) -> str:
        """Return the page, drawn again if there is another state."""
        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a state that the run has just deleted
            try:
                states = Generations(self._path, "r").group.attrs.get("states", [])
                if not self._page or states != self._states:
                    self._page, self._states = self._drawn(), states
            except NotACheckpointError:
                if not self._page:
                    raise
                if self._states is not None:
                    self._page, self._states = self._drawn(_GONE), None
            except CheckpointError:
                if not self._page:
                    raise
            return self._page

    def _drawn(self, why_last: str = "") -> str:
        """Return the page of the present state, or of the last one with the reason."""
        from streamkm.reporting import checkpoints, progress

        if not why_last:
            self._saved = progress.load_state(self._path)
        name = PurePath(os.fspath(self._path)).name
        refresh = Refresh(self._every, progress.standing(self._saved) + why_last)
        return page(name, "checkpoint, watched", list(checkpoints.sections(self._saved)), refresh)


class _Server(ThreadingHTTPServer):
    """A server that ignores connections that a browser has closed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers requests for the page, from this computer only, and for nothing else."""

    watched: _Watched

    def do_GET(self) -> None:
        port = self.server.server_address[1]  # type: ignore[index]
        # A web site whose name points to this address must not read the page (DNS rebinding).
        if self.headers.get("Host") not in (f"{_HERE}:{port}", f"localhost:{port}"):
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._answer(self.watched.page().encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""
