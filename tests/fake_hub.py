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
import io
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))  # by hand

from parallel_transcription.measure.by_name import variables
from parallel_transcription.measure.loopback_hub import Content, Handler, Hub

MINI_EN = Path(__file__).resolve().parent.parent / "resources" / "models" / "mini-en"


def mini_en() -> dict[str, bytes]:
    """The files of the embedded model that faster-whisper downloads."""
    names = ("config.json", "model.bin", "preprocessor_config.json", "tokenizer.json",
             "vocabulary.json")  # fmt: skip
    return {name: (MINI_EN / name).read_bytes() for name in names}


@dataclass
class FakeHub(Hub):
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

    def __post_init__(self) -> None:
        super().__init__()
        self.stopped = threading.Event()

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
            **variables(self.address, home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_ETAG_TIMEOUT": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "HF_TOKEN": "",
        }

    def asked_for(self, file: str) -> int:
        """How often a file's content was fetched."""
        return sum(way == "GET" and path.endswith(f"/{file}") for way, path in self.requests)

    def __exit__(self, *error: Any) -> None:
        self.stopped.set()
        super().__exit__(*error)

    def resolve(self, repository: str, revision: str) -> tuple[str, dict[str, Content]] | None:
        history = self.commits.get(repository, {})
        commit = self.names.get(repository, {}).get(revision, revision)
        if commit not in history:
            return None
        return commit, {name: _content(data) for name, data in history[commit].items()}

    def knows(self, repository: str) -> bool:
        return repository in self.commits


def _content(data: bytes) -> Content:
    return Content(len(data), hashlib.sha256(data).hexdigest(), lambda: io.BytesIO(data))


class _Handler(Handler):
    hub: FakeHub

    def answer(self) -> None:
        hub = self.hub
        hub.requests.append((self.command, self.path))
        time.sleep(hub.delay_s)
        if hub.fault == "hang":
            hub.stopped.wait(60)
        elif hub.fault in ("401", "403", "404", "500"):
            codes = {"401": "RepoNotFound", "403": "GatedRepo", "404": "RepoNotFound"}
            self.say(int(hub.fault), b"{}", {"X-Error-Code": codes.get(hub.fault, "")})
        else:
            super().answer()

    def model(self, repository: str, revision: str) -> None:
        if self.hub.fault == "garbage":
            self.say(200, b"<html>a portal that wants a password</html>", {})
        else:
            super().model(repository, revision)

    def send(self, content: Content, first: int) -> None:
        if self.hub.fault == "cut":
            with content.open() as file:
                self.wfile.write(file.read()[first : (first + content.size) // 2])
            self.close_connection = True
        else:
            super().send(content, first)


FakeHub.handler = _Handler


if __name__ == "__main__":
    with FakeHub() as served:
        served.publish("Systran/faster-whisper-tiny", mini_en())
        print(f"HF_ENDPOINT={served.address}", flush=True)
        threading.Event().wait()
