"""A configuration made complete, checked and named.

Its compact form holds only what differs from the defaults, so that a dimension added later changes
no name and reruns nothing.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from parallel_transcription.errors import InputError
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.dimensions import BY_NAME, DEFAULTS, LANGUAGES, NAMES
from parallel_transcription.study.rates import around, is_on_ladder, share_of

_CONVERTERS: dict[str, Callable[[Any], Any]] = {"integer": int, "number": float}


class ConfigurationError(InputError):
    """Values that cannot go together; `dimension` names the one to change."""

    def __init__(self, dimension: str, message: str):
        super().__init__(message)
        self.dimension = dimension


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def complete(values: Mapping[str, Any]) -> Configuration:
    """A configuration that has the default wherever `values` names no dimension.

    Values become plain Python's: an id is made from their text.

    Raises:
        ConfigurationError: for an unknown dimension, or where `strategy` is missing.
    """
    unknown = set(values) - set(NAMES)
    if unknown:
        raise ConfigurationError(min(unknown), f"unknown dimension {min(unknown)!r}")
    given = {name: _plain(name, value) for name, value in values.items() if value is not None}
    if "strategy" not in given:
        raise ConfigurationError("strategy", "strategy is missing")
    return Configuration(**given)


def _plain(name: str, value: Any) -> Any:
    convert = _CONVERTERS.get(BY_NAME[name].schema.get("type", ""))
    return convert(value) if convert else value


def compact(configuration: Configuration) -> dict[str, Any]:
    """Only what differs from the defaults: what the name is made from and what a rerun looks at."""
    defaults = {**DEFAULTS, "callers": configuration.one_caller_each}
    return {
        name: value
        for name, value in configuration.as_json().items()
        if name not in defaults or value != defaults[name]
    }


@dataclass(frozen=True)
class _Rule:
    """Values that cannot go together on any machine: the dimension to change, and why."""

    dimension: str
    is_broken: Callable[[Configuration], bool]
    message: Callable[[Configuration], str]


_BATCHES = (
    "windows that are decoded together know no previous text and are decoded once; set "
    "condition_on_previous_text: false and temperature_fallback: false (by hand: "
    "--no-condition-on-previous-text --no-temperature-fallback), also for what batch_size is "
    "compared with, so that both do the same work"
)

#: The first one that is broken is told.
_RULES = (
    _Rule(
        "instances",
        lambda c: c.strategy == "one_model" and c.instances != 1,
        lambda c: f"one_model has 1 instance, not {c.instances}; use multi_model for several",
    ),
    _Rule(
        "device_index",
        lambda c: c.device == "cpu" and c.device_index != "0",
        lambda c: (
            f'a CPU has only device "0", not "{c.device_index}"; leave device_index out, or set '
            "device: cuda"
        ),
    ),
    _Rule(
        "compute_type",
        lambda c: c.device == "cpu" and c.compute_type in ("float16", "int8_float16"),
        lambda c: f"{c.compute_type} does not run on a CPU; use int8 or float32, or device: cuda",
    ),
    _Rule(
        "language",
        lambda c: c.language != "auto" and c.language not in LANGUAGES,
        lambda c: (
            f"Whisper has no language {c.language!r}{_similar(c.language)}; give a code such as "
            "en, or auto"
        ),
    ),
    _Rule(
        "device_index",
        lambda c: len(set(c.devices)) != len(c.devices),
        lambda c: f'"{c.device_index}" names a device twice; name each once',
    ),
    _Rule(
        "device_index",
        lambda c: c.strategy != "one_model" and len(c.devices) > c.instances,
        lambda c: (
            f'"{c.device_index}" has more devices than the {c.instances} instances: some would '
            "never get one; use at least as many instances as devices"
        ),
    ),
    _Rule(
        "callers",
        lambda c: not c.under_load and c.callers > c.one_caller_each,
        lambda c: (
            f"{c.callers} callers for {c.files_in_parallel} files: some would never get one; use "
            "at most as many callers as files"
        ),
    ),
    _Rule(
        "condition_on_previous_text",
        lambda c: c.batch_size > 0 and c.condition_on_previous_text,
        lambda c: _BATCHES,
    ),
    _Rule(
        "temperature_fallback",
        lambda c: c.batch_size > 0 and c.temperature_fallback,
        lambda c: _BATCHES,
    ),
    _Rule(
        "load",
        lambda c: c.load != "folder" and c.files_in_parallel > 0,
        lambda c: (
            f"{c.load} measures cold starts, not {c.files_in_parallel} files; set "
            "files_in_parallel: 0, or leave load out"
        ),
    ),
    _Rule(
        "load",
        lambda c: c.load != "folder" and c.instances == 1,
        lambda c: (
            f"{c.load} asks whether instances that start at once race; use multi_model or "
            "multi_process, with instances above 1"
        ),
    ),
    _Rule(
        "arrivals",
        lambda c: not c.under_load and bool(c.rate or c.requests or c.mix),
        lambda c: (
            "rate, requests and mix say how a load is; set arrivals to poisson, constant, bursts, "
            "closed or trace:<file>, or leave them out"
        ),
    ),
    _Rule(
        "discipline",
        lambda c: not c.under_load and c.discipline != "fifo",
        lambda c: "files that all come at once are taken in their order; set arrivals as well",
    ),
    _Rule(
        "files_in_parallel",
        lambda c: c.under_load and c.files_in_parallel != DEFAULTS["files_in_parallel"],
        lambda c: (
            f"with arrivals: {c.arrivals} files come as requests, not {c.files_in_parallel} at "
            "once; leave files_in_parallel out and give requests"
        ),
    ),
    _Rule(
        "rate",
        lambda c: c.arrivals in ("poisson", "constant", "bursts") and not c.rate,
        lambda c: f"{c.arrivals} needs a rate: requests per second such as 2, or a share as 70%",
    ),
    _Rule(
        "rate",
        lambda c: bool(c.rate) and (c.arrivals == "closed" or c.arrivals.startswith("trace:")),
        lambda c: f"{c.arrivals} says itself when requests come; leave rate out",
    ),
    _Rule(
        "rate",
        lambda c: bool(c.rate) and share_of(c.rate) is None and not is_on_ladder(float(c.rate)),
        lambda c: (
            f"{c.rate} is not on the ladder of rates; give "
            + (" or ".join(f"{r:g}" for r in around(float(c.rate))) if float(c.rate) else "more")
        ),
    ),
    _Rule(
        "requests",
        lambda c: c.under_load and not c.arrivals.startswith("trace:") and c.requests < 10,
        lambda c: f"{c.requests} say nothing of a load; give at least 10, better 40 or more",
    ),
    _Rule(
        "requests",
        lambda c: c.arrivals.startswith("trace:") and c.requests > 0,
        lambda c: "a trace says itself how many requests come; leave requests out",
    ),
    _Rule(
        "service",
        lambda c: (c.strategy == "service") != bool(c.service),
        lambda c: (
            f"{c.strategy} asks no service; set strategy: service, or leave service out"
            if c.service
            else "strategy: service needs the name of one of the study's services"
        ),
    ),
    _Rule(
        "arrivals",
        lambda c: c.strategy == "service" and not c.under_load,
        lambda c: "a service is measured under a load; set arrivals, for instance to poisson",
    ),
    _Rule(
        "slowdown",
        lambda c: c.strategy == "service" and c.slowdown > 0,
        lambda c: "nothing can be planted in a service; leave slowdown out",
    ),
    _Rule(
        "thread_env",
        lambda c: bool(_wrong_variables(c.thread_env)),
        lambda c: (
            f"{_wrong_variables(c.thread_env)[0]!r} stands there a second time or is no number of "
            "threads; give each variable once, and numbers such as OMP_NUM_THREADS=2"
        ),
    ),
    _Rule(
        "init_stagger_s",
        lambda c: c.init_stagger_s > 0 and c.instances == 1,
        lambda c: "a stagger needs several instances; set it to 0 or instances above 1",
    ),
)


def _wrong_variables(thread_env: str) -> list[str]:
    """Variables that are set twice, or that count threads by something else than a number."""
    wrong, seen = [], set()
    for one in thread_env.split():
        name, _, value = one.partition("=")
        counts = name.endswith("_NUM_THREADS")
        if name in seen or (counts and not re.fullmatch(r"[0-9]+(,[0-9]+)*", value)):
            wrong.append(one)
        seen.add(name)
    return wrong


def _similar(language: str) -> str:
    close = difflib.get_close_matches(language, sorted(LANGUAGES), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def check(configuration: Configuration) -> None:
    """Refuse values that cannot go together on any machine.

    Raises:
        ConfigurationError: with the dimension to change and what to do.
    """
    for rule in _RULES:
        if rule.is_broken(configuration):
            raise ConfigurationError(rule.dimension, rule.message(configuration))


def slug(text: str, longest: int = 40) -> str:
    """A part of a file name: lower-case letters, digits, dots and single dashes."""
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")
    return plain[:longest].rstrip("-.") or "x"


def identify(configuration: Configuration) -> str:
    """The configuration's id: readable in front, exact behind.

    Depends on nothing but the configuration, for example
    `one_model-mini-en-int8-cpu-i1-w2-t1-f2-3fa9c1d2`.
    """
    c = configuration
    digest = hashlib.sha256(canonical_json(compact(c)).encode()).hexdigest()[:8]
    model = slug(c.model.rstrip("/").rsplit("/", 1)[-1])
    device = c.device + ("" if c.device_index == "0" else c.device_index.replace(",", "."))
    work = f"f{c.files_in_parallel}"
    if c.under_load:
        work = f"{slug(c.arrivals, 20)}{c.rate.replace('%', 'p')}-c{c.callers}"
    strategy = f"{c.strategy}-{slug(c.service, 20)}" if c.service else c.strategy
    return (
        f"{strategy}-{model}-{c.compute_type}-{device}"
        f"-i{c.instances}-w{c.num_workers}-t{c.cpu_threads}"
        f"-{work}-{digest}"
    )
