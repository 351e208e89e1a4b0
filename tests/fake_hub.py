"""A Hugging Face hub on this machine's loopback: enough of it for huggingface_hub to download.

    with FakeHub() as hub:
        hub.publish("org/name", {"model.bin": b"…"})        # a commit on main
        subprocess.run(…, env=os.environ | hub.environment(tmp_path / "home"))

Serves `/api/models/<repository>[/revision/<revision>]`, `/api/models/<repository>/tree/<revision>`
and `/<repository>/resolve/<revision>/<file>` with the headers of the real hub, and notes every
request. `fault` makes it answer badly. By hand: `python tests/fake_hub.py` serves mini-en as
Systran/faster-whisper-tiny until it is stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MINI_EN = Path(__file__).resolve().parent.parent / "resources" / "models" / "mini-en"


def mini_en() -> dict[str, bytes]:
    """The files of the embedded model that faster-whisper downloads."""
    names = ("config.json", "model.bin", "preprocessor_config.json", "tokenizer.json",
             "vocabulary.json")  # fmt: skip
    return {name: (MINI_EN / name).read_bytes() for name in names}


@dataclass
class FakeHub:
    """The hub; `address` is what HF_ENDPOINT must be.

    `fault`: None, or "401", "403", "404", "500" (to every request), "cut" (half of each file, then
    the connection ends), "hang" (no answer), "garbage" (an answer that is no JSON).
    `delay_s`: how long every answer takes.
    """

    fault: str | None = None
    delay_s: float = 0.0
    requests: list[tuple[str, str]] = field(default_factory=list)
    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    names: dict[str, dict[str, str]] = field(default_factory=dict)

    def publish(self, repository: str, files: dict[str, bytes], branch: str = "main") -> str:
        """A new commit at the head of a branch; returns its name, 40 hexadecimal digits."""
        history = self.commits.setdefault(repository, {})
        content = [len(history), *((n, hashlib.sha1(c).hexdigest()) for n, c in files.items())]
        commit = hashlib.sha1(json.dumps(content).encode()).hexdigest()
        history[commit] = dict(files)
        self.names.setdefault(repository, {})[branch] = commit
        return commit

    def environment(self, home: Path) -> dict[str, str]:
        """What a process needs to ask this hub and no other, with a cache of its own in `home`."""
        return {
            "HF_ENDPOINT": self.address,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_ETAG_TIMEOUT": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_TOKEN": "",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def asked_for(self, file: str) -> int:
        """How often a file's content was fetched."""
        return sum(way == "GET" and path.endswith(f"/{file}") for way, path in self.requests)

    def __enter__(self) -> FakeHub:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def _resolve(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        history = self.commits.get(repository, {})
        commit = self.names.get(repository, {}).get(revision, revision)
        return (commit, history[commit]) if commit in history else None


_MODEL = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^?]+))?(?:\?.*)?")
_TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/?]+)(?:\?.*)?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+?)(?:\?.*)?")


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.hub
        hub.requests.append((self.command, self.path))
        time.sleep(hub.delay_s)
        if hub.fault == "hang":
            hub._stopped.wait(60)
            return
        if hub.fault in ("401", "403", "404", "500"):
            codes = {"401": "RepoNotFound", "403": "GatedRepo", "404": "RepoNotFound"}
            return self._send(int(hub.fault), b"{}", {"X-Error-Code": codes.get(hub.fault, "")})
        if found := _MODEL.fullmatch(self.path):
            return self._model(found[1], found[2] or "main")
        if found := _TREE.fullmatch(self.path):
            return self._tree(found[1], found[2])
        if found := _FILE.fullmatch(self.path):
            return self._file(found[1], found[2], found[3])
        return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def _model(self, repository: str, revision: str) -> None:
        known = self.hub._resolve(repository, revision)
        if self.hub.fault == "garbage":
            return self._send(200, b"<html>a portal that wants a password</html>", {})
        if known is None:
            code = "RevisionNotFound" if repository in self.hub.commits else "RepoNotFound"
            return self._send(404, b"{}", {"X-Error-Code": code})
        commit, files = known
        siblings = [{"rfilename": n, "size": len(c)} for n, c in files.items()]
        body = {"id": repository, "modelId": repository, "sha": commit, "siblings": siblings,
                "private": False, "gated": False, "disabled": False, "tags": [],
                "downloads": 0, "likes": 0}  # fmt: skip
        return self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _tree(self, repository: str, revision: str) -> None:
        known = self.hub._resolve(repository, revision)
        if known is None:
            return self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        entries = [
            {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
            for n, c in known[1].items()
        ]
        return self._send(200, json.dumps(entries).encode(), {"Content-Type": "application/json"})

    def _file(self, repository: str, revision: str, name: str) -> None:
        known = self.hub._resolve(repository, revision)
        if known is None or name not in known[1]:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        commit, files = known
        content = files[name]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start and int(start[1]) < len(content):
            first, last = int(start[1]), len(content) - 1
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            return self._send(206, content[first:], headers)
        return self._send(200, content, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Accept-Ranges": "bytes", **headers}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            cut = self.hub.fault == "cut" and "/resolve/" in self.path
            self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = self.close_connection or cut

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    with FakeHub() as served:
        served.publish("Systran/faster-whisper-tiny", mini_en())
        print(f"HF_ENDPOINT={served.address}", flush=True)
        threading.Event().wait()
