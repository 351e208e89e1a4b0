"""What to paste: the recommended settings as arguments, as Python and as a service's settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from parallel_transcription import words
from parallel_transcription.findings import services
from parallel_transcription.findings.bands import bands_of
from parallel_transcription.findings.choose import Choice, choices, confirmation, settled
from parallel_transcription.findings.machine import GROUP, Machine
from parallel_transcription.findings.objectives import objectives
from parallel_transcription.results.finding import Finding, Group, Row
from parallel_transcription.results.read import Results
from parallel_transcription.results.recommended import (
    Alternative,
    Arguments,
    ForLoad,
    Measured,
    Recommendation,
    call,
    device_list,
)
from parallel_transcription.results.typed import plain
from parallel_transcription.study.dimensions import DEFAULTS
from parallel_transcription.study.settings import P95

LIMITS = ("max_memory_mb", "max_gpu_memory_mb", "max_cores", "max_file_s", "max_wer_increase")
NOTHING = "nothing to recommend"
MEASURED = tuple(Measured.__dataclass_fields__)


def arguments(row: Row) -> Arguments:
    """WhisperModel's arguments for one instance."""
    devices = device_list(row["device_index"])
    if row["strategy"] != "one_model" and isinstance(devices, list):
        devices = devices[0]  # instances are spread over the devices, one each
    return Arguments(
        row["model"],
        row["device"],
        devices,
        row["compute_type"],
        int(row["cpu_threads"]),
        int(row["num_workers"]),
    )


def snippet(row: Row) -> str:
    """The same as one line of Python."""
    devices = device_list(row["device_index"])
    return call(arguments(row), row["strategy"], int(row["instances"]), devices, one_line=True)


def _options(row: Row) -> list[str]:
    """Arguments of `transcribe` that are not what it takes by itself: what was measured."""
    unlike = {
        name
        for name in (
            "language", "beam_size", "word_timestamps", "condition_on_previous_text",
            "temperature_fallback",
        )
        if row[name] != DEFAULTS[name]
    }  # fmt: skip
    found = [f"language={row['language']!r}"] if "language" in unlike else []
    found += [f"beam_size={int(row['beam_size'])}"] if "beam_size" in unlike else []
    found += ["word_timestamps=True"] if "word_timestamps" in unlike else []
    if "condition_on_previous_text" in unlike and not row["batch_size"]:  # batches never do
        found.append("condition_on_previous_text=False")
    found += ["temperature=0.0"] if "temperature_fallback" in unlike else []
    return found


def _how_to_transcribe(row: Row) -> list[str]:
    """The call that transcribes, where it is not `WhisperModel.transcribe` as it comes."""
    options = _options(row)
    if not row["batch_size"]:
        options += ["vad_filter=True"] if row["vad_filter"] else []
        return [f"Transcribe with model.transcribe(file, {', '.join(options)})."] if options else []
    cuts = "" if row["vad_filter"] else (
        " Without a voice detector it needs clip_timestamps, windows of 30 s such as "
        '[{"start": 0, "end": 30}, …].'
    )  # fmt: skip
    told = [
        f"batch_size={int(row['batch_size'])}",
        "without_timestamps=False",
        f"vad_filter={bool(row['vad_filter'])}",
        *options,
    ]
    pipeline = "BatchedInferencePipeline(model)"
    return [f"Transcribe with {pipeline}.transcribe(file, {', '.join(told)}).{cuts}"]


def alternatives(choice: Choice) -> dict[str, Alternative | None]:
    """Pareto points within the limits that save memory or cores, with their throughput."""
    winner = choice.winner
    front = [r for r in choice.table if r["pareto"] and not r["trouble"] and not r["broken"]]
    result: dict[str, Alternative | None] = {"memory_saving": None, "core_saving": None}
    for name, field in (("memory_saving", choice.memory), ("core_saving", "cores_used")):
        known = [r for r in front if r[field] > 0]
        if winner is None or not known or not winner[field] > 0:
            continue
        least = min(r[field] for r in known)
        near = [r for r in known if r[field] <= 1.05 * least]
        pick = max(near, key=lambda r: (r["rtfx"], r["arm"]))
        if pick is not winner and pick[field] < 0.95 * winner[field]:
            saving = {
                "snippet": snippet(pick),
                "throughput_share": pick["rtfx"] / winner["rtfx"],
                "saved": 1 - pick[field] / winner[field],
            }
            result[name] = Alternative(**plain({k: pick[k] for k in MEASURED} | saving))
    return result


def recommendation(machine: Machine, choice: Choice, doubt: str = "") -> Recommendation:
    """A choice as recommended.yaml holds it.

    Args:
        machine: Whose tables.
        choice: The choice.
        doubt: What keeps it open whatever matches say; "" for nothing.
    """
    group, row = choice.group, choice.winner
    limits = {k: machine.limits.get(k) for k in LIMITS}
    work = {name: group[name] for name in ("model", "compute_type", "device")}
    work["files_in_parallel"] = int(group["files_in_parallel"])
    if row is None:
        return Recommendation(NOTHING, choice.reason, **work, limits=limits)
    fresh = confirmation(machine, choice)
    if doubt:
        fresh = replace(fresh, status="in doubt")
    notes = [*([doubt] if doubt else []), *_how_to_transcribe(row), *services.notes(row)]
    if str(row["model"]).startswith(("dummy-", "mini-")):
        notes = [
            f"{row['model']} is a model of this project: put your own model's name or folder, and "
            "measure with it before you rely on the numbers.",
            *notes,
        ]
    others = [r for r in choice.table if r is not row]
    return Recommendation(
        status=fresh.status,
        **work,
        strategy=row["strategy"],
        whisper_model=arguments(row),
        instances=int(row["instances"]),
        callers=int(row["callers"]),
        environment=dict(v.split("=", 1) for v in str(row["thread_env"]).split() if "=" in v),
        snippet=snippet(row),
        melvin_asr=services.melvin_asr(row),
        services=services.others(row),
        evidence=Measured(**plain({k: row[k] for k in MEASURED})),
        confirmation=fresh,
        limits=limits,
        as_good=[r["configuration"] for r in others if r["standing"] in ("tied", "fastest")],
        undecided=[r["configuration"] for r in choice.table if r["standing"] == "open"],
        alternatives=alternatives(choice),
        notes=notes,
    )


