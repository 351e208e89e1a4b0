"""What is said of every key of a study file, and the forms that their values have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """One key of a study file: a dimension of the grid, a setting, or what is asked of a machine.

    `default` None means that the key is required or may be left out; `schema` constrains one
    value (JSON schema, draft 2020-12); `doc` is its line in config/README.md, in `--help` and
    in messages.
    """

    name: str
    default: Any
    schema: dict[str, Any]
    doc: str
    required: bool = False


def integer(minimum: int, maximum: int) -> dict[str, Any]:
    """An integer between bounds that both are allowed."""
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


def share() -> dict[str, Any]:
    """A number between 0 and 1, both excluded."""
    return {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}


def positive(maximum: float) -> dict[str, Any]:
    """A number above 0, up to a bound that is allowed."""
    return {"type": "number", "exclusiveMinimum": 0, "maximum": maximum}


def one_or_list(schema: dict[str, Any]) -> dict[str, Any]:
    """A value, or a list of at least one."""
    alternatives = schema.get("anyOf", [schema])
    return {"anyOf": [*alternatives, {"type": "array", "minItems": 1, "items": schema}]}


def as_whole(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value that its schema allows, with integers where the schema has them: 5.0 is 5.

    JSON's schemas take 5.0 for an integer, Python's `range` does not.
    """
    if isinstance(value, float):
        kinds = {one.get("type") for one in (schema, *schema.get("anyOf", ()))}
        return int(value) if "integer" in kinds and "number" not in kinds else value
    nested = [one for one in schema.get("anyOf", ()) if one.get("type") in ("array", "object")]
    for one in (schema, *nested):
        if isinstance(value, list) and "items" in one:
            value = [as_whole(inner, one["items"]) for inner in value]
        if isinstance(value, Mapping):
            known, others = one.get("properties", {}), one.get("additionalProperties")
            others = others if isinstance(others, Mapping) else {}
            value = {key: as_whole(v, known.get(key, others)) for key, v in value.items()}
    return value


#: Dimensions whose values may follow the machine (`study.following`).
FOLLOWING = ("instances", "num_workers", "cpu_threads", "files_in_parallel", "callers")
#: How they do: `cpus`, `cpus/2`, `2*cpus`; the groups are factor and divisor.
FOLLOWS_CPUS = r"^(?:([1-9][0-9]{0,3})\*)?cpus$|^cpus/([1-9][0-9]{0,3})$"


def following(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a dimension's value in a study: where it may, it can follow the machine."""
    if name not in FOLLOWING:
        return schema
    return {"anyOf": [schema, {"type": "string", "pattern": FOLLOWS_CPUS}]}
