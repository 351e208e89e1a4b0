"""Where a configuration's models and workers stand: its devices and how many work on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Configuration = dict[str, Any]


def devices_of(configuration: Mapping[str, Any]) -> list[int]:
    """The device numbers, in order."""
    return [int(number) for number in configuration["device_index"].split(",")]


def total_workers(configuration: Mapping[str, Any]) -> int:
    """Workers over all instances and devices (``num_workers`` counts per device)."""
    devices = len(devices_of(configuration)) if configuration["strategy"] == "one_model" else 1
    return configuration["instances"] * configuration["num_workers"] * devices