#: What those under a load agree in that compete with each other: one service may offer more models.
_KINDS_OF_WORK = (*GROUP, "thread_env", "language", "beam_size", "word_timestamps")


def for_loads(machine: Machine) -> list[ForLoad]:
    """For each kind of load, the settings that carry the most of it within the objectives."""
    loads = machine.loads
    asked = objectives(machine.study["slo"])
    if loads is None or not asked:
        return []
    arms = {arm["arm"]: arm for arm in loads.arms.to_dict("records")}
    found: dict[str, ForLoad] = {}
    bands = bands_of(loads, asked)
    differing = [
        name for name in _KINDS_OF_WORK if len({arms[one.at["arm"]][name] for one in bands}) > 1
    ]
    for band in bands:
        arm = arms[band.at["arm"]]
        work = [
            str(arm[name]) if name in GROUP else f"{name} {arm[name]}"
            for name in differing
            if arm[name] not in ("", 0)
        ]
        kind = ", ".join([words.load({**arm, "rate": ""}), *work])
        if not band.highest or kind in found:
            continue
        within = words.listing([str(one) for one in asked])
        not_at = band.lowest_missed if math.isfinite(band.lowest_missed) else None
        found[kind] = _for_load(machine, arm, kind, within, band.highest, band.streams, not_at)
    return list(found.values())


def searched_for_loads(machine: Machine) -> list[ForLoad]:
    """What a search for the lowest p95 found, for each load."""
    loads, search = machine.loads, machine.results.searches.get(machine.label)
    if loads is None or search is None or search.objective != P95:
        return []
    arms = {arm["configuration"]: arm for arm in loads.arms.to_dict("records")}
    found = []
    for one in search.certificates:
        arm = arms.get(one.best)
        if arm is None:  # other records than those of the search
            continue
        runs = loads.runs[loads.runs["arm"] == arm["arm"]]
        lengths = loads.timings[loads.timings["run"].isin(runs["run"])]["audio_seconds"]
        rate = float(runs["offered_rps"].median())
        told = _for_load(machine, arm, words.load(arm), "", rate, rate * float(lengths.mean()))
        found.append(replace(told, better_by=one.better_by))
    return found


def _for_load(
    machine: Machine,
    arm: Row,
    kind: str,
    within: str,
    rate: float,
    streams: float,
    not_at: float | None = None,
) -> ForLoad:
    return ForLoad(
        load=kind,
        objectives=within,
        rate=rate,
        streams=streams,
        not_at=not_at,
        configuration=arm["configuration"],
        strategy=arm["strategy"],
        instances=int(arm["instances"]),
        # a client has more connections open than a service serves at once
        callers=int(arm["total_workers"] if arm["service"] else arm["callers"]),
        discipline=arm["discipline"],
        whisper_model=arguments(arm),
        snippet=_started(arm, machine) if arm["service"] else snippet(arm),
    )


def _nothing(machine: Machine, loads: list[ForLoad]) -> str:
    """Why nothing is recommended where no files were handed out at once."""
    if machine.loads is None:
        return "no timed run"
    if loads:
        return "no files were handed out at once; what carries which load is under loads"
    if not machine.study["slo"]:
        return "the study has no objectives (slo) that a load must keep"
    return "no load is shown to be within the objectives"


def _started(arm: Mapping[str, Any], machine: Machine) -> str:
    """How a service was started, or where it was asked, as the study says it."""
    said = machine.study["services"].get(arm["service"], {})
    return str(said.get("command") or said.get("url") or arm["service"])


def _group(choice: Choice) -> Group:
    return Group(*(str(choice.group[name]) for name in ("model", "compute_type", "device")))


def recommend(results: Results, findings: Iterable[Finding] = ()) -> dict[str, Recommendation]:
    """By machine label: the machine's own choice, the other groups under `others`.

    Args:
        results: The tables.
        findings: What they are judged to be: what puts a choice in doubt stands there.
    """
    doubts = {(f.machine, f.group): f.doubt for f in findings if f.id == "recommendation"}
    result = {}
    for label in results.labels:
        machine = Machine(results, label)
        found = [settled(machine, choice) for choice in choices(machine)]
        made = [
            recommendation(machine, choice, doubts.get((label, _group(choice)), ""))
            for choice in found
        ]
        loads = [*for_loads(machine), *searched_for_loads(machine)]
        if not made:
            made = [Recommendation(NOTHING, _nothing(machine, loads))]
        result[label] = replace(made[0], others=made[1:], loads=loads or None)
    return result
