"""Cold starts by a hub's name: the hub on the loopback, and the cache that each start finds.

What a measured process needs for it is in its environment, before it imports anything. The hub runs
in the supervisor, so its work takes CPU time of the same machine while the models load.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from parallel_transcription.measure.loopback_hub import Hub, Served

#: Beginnings of variables that steer huggingface_hub or point to another cache or a proxy.
_STEERING = ("hf_", "huggingface_", "hugging_face_", "xdg_cache_home")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_DOWNLOAD = (
    "import sys; from faster_whisper.utils import download_model; download_model(sys.argv[1])"
)


class NotFilled(OSError):
    """The cache that starts should find filled could not be filled: there is nothing to measure."""


class ByName:
    """What the starts of a run need that load a model by name, from entering it to leaving it.

    Args:
        served: The model.
        load: `cold` for an empty cache in each start, `cached` for one that all share.
        environment: The measured process's.
        timeout_s: The longest that filling the cache may take.
    """

    def __init__(self, served: Served, load: str, environment: Mapping[str, str], timeout_s: float):
        self._served, self._load, self._timeout_s = served, load, timeout_s
        self._environment = {
            name: value
            for name, value in environment.items()
            if not name.lower().startswith(_STEERING) and name.lower() not in _PROXIES
        }

    def __enter__(self) -> ByName:
        with ExitStack() as opened:
            self._hub = opened.enter_context(Hub(self._served))
            self._shared = Path(opened.enter_context(_folder()))
            if self._load == "cached":
                self._fill()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @contextlib.contextmanager
    def start(self) -> Iterator[dict[str, str]]:
        """The environment of one start, whose cache is there until it has ended."""
        if self._load == "cached":
            yield self._with_home(self._shared)
        else:
            with _folder() as fresh:
                yield self._with_home(Path(fresh))

    @property
    def answered(self) -> tuple[int, int]:
        """Requests that the hub has answered so far, and bytes of files that it sent."""
        return self._hub.answered

    def _with_home(self, home: Path) -> dict[str, str]:
        return self._environment | variables(self._hub.address, home)

    def _fill(self) -> None:
        done: subprocess.CompletedProcess[str] | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                [sys.executable, "-P", "-c", _DOWNLOAD, self._served.repository],
                env=self._with_home(self._shared),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout_s,
            )
        if done is None or done.returncode:
            last = done.stderr.strip().splitlines()[-1:] if done else ["it took too long"]
            raise NotFilled(f"the cache for load: cached could not be filled: {''.join(last)}")


def variables(address: str, home: Path) -> dict[str, str]:
    """What a process needs to ask this hub and no other, with a cache of its own in `home`."""
    return {
        "HF_ENDPOINT": address,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def _folder() -> tempfile.TemporaryDirectory[str]:
    prefix = "parallel-transcription-hub-"
    return tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
