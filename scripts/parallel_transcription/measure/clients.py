"""How a service is asked for the text of a file: over HTTP, or by the Wyoming protocol.

What is sent is made before the clock runs, so that in the timed window a client does little but
wait. It asks the host that the study names, past any proxy, and follows no
redirect.
"""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: A connection that was idle for so long is not used again: a service may be closing it.
_IDLE_S = 1.0
#: HTTP statuses of a service that has too much to do.
_BUSY = (429, 503)
_PCM_BYTES = 2  # per sample
_CHUNK_S = 1.0
_LONGEST_SAID = 200


@dataclass(frozen=True, kw_only=True)
class Service:
    """How a service is started and asked; `{port}` stands for a free one, where there is a command.

    `command` are its words, None for one that runs already; `ready` is the path that answers once
    it is, None where it suffices that it takes connections; `path`, `file_field`, `fields` and
    `text` say what is posted where and where the answer has the text (`protocol: http`);
    `timeout_s` is the longest that an answer may take.
    """

    name: str
    protocol: str
    url: str
    command: list[str] | None = None
    ready: str | None = None
    path: str = ""
    file_field: str = "file"
    fields: dict[str, str] = field(default_factory=dict)
    text: str = "text"
    environment: dict[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0

    def at(self, port: int) -> Service:
        """The service with its port filled in."""
        values = dict(vars(self))
        values["url"] = self.url.replace("{port}", str(port))
        values["command"] = self.command and [w.replace("{port}", str(port)) for w in self.command]
        values["environment"] = {
            name: value.replace("{port}", str(port)) for name, value in self.environment.items()
        }
        return Service(**values)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)


class NoAnswer(RuntimeError):
    """A service gave no text for a request; under a load, that request was in time for nobody."""

    status = "refused"


#: Takes what was made of a file; returns its text, and its language where that is told.
Ask = Callable[[Any], tuple[str, str]]


def prepared(service: Service, files: Iterable[str]) -> dict[str, Any]:
    """What is sent for each file, by its path: made once, outside of any window."""
    make = _wyoming_request if service.protocol == "wyoming" else _upload
    return {path: make(service, path) for path in dict.fromkeys(files)}


def client(service: Service) -> Ask:
    """Access to a service, for any number of threads at once.

    A call raises `NoAnswer`, with what was wrong.
    """
    return _wyoming(service) if service.protocol == "wyoming" else _http(service)


def is_ready(service: Service) -> bool:
    """Whether it takes connections, and its `ready` path answers."""
    try:
        with socket.create_connection(service.address, timeout=1):
            pass
    except OSError:
        return False
    if service.ready is None:
        return True
    import httpx2

    try:
        return httpx2.get(service.url + service.ready, timeout=5, trust_env=False).is_success
    except httpx2.HTTPError:
        return False


# -------------------------------------------------------------------------------- HTTP


def _upload(_: Service, path: str) -> tuple[str, bytes]:
    return Path(path).name, Path(path).read_bytes()


def _http(service: Service) -> Ask:
    import httpx2

    connection = httpx2.Client(
        base_url=service.url,
        timeout=service.timeout_s,
        limits=httpx2.Limits(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=_IDLE_S
        ),
        trust_env=False,
    )

    def ask(upload: tuple[str, bytes]) -> tuple[str, str]:
        try:
            answer = connection.post(
                service.path, files={service.file_field: upload}, data=service.fields
            )
        except httpx2.TimeoutException:
            raise NoAnswer(f"no answer within {service.timeout_s:g} s") from None
        except httpx2.HTTPError as error:
            raise NoAnswer(f"the connection broke ({error or type(error).__name__})") from None
        if not answer.is_success:
            busy = " (too much to do)" if answer.status_code in _BUSY else ""
            raise NoAnswer(
                f"HTTP {answer.status_code}{busy}: {answer.text[:_LONGEST_SAID].strip()}"
            )
        return _text_in(answer.text, service.text)

    return ask


def _text_in(body: str, key: str) -> tuple[str, str]:
    """The text and the language of an answer: a key of a JSON object, or all of it without one."""
    if not key:
        return body.strip(), ""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    text = content.get(key) if isinstance(content, dict) else None
    if not isinstance(text, str):
        raise NoAnswer(f"the answer has no {key!r}: {body[:_LONGEST_SAID].strip()}")
    return text.strip(), str(content.get("language") or "")


# -------------------------------------------------------------------------------- Wyoming


def _wyoming_request(service: Service, path: str) -> bytes:
    """All events of a request: the audio as 16-bit samples, a second in each."""
    import numpy as np
    from faster_whisper import decode_audio
    from wyoming.asr import Transcribe
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.event import write_event

    from parallel_transcription.measure.transcriber import SAMPLES_PER_SECOND

    samples = np.clip(np.asarray(decode_audio(path)) * 32768, -32768, 32767).astype("<i2").tobytes()
    form: dict[str, int] = {"rate": SAMPLES_PER_SECOND, "width": _PCM_BYTES, "channels": 1}
    step = int(SAMPLES_PER_SECOND * _CHUNK_S) * _PCM_BYTES
    events = [
        Transcribe(language=service.fields.get("language")).event(),
        AudioStart(**form).event(),
        *(
            AudioChunk(**form, audio=samples[at : at + step]).event()
            for at in range(0, len(samples), step)
        ),
        AudioStop().event(),
    ]
    stream = io.BytesIO()
    for event in events:
        write_event(event, stream)
    return stream.getvalue()


def _wyoming(service: Service) -> Ask:
    from wyoming.asr import Transcript
    from wyoming.event import read_event

    def ask(request: bytes) -> tuple[str, str]:
        try:
            with socket.create_connection(service.address, timeout=service.timeout_s) as connection:
                connection.sendall(request)
                with connection.makefile("rb") as answers:
                    while (event := read_event(answers)) is not None:
                        if Transcript.is_type(event.type):
                            told = Transcript.from_event(event)
                            return told.text.strip(), told.language or ""
        except TimeoutError:
            raise NoAnswer(f"no answer within {service.timeout_s:g} s") from None
        except (OSError, ValueError) as error:
            raise NoAnswer(f"the connection broke ({error})") from None
        raise NoAnswer("the connection was closed without a transcript")

    return ask
