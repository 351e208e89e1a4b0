"""Between Python's types and JSON or YAML: plain values out, checked dataclasses in."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml

from parallel_transcription.errors import TableError
from parallel_transcription.files import write_json

T = TypeVar("T")


def plain(value: Any) -> Any:
    """JSON-ready: numpy types to Python's, nan and infinities to None, floats to 6 digits."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, pd.Index, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return float(f"{number:.6g}") if math.isfinite(number) else None
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    return str(value)


def unusable(path: Path, error: Exception | str) -> TableError:
    """The error of a file that holds something else than this workflow writes there."""
    reason = " ".join(str(error).split())[:200]
    return TableError(
        f"{path} is not what this workflow writes ({reason}); remove it and make it again"
    )


def read_checked(path: Path, kind: type[T], load: Callable[[str], Any] = json.loads) -> T | None:
    """What a file holds, checked; None where there is no file.

    Args:
        path: The file.
        kind: What it holds, as for `checked`.
        load: Makes the values of its text.

    Raises:
        TableError: The file is there and holds something else.
    """
    if not path.is_file():
        return None
    try:
        return checked(kind, load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise unusable(path, error) from None


def write_plain(found: Any, path: Path) -> None:
    """Write a dataclass, with all that is in it, as JSON."""
    write_json(path, plain(dataclasses.asdict(found)), indent=2)


def read_of_machines(folder: Path, file: str, kind: type[T]) -> dict[str, T]:
    """What a results folder holds of a kind, by machine: `<machine>/<file>`, checked.

    Raises:
        TableError: A file is there and holds something else.
    """
    read = {p.parent.name: read_checked(p, kind) for p in sorted(folder.glob(f"*/{file}"))}
    return {machine: one for machine, one in read.items() if one is not None}


def checked(kind: type[T], value: object, where: str = "") -> T:
    """A value of JSON or YAML as a dataclass, with all that is in it.

    Args:
        kind: The dataclass; its fields may be dataclasses, enums, lists, dicts, unions and
            simple types. Fields with a default may be missing; none may be unknown.
        value: What was read.
        where: What the message of an error calls it; the name of the dataclass unless given.

    Raises:
        ValueError: The value is no such thing; the message names the place.
    """
    name = kind.__name__ if dataclasses.is_dataclass(kind) else ""
    return typing.cast(T, _checked(kind, value, where or name))


def _checked(kind: Any, value: object, where: str) -> Any:
    if kind is Any:
        return value
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _one_of(inner, value, where)
    if origin is list and isinstance(value, list):
        return [_checked(inner[0], v, f"{where}[{k}]") for k, v in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {k: _checked(inner[1], v, f"{where}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _made(kind, value, where)
    if isinstance(kind, type):
        if issubclass(kind, Enum) and any(value == member.value for member in kind):
            return kind(value)
        number = kind is float and isinstance(value, int) and not isinstance(value, bool)
        if number or type(value) is kind or (kind is type(None) and value is None):
            return value
    raise ValueError(f"{where}: {str(value)[:60]!r} is no {getattr(kind, '__name__', kind)}")


def _one_of(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    errors = []
    for kind in kinds:
        try:
            return _checked(kind, value, where)
        except ValueError as error:
            errors.append(error)
    raise errors[0]


def _made(kind: Any, value: dict[str, object], where: str) -> Any:
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    unknown = set(value) - {field.name for field in fields}
    nothing = dataclasses.MISSING
    missing = {
        field.name
        for field in fields
        if field.name not in value and field.default is field.default_factory is nothing
    }
    if unknown or missing:
        told = [f"has no {n}" for n in sorted(missing)] + [f"has a {n}" for n in sorted(unknown)]
        raise ValueError(f"{where} {', '.join(told)}")
    return kind(**{k: _checked(hints[k], v, f"{where}.{k}") for k, v in value.items()})
