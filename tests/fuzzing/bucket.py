"""A small S3 server over a folder, on the loopback address, of which one request fails."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import struct
import threading
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from tests.fuzzing.layer import _TAG, SECONDS, Call

READS = ("get", "head", "list")
ALL = (*READS, "put", "delete")
# Faults, and the requests that each applies to.
FAULTS = {
    "reset once": ALL,
    "reset from then on": ALL,
    "error once": ALL,
    "errors from then on": ALL,
    "forbidden from then on": ALL,
    "short": ("get",),
    "wrong byte": ("get", "put"),
    "slow": ALL,
}
_STATUS = {"error once": 500, "errors from then on": 503, "forbidden from then on": 403}


class Bucket(ThreadingHTTPServer):
    """A server of the buckets that are the folders in a folder.

    Parameters
    ----------
    top : folder
    fault : key of `FAULTS`, or empty
    at : the request that fails, or None
    log : file that receives a line for each request, or None
    """

    daemon_threads = True

    def __init__(self, top, fault="", at=None, log=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.top, self.fault, self.at = Path(top), fault, at
        self.counts, self.failing = Counter(), False
        self.lock = threading.Lock()
        self.log = None if log is None else open(log, "w", buffering=1)  # noqa: SIM115
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Say nothing about clients that go away."""

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def happens(self, what, path):
        """Count a request; return the fault that it gets, or nothing."""
        kind = _TAG.sub("#", path)
        with self.lock:
            self.counts[what, kind] += 1
            call = Call(what, kind, self.counts[what, kind])
            if self.log is not None:
                self.log.write(f"{what}\t{kind}\t{call.number}\n")
            same = self.at is not None and (what, kind) == (self.at.what, self.at.path)
            self.failing |= call == self.at
            hit = call == self.at or (same and self.failing and "then on" in self.fault)
        return self.fault if hit else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def _begin(self, what, path):
        """Answer a request that fails; return whether it does, and its fault."""
        fault = self.server.happens(what, path)
        if fault == "slow":
            time.sleep(SECONDS)
        if fault.startswith("reset"):
            linger = struct.pack("ii", 1, 0)  # closing sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())
            self.close_connection = True
        elif fault in _STATUS:
            self._answer(_STATUS[fault], _error(_STATUS[fault]))
        return fault.startswith("reset") or fault in _STATUS, fault

    def _answer(self, status, body=b"", headers=(), sent=None):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **dict(headers)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])
        if sent is not None:
            self.close_connection = True

    def _place(self):
        url = urlsplit(self.path)
        name = unquote(url.path).strip("/")
        return self.server.top / name, name, parse_qs(url.query, keep_blank_values=True)

    def do_GET(self):
        place, name, query = self._place()
        if "/" not in name:
            self._list(place, name, query)
            return
        failed, fault = self._begin("head" if self.command == "HEAD" else "get", name)
        if failed:
            return
        if not place.is_file():
            self._answer(404, b"" if self.command == "HEAD" else _error(404))
            return
        content = place.read_bytes()
        headers = {"ETag": _tag(content), "Last-Modified": formatdate(place.stat().st_mtime)}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        status, size = 200, len(content)
        if wanted:
            status, (first, last) = 206, wanted.groups()
            start = int(first) if first else max(0, size - int(last))
            stop = min(size, int(last) + 1) if first and last else size
            if start >= size:
                self._answer(416, _error(416))
                return
            content = content[start:stop]
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        if self.command == "HEAD":
            headers["Content-Length"] = len(content)
        if fault == "wrong byte":
            content = _wrong(content)
        self._answer(status, content, headers, len(content) // 2 if fault == "short" else None)

    do_HEAD = do_GET

    def _list(self, place, bucket, query):
        prefix, end = (query.get(key, [""])[0] for key in ("prefix", "delimiter"))
        failed, _ = self._begin("list", f"{bucket}/{prefix}")
        if failed:
            return
        files = sorted(path for path in place.rglob("*") if path.is_file())
        found, folders = [], set()
        for path in files:
            key = path.relative_to(place).as_posix()
            if not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            if end and end in rest:
                folders.add(prefix + rest.partition(end)[0] + end)
            else:
                found.append(_described(path, key))
        parts = [
            f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>"
            for f in sorted(folders)
        ]
        body = "".join(
            (
                f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>",
                f"<KeyCount>{len(found) + len(parts)}</KeyCount><IsTruncated>false</IsTruncated>",
                *found,
                *parts,
                "</ListBucketResult>",
            )
        )
        self._answer(200, body.encode(), {"Content-Type": "application/xml"})

    def do_PUT(self):
        place, name, _ = self._place()
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        failed, fault = self._begin("put", name)
        if failed:
            return
        if self.headers.get("If-None-Match") == "*" and place.exists():
            self._answer(412, _error(412))
            return
        match = self.headers.get("If-Match")
        if match and (not place.exists() or match != _tag(place.read_bytes())):
            self._answer(412, _error(412))
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_wrong(content) if fault == "wrong byte" else content)
        self._answer(200, b"", {"ETag": _tag(content)})

    def do_DELETE(self):
        place, name, _ = self._place()
        if not self._begin("delete", name)[0]:
            _remove(place)
            self._answer(204)

    def do_POST(self):
        """Delete several objects."""
        place, name, _ = self._place()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        keys = re.findall("<Key>(.*?)</Key>", body)
        if self._begin("delete", f"{name}/{keys[0]}")[0]:
            return
        for key in map(unescape, keys):
            _remove(place / key)
        self._answer(200, b"<DeleteResult></DeleteResult>")


def _remove(path):
    if path.is_file():  # clients name folders, too
        path.unlink()


def _described(path, key):
    when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(path.stat().st_mtime))
    content = path.read_bytes()
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified>"
        f"<ETag>{escape(_tag(content))}</ETag><Size>{len(content)}</Size></Contents>"
    )


def _tag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


def _wrong(content):
    changed = bytearray(content)
    if changed:
        changed[len(changed) // 2] ^= 4
    return bytes(changed)


def _error(status):
    codes = {404: "NoSuchKey", 403: "AccessDenied", 412: "PreconditionFailed", 503: "SlowDown"}
    code = codes.get(status, "InternalError")
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


def credentials(address):
    """Return the variables of the environment with which clients find the server."""
    return {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": address,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_MAX_ATTEMPTS": "2",
    }
