"""One grid point: its complete form, its name, and what follows from it.

A configuration is a flat dict of plain ints, floats, bools and strings, one value per dimension
(see ``dimensions.py``). Its compact form holds only what differs from the defaults, so that a
dimension added later changes no name and reruns nothing.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from parallel_transcription.measure.placement import Configuration
from parallel_transcription.study.dimensions import DIMENSIONS, LANGUAGES


class ConfigurationError(ValueError):
    """Values that cannot go together; ``dimension`` names the one to change."""

    def __init__(self, dimension: str, message: str):
        super().__init__(message)
        self.dimension = dimension


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def complete(values: Mapping[str, Any]) -> Configuration:
    """Fill every dimension that ``values`` does not name with its default.

    Returns:
        A configuration with the dimensions in the table's order and plain types.

    Raises:
        ConfigurationError: for an unknown dimension, or where ``strategy`` is missing.
    """
    unknown = set(values) - {dimension.name for dimension in DIMENSIONS}
    if unknown:
        raise ConfigurationError(min(unknown), f"unknown dimension {min(unknown)!r}")
    configuration: Configuration = {}
    for dimension in DIMENSIONS:
        value = values.get(dimension.name, dimension.default)
        kind = dimension.schema.get("type")
        if kind == "integer" and value is not None:
            value = int(value)
        elif kind == "number":
            value = float(value)
        configuration[dimension.name] = value
    if configuration["strategy"] is None:
        raise ConfigurationError("strategy", "strategy is missing")
    if configuration["callers"] is None:
        configuration["callers"] = max(1, configuration["files_in_parallel"])
    return configuration


def compact(configuration: Mapping[str, Any]) -> Configuration:
    """Only what differs from the defaults: what the name is made from and what a rerun looks at."""
    default_callers = max(1, configuration["files_in_parallel"])
    return {
        dimension.name: configuration[dimension.name]
        for dimension in DIMENSIONS
        if configuration[dimension.name]
        != (default_callers if dimension.name == "callers" else dimension.default)
    }


def check(configuration: Mapping[str, Any]) -> None:
    """Refuse values that cannot go together on any machine.

    Raises:
        ConfigurationError: with the dimension to change and what to do.
    """
    c = configuration
    devices = c["device_index"].split(",")
    if c["strategy"] == "one_model" and c["instances"] != 1:
        raise ConfigurationError(
            "instances",
            f"one_model has 1 instance, not {c['instances']}; use multi_model for several",
        )
    if c["device"] == "cpu" and devices != ["0"]:
        raise ConfigurationError(
            "device_index",
            f'a CPU has only device "0", not "{c["device_index"]}"; '
            "leave device_index out, or set device: cuda",
        )
    if c["device"] == "cpu" and c["compute_type"] in ("float16", "int8_float16"):
        raise ConfigurationError(
            "compute_type",
            f"{c['compute_type']} does not run on a CPU; use int8 or float32, or device: cuda",
        )
    if c["language"] != "auto" and c["language"] not in LANGUAGES:
        close = difflib.get_close_matches(c["language"], sorted(LANGUAGES), 1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ConfigurationError(
            "language",
            f"Whisper has no language {c['language']!r}{hint}; give a code such as en, or auto",
        )
    if len(set(devices)) != len(devices):
        raise ConfigurationError(
            "device_index", f'"{c["device_index"]}" names a device twice; name each once'
        )
    if c["strategy"] != "one_model" and len(devices) > c["instances"]:
        raise ConfigurationError(
            "device_index",
            f'"{c["device_index"]}" has more devices than the {c["instances"]} instances: some '
            "would never get one; use at least as many instances as devices",
        )
    if c["callers"] > max(1, c["files_in_parallel"]):
        raise ConfigurationError(
            "callers",
            f"{c['callers']} callers for {c['files_in_parallel']} files: some would never get one; "
            "use at most as many callers as files",
        )
    if c["batch_size"] and (c["condition_on_previous_text"] or c["temperature_fallback"]):
        name = "condition_on_previous_text"
        if not c[name]:
            name = "temperature_fallback"
        raise ConfigurationError(
            name,
            "windows that are decoded together know no previous text and are decoded once; set "
            "condition_on_previous_text: false and temperature_fallback: false (by hand: "
            "--no-condition-on-previous-text --no-temperature-fallback), also for what batch_size "
            "is compared with, so that both do the same work",
        )
    if c["init_stagger_s"] and c["instances"] == 1:
        raise ConfigurationError(
            "init_stagger_s", "a stagger needs several instances; set it to 0 or instances above 1"
        )


def slug(text: str, longest: int = 40) -> str:
    """A part of a file name: lower-case letters, digits, dots and single dashes."""
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")
    return plain[:longest].rstrip("-.") or "x"


def identify(configuration: Mapping[str, Any]) -> str:
    """The configuration's id: readable in front, exact behind.

    Depends on nothing but the configuration, for example
    ``one_model-mini-en-int8-cpu-i1-w2-t1-f2-3fa9c1d2``.
    """
    c = configuration
    digest = hashlib.sha256(canonical_json(compact(c)).encode()).hexdigest()[:8]
    model = slug(c["model"].rstrip("/").rsplit("/", 1)[-1])
    device = c["device"] + ("" if c["device_index"] == "0" else c["device_index"].replace(",", "."))
    return (
        f"{c['strategy']}-{model}-{c['compute_type']}-{device}"
        f"-i{c['instances']}-w{c['num_workers']}-t{c['cpu_threads']}"
        f"-f{c['files_in_parallel']}-{digest}"
    )


#: Rounds above this number are fresh ones, which confirm the recommended settings; they took no
#: part in choosing these.
CONFIRMATION_ABOVE = 900


def run_id(configuration_id: str, round_number: int) -> str:
    """The run's id: configuration and round."""
    return f"{configuration_id}-r{round_number:02d}"


def round_of(run: str) -> tuple[str, int]:
    """The configuration's id and the round that a run's id names."""
    configuration_id, _, number = run.rpartition("-r")
    return configuration_id, int(number)
