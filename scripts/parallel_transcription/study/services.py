"""The services of a study: how each is started and asked, checked before anything runs.

Words in braces stand for what a configuration is: any of its dimensions by name, `{model}` for the
prepared model's folder, `{python}` for this one, and `{port}` for a free port.
"""

from __future__ import annotations

import re
import shlex
import shutil
import string
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.dimensions import NAMES
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.messages import closest

#: What is posted where, by the protocol's name in a study (`settings.PROTOCOLS`).
_PRESETS: dict[str, dict[str, Any]] = {
    "openai": {
        "path": "/v1/audio/transcriptions",
        "fields": {"model": "{model}", "language": "{language}", "response_format": "json"},
    },
    "asr": {
        "path": "/asr?task=transcribe&output=json&language={language}",
        "file_field": "audio_file",
    },
    "inference": {
        "path": "/inference",
        "fields": {"language": "{language}", "response_format": "json"},
    },
    "wyoming": {"fields": {"language": "{language}"}},
}
WYOMING = "wyoming"
PORT = "{port}"
#: A name of a host (RFC 1123) or an address; that of IPv6 comes without its brackets.
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f:.%]*:.*"
)
_PLACEHOLDERS = (*NAMES, "python", "port")


@dataclass(frozen=True, kw_only=True)
class ServiceOfStudy:
    """A service as a study has it; texts with their placeholders."""

    protocol: str
    url: str
    command: str = ""
    ready: str = ""
    path: str = ""
    file_field: str = "file"
    fields: dict[str, str] = field(default_factory=dict)
    text: str = "text"
    env: dict[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> Iterable[tuple[str, str]]:
        """All texts that may have placeholders, with their keys."""
        yield from ((key, getattr(self, key)) for key in ("url", "command", "ready", "path"))
        yield from ((f"fields.{key}", value) for key, value in self.fields.items())
        yield from ((f"env.{key}", value) for key, value in self.env.items())


def of_settings(said: Mapping[str, Any]) -> ServiceOfStudy:
    """A service by what a study says of it, with what its protocol has for the rest."""
    preset = _PRESETS[said["protocol"]]
    scheme = "tcp" if said["protocol"] == WYOMING else "http"
    values = {"url": f"{scheme}://127.0.0.1:{PORT}"} | preset | dict(said)
    values["fields"] = {**preset.get("fields", {}), **said.get("fields", {})}
    return ServiceOfStudy(**values)


def filled(text: str, configuration: Configuration, model_folder: str) -> str:
    """A text with its placeholders filled, but for the port."""
    values = configuration.as_json() | {"model": model_folder, "python": sys.executable}
    plain = {key: _plain(value) for key, value in values.items()}
    return text.format_map(plain | {"port": PORT})


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_services(
    configurations: Iterable[Configuration],
    services: Mapping[str, Any],
    file: str,
    here: bool,
) -> dict[str, ServiceOfStudy]:
    """The services that some configurations are of, by name.

    Args:
        configurations: Those of the grid.
        services: The study's setting.
        file: The study's, for messages.
        here: Whether this host measures, so that its programs can be looked for.

    Raises:
        StudyError: with a line for each service that cannot be started or asked as it is written.
    """
    found = {name: of_settings(said) for name, said in services.items()}
    problems = [
        f"{file}: services.{name}{problem}"
        for name, service in found.items()
        for problem in _problems(service, services[name], here)
    ]
    for name in sorted({c.service for c in configurations if c.strategy == "service"} - {*found}):
        problems.append(
            f"{file}: service: {name!r} is none of services ({', '.join(sorted(found)) or 'none'})"
            f"{closest(name, found)}; describe it there"
        )
    if problems:
        raise StudyError("\n".join(problems))
    return found


def _problems(service: ServiceOfStudy, said: Mapping[str, Any], here: bool) -> Iterable[str]:
    """What is wrong with a service, each with its key."""
    unknown = [(key, one) for key, text in service.texts for one in _unknown_in(text)]
    for key, one in unknown:
        yield (
            f".{key}: {{{one}}} stands for nothing{closest(one, _PLACEHOLDERS)}; known are the "
            "dimensions by name, {model}, {python} and {port}; a plain brace is written twice"
        )
    for name in service.env:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield f".env: {name!r} is no name of a variable; use letters, digits and _"
    if service.command and not service.command.strip():
        yield ".command: is blank; give the command that starts it"
        return
    if not service.command and "url" not in said:
        yield ": give the command that starts it, or the url of one that runs already"
    elif service.command and PORT not in service.command and "url" not in said:
        yield ".command: write {port} where it says on which port to listen, or give its url"
    elif not service.command and PORT in service.url:
        yield ".url: {port} is a free port for a command; give the port of the one that runs"
    schemes = ("tcp",) if service.protocol == WYOMING else ("http", "https")
    try:
        parts = urlsplit(service.url.replace(PORT, "1"))
        host = parts.hostname or ""
        right = parts.scheme in schemes and parts.port != 0 and bool(_HOST.fullmatch(host))
    except ValueError:
        right = False
    if not right:
        yield f".url: {service.url!r} is no address; give it as {schemes[0]}://host:port"
    try:
        words = shlex.split(service.command)
    except ValueError as error:
        yield f".command: cannot be split into words ({error}); mind its quotes"
        return
    if here and words and "{" not in words[0] and shutil.which(words[0]) is None:
        yield f".command: {words[0]!r} is no program of this machine; install it, or give its path"


def _unknown_in(text: str) -> list[str]:
    """Placeholders that stand for nothing, or ask for a form that texts have not (`{port:d}`)."""
    try:
        parts = [part for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError:
        return [text]
    return [
        f"{name}{f'!{conversion}' if conversion else ''}{f':{form}' if form else ''}"
        for _, name, form, conversion in parts
        if name not in _PLACEHOLDERS or form or conversion
    ]
