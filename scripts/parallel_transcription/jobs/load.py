"""The load that a run is under: its schedule's seed, and its rate in requests per second."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parallel_transcription.errors import InputError
from parallel_transcription.inputs import traces
from parallel_transcription.measure.arrivals import Load, Stratum
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.study.configuration import canonical_json
from parallel_transcription.study.loads import trace_of
from parallel_transcription.study.rates import on_ladder, share_of


@dataclass(frozen=True)
class ToldLoad:
    """What a plan says of a run's load, and the record that its rate is a share of."""

    strata: list[dict[str, Any]]
    trace: str | None = None
    capacity: Path | None = None


def load_of(
    configuration: Configuration,
    told: ToldLoad | None,
    audio: Sequence[Mapping[str, Any]],
    number: int,
    timeout_s: float,
) -> Load | None:
    """The load of a run; None where all files come at one moment.

    Args:
        configuration: Of the run.
        told: By the plan; by hand, all files come as often.
        audio: Manifests of the files.
        number: The run's round.
        timeout_s: How long the last requests are waited for.

    Raises:
        InputError: for a share of a capacity that is not known, and for a trace that is not the
            planned one.
    """
    if not configuration.under_load:
        return None
    told = told or ToldLoad([{"name": "", "weight": 1.0, "files": list(range(len(audio)))}])
    trace = _trace(configuration, told)
    kind = "trace" if trace else configuration.arrivals
    what = [
        kind,
        configuration.requests,
        told.strata,
        [sound["sha256"] for sound in audio],
        trace,
    ]
    return Load(
        arrivals=kind,
        rate=_rate(configuration, told),
        requests=configuration.requests,
        discipline=configuration.discipline,
        strata=[Stratum(**one) for one in told.strata],
        seconds=[float(sound["seconds"]) for sound in audio],
        seed=hashlib.sha256(canonical_json(what).encode()).hexdigest()[:16],
        round=number,
        give_up_s=timeout_s,
        trace=trace,
    )


def as_recorded(load: Load | None, told: ToldLoad | None) -> dict[str, Any] | None:
    """A load as the run record keeps it: how many, how often, of which files."""
    if load is None:
        return None
    capacity = told and told.capacity
    return {
        "arrivals": load.arrivals,
        "rate": load.rate or None,
        "capacity_rps": capacity_in(capacity) if capacity else None,
        "requests": load.counted,
        "lead_in": load.lead_in,
        "seed": load.seed,
        "strata": [asdict(one) for one in load.strata],
    }


def capacity_in(file: Path) -> float:
    """The capacity that a record tells; errors as of `capacity_of`."""
    return capacity_of(json.loads(file.read_text(encoding="utf-8")), str(file))


def capacity_of(content: Mapping[str, Any], name: str = "the trial") -> float:
    """Requests per second that a closed loop served: of the counted ones of all its passes.

    Args:
        content: The run record of the closed loop.
        name: What messages call it.

    Raises:
        InputError: where it served none.
    """
    passes = [
        one
        for start in content["starts"]
        for one in start["passes"]
        if one["repeat"] >= 1 and one["status"] == "ok"
    ]
    served = sum(
        task.get("counted", True) and task.get("status", "ok") == "ok"  # else it was refused
        for one in passes
        for task in one["transcriptions"]
    )
    lasted = sum(one["makespan_s"] for one in passes)
    if not served or lasted <= 0:
        raise InputError(
            f"{name}: what the machine carries is not known, since that run served nothing "
            f"({content['error'] or content['status']}); give rates in requests per second, or "
            "settings that work"
        )
    return float(served / lasted)


def _rate(configuration: Configuration, told: ToldLoad) -> float:
    """Requests per second; 0 where the arrivals themselves say when requests come."""
    if not configuration.rate:
        return 0.0
    share = share_of(configuration.rate)
    if share is None:
        return float(configuration.rate)
    if told.capacity is None:
        raise InputError(
            f"rate {configuration.rate} is a share of what the machine carries, which only a "
            "study measures; by hand, give requests per second"
        )
    return on_ladder(share * capacity_in(told.capacity))


def _trace(configuration: Configuration, told: ToldLoad) -> list[tuple[float, float]] | None:
    name = trace_of(configuration)
    if name is None:
        return None
    requests = traces.read(PROJECT_ROOT / name, name)
    content = hashlib.sha256(canonical_json(requests).encode()).hexdigest()
    if told.trace not in (None, content):
        raise InputError(f"{name!r} changed while the study ran; start it again")
    return requests
