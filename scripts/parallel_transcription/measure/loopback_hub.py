"""A hub on this machine's loopback: enough of Hugging Face's for huggingface_hub to download.

It answers on 127.0.0.1 alone, on a free port, in threads of the process that opens it, and ends
with it. It has neither the latency nor the rate limits of the real one.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, Self

IDLE_S = 60.0  # after which a silent connection is closed
_LONGEST_QUEUE = 1024  # connections that wait to be taken
_MODEL = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^?]+))?(?:\?.*)?")
_TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/?]+)(?:\?.*)?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+?)(?:\?.*)?")


@dataclass(frozen=True)
class Content:
    """A file on the hub."""

    size: int
    sha256: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Served:
    """A model as the hub serves it: from a prepared folder, as one commit of a repository.

    `files` are names and their SHA-256; `commit` has 40 hexadecimal digits.
    """

    repository: str
    folder: str
    files: Mapping[str, str]
    commit: str


class Server(ThreadingHTTPServer):
    """The loopback's server, which knows its hub."""

    daemon_threads = True
    request_queue_size = _LONGEST_QUEUE
    hub: Hub


class Hub:
    """A hub, from entering it to leaving it; `address` is what HF_ENDPOINT must be.

    Args:
        served: The model that it has.
    """

    handler: ClassVar[type[Handler]]

    def __init__(self, served: Served | None = None):
        self._served = served
        self._contents = _contents(served) if served else {}
        self._lock = threading.Lock()
        self._requests = self._bytes = 0

    def __enter__(self) -> Self:
        self._server = Server(("127.0.0.1", 0), self.handler)
        self._server.hub = self
        threading.Thread(target=self._server.serve_forever, name="hub", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def answered(self) -> tuple[int, int]:
        """How many requests it has answered so far, and with how many bytes of files."""
        with self._lock:
            return self._requests, self._bytes

    def count(self, requests: int, sent: int) -> None:
        """Note what was answered."""
        with self._lock:
            self._requests += requests
            self._bytes += sent

    def resolve(self, repository: str, revision: str) -> tuple[str, Mapping[str, Content]] | None:
        """The commit that a revision means, and its files; None where there is none."""
        one = self._served
        if one is None or repository != one.repository or revision not in ("main", one.commit):
            return None
        return one.commit, self._contents

    def knows(self, repository: str) -> bool:
        """Whether there is such a repository."""
        return self._served is not None and repository == self._served.repository


def _contents(served: Served) -> dict[str, Content]:
    folder = Path(served.folder)

    def opened(name: str) -> Callable[[], BinaryIO]:
        return lambda: (folder / name).open("rb")

    return {
        name: Content((folder / name).stat().st_size, sha256, opened(name))
        for name, sha256 in served.files.items()
    }


class Handler(BaseHTTPRequestHandler):
    """Answers a connection's requests as the real hub does."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True  # an answer is a head and a body: they must not wait

    @property
    def hub(self) -> Hub:
        """Whose requests these are."""
        return self.server.hub

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.answer()

    def do_GET(self) -> None:
        """Answer with one."""
        self.answer()

    def answer(self) -> None:
        """Answer one request."""
        self.hub.count(1, 0)
        if found := _MODEL.fullmatch(self.path):
            self.model(found[1], found[2] or "main")
        elif found := _TREE.fullmatch(self.path):
            self._tree(found[1], found[2])
        elif found := _FILE.fullmatch(self.path):
            self._file(found[1], found[2], found[3])
        else:
            self.say(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def model(self, repository: str, revision: str) -> None:
        """Say which commit a revision is, and which files it has."""
        known = self.hub.resolve(repository, revision)
        if known is None:
            code = "RevisionNotFound" if self.hub.knows(repository) else "RepoNotFound"
            return self.say(404, b"{}", {"X-Error-Code": code})
        commit, files = known
        siblings = [{"rfilename": n, "size": c.size} for n, c in files.items()]
        body = {"id": repository, "modelId": repository, "sha": commit, "siblings": siblings,
                "private": False, "gated": False, "disabled": False, "tags": [],
                "downloads": 0, "likes": 0}  # fmt: skip
        return self.say(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _tree(self, repository: str, revision: str) -> None:
        known = self.hub.resolve(repository, revision)
        if known is None:
            return self.say(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        entries = [
            {"type": "file", "path": n, "size": c.size, "oid": c.sha256[:40]}
            for n, c in known[1].items()
        ]
        return self.say(200, json.dumps(entries).encode(), {"Content-Type": "application/json"})

    def _file(self, repository: str, revision: str, name: str) -> None:
        known = self.hub.resolve(repository, revision)
        if known is None or name not in known[1]:
            return self.say(404, b"", {"X-Error-Code": "EntryNotFound"})
        commit, files = known
        content = files[name]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{content.sha256}"'}
        first = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and int(asked[1]) < content.size:
            first = int(asked[1])
            headers["Content-Range"] = f"bytes {first}-{content.size - 1}/{content.size}"
        self._head(206 if asked and first else 200, content.size - first, headers)
        if self.command == "GET":
            self.send(content, first)
        return None

    def send(self, content: Content, first: int) -> None:
        """Send a file from its byte `first` on."""
        with content.open() as file:
            self.hub.count(0, self.connection.sendfile(file, first))

    def say(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer with a short text."""
        self._head(status, len(body), headers)
        if self.command == "GET":
            self.wfile.write(body)

    def _head(self, status: int, size: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Accept-Ranges": "bytes", **headers}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is logged: standard error is for what goes wrong."""


Hub.handler = Handler
