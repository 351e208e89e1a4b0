"""A machine and a study in words: rows of name and value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from parallel_transcription.kernel import in_words
from parallel_transcription.record import STATUSES
from parallel_transcription.report.pages.cells import (
    View,
    is_empty,
    mapping_text,
    model_notice,
    notice,
)
from parallel_transcription.report.pages.limits import held_up, limits
from parallel_transcription.results.counting import usable_cpus
from parallel_transcription.results.read import Results
from parallel_transcription.results.summaries import at_once
from parallel_transcription.untrusted import clean
from parallel_transcription.words import (
    AT_ONCE,
    NOTHING,
    UNKNOWN,
    as_written,
    cpus,
    fixed,
    integer,
    is_missing,
    listing,
    number,
    percent,
    plural,
    seconds,
)

#: Name and value of a fact.
Fact = tuple[str, str]


def machine_view(results: Results, label: str) -> View:
    """A machine's description as rows of name and value."""
    facts = results.machines.get(label, {})
    named = [
        ("Processor", facts.get("cpu_model")),
        ("Cores", _cores(facts)),
        ("Usable by the runs", _usable(results, facts)),
        ("Memory", _gigabytes(facts.get("memory_mb"))),
        ("Limited to", _limits(facts)),
        ("Caches", mapping_text(facts.get("caches"))),
        ("Virtualised", _virtual(facts)),
        *((f"GPU {place}", _gpu(gpu)) for place, gpu in enumerate(facts.get("gpus") or [])),
        ("System", _joined(facts.get("os"), facts.get("kernel"), facts.get("architecture"))),
        ("NUMA nodes", _nodes(facts)),
        ("Kinds of CPUs", _kinds(facts)),
        ("CPU clock", _clock(results, facts)),
        ("CPU governor", facts.get("governor")),
        ("Versions", _versions(facts)),
        ("Engine", _engine(facts.get("engine"))),
        ("int8 kernel", "; ".join(map(in_words, facts.get("int8_kernels") or []))),
        ("Compute type in use", ", ".join(sorted(set(results.runs["engine_compute_type"]) - {""}))),
    ]
    rows: list[Fact] = [(name, clean(value, 300)) for name, value in named]
    return {
        "label": clean(label, 80),
        "key": label,
        "rows": [(name, value) for name, value in rows if value],
        "warnings": _unlike_runs(results, facts),
        "cpu": clean(facts.get("cpu_model"), 80),
        "cpus": _of_all(usable_cpus(results.runs, facts), facts.get("logical_cpus")),
        "limits": limits(results, facts),
        "held_up": held_up(results),
    }


def _cores(facts: Mapping[str, Any]) -> str:
    cores, logical = facts.get("physical_cores"), facts.get("logical_cpus")
    texts = [plural(int(cores), "physical core")] if cores else []
    texts += [plural(int(logical), "logical CPU")] if logical else []
    return ", ".join(texts)


def _usable(results: Results, facts: Mapping[str, Any]) -> str:
    """The CPUs that the runs could use, where those are not all."""
    usable, logical = usable_cpus(results.runs, facts), facts.get("logical_cpus")
    return cpus(usable) if usable and logical and usable != logical else ""


def _of_all(usable: float | None, logical: Any) -> str:
    """How many CPUs the runs could use, and of how many: "8 CPUs", "1.5 of 8 CPUs"."""
    if not isinstance(logical, int):
        return cpus(usable) if usable else ""
    if not usable or usable >= logical:
        return plural(logical, "CPU")
    return f"{as_written(usable)} of {plural(logical, 'CPU')}"


def _nodes(facts: Mapping[str, Any]) -> str:
    """The NUMA nodes that the runs' CPUs are spread over, where there are several."""
    nodes = facts.get("numa_nodes")
    if not isinstance(nodes, dict) or len(nodes) < 2:
        return ""
    return f"{len(nodes)}, with " + listing([integer(count) for count in nodes.values()]) + " CPUs"


def _kinds(facts: Mapping[str, Any]) -> str:
    """The kinds of CPUs of a hybrid processor, the fastest first."""
    kinds = facts.get("cpu_kinds")
    texts = []
    for kind in kinds if isinstance(kinds, list) else []:
        mhz = kind.get("max_mhz")
        texts.append(cpus(kind.get("cpus")) + (f" up to {integer(mhz)} MHz" if mhz else ""))
    return listing(texts)


def _clock(results: Results, facts: Mapping[str, Any]) -> str:
    """The clock in the passes (their middle and lowest), and the highest that there is."""
    seen = results.runs["cpu_mhz"].dropna()
    texts = []
    if len(seen):
        texts.append(f"{integer(seen.median())} MHz in the middle of the passes")
        texts.append(f"{integer(seen.min())} in the slowest")
    if facts.get("max_mhz"):
        texts.append(f"{integer(facts['max_mhz'])} at most")
    return ", ".join(texts)


def _gigabytes(megabytes: float | None) -> str:
    return f"{fixed(megabytes / 1000, 1)} GB" if megabytes else ""


def _unlike_runs(results: Results, facts: Mapping[str, Any]) -> list[str]:
    """What differs between the runs of a label."""
    texts = []
    if facts.get("mixed_hardware"):
        texts.append("The runs under this label come from more than one kind of hardware.")
    if facts.get("mixed_versions"):
        texts.append(
            "The runs were made with more than one set of package versions; those of the first "
            "record are shown."
        )
    if facts.get("mixed_limits"):
        texts.append(
            "The runs under this label did not all have the same CPUs and memory to use: their "
            "control group, its quota or their affinity changed between them."
        )
    if facts.get("mixed_code"):
        texts.append("The runs were made by more than one version of the measuring code.")
    if bool(results.runs["packed"].any()):
        texts.append("Some runs were packed side by side on the machine; they are marked.")
    return texts


def _joined(*values: Any) -> str:
    return ", ".join(clean(v, 80) for v in values if not is_empty(v))


def _limits(facts: Mapping[str, Any]) -> str:
    """What a container or a batch system leaves of the machine."""
    texts = []
    if isinstance(facts.get("cgroup_cpus"), (int, float)):
        texts.append(cpus(facts["cgroup_cpus"]))
    if isinstance(facts.get("cgroup_memory_mb"), (int, float)):
        texts.append(_gigabytes(facts["cgroup_memory_mb"]))
    return ", ".join(texts)


def _virtual(facts: Mapping[str, Any]) -> str:
    if "virtualised" not in facts and "container" not in facts:
        return ""
    how = facts.get("virtualised")
    text = {None: "no", False: "no", True: "yes"}.get(how) or clean(how, 40)
    return f"{text}, in a container" if facts.get("container") else text


_PACKAGE_NAMES = {
    "ctranslate2": "CTranslate2",
    "faster_whisper": "faster-whisper",
    "numpy": "NumPy",
    "av": "PyAV",
    "onnxruntime": "ONNX Runtime",
    "snakemake": "Snakemake",
    "python": "Python",
    "huggingface_hub": "huggingface-hub",
}


def _versions(facts: Mapping[str, Any]) -> str:
    versions = facts.get("versions")
    versions = dict(versions) if isinstance(versions, dict) else {}
    if facts.get("python"):
        versions = {"python": facts["python"], **versions}
    return ", ".join(
        f"{_PACKAGE_NAMES.get(str(k), clean(k, 40))} {clean(v, 40)}"
        for k, v in versions.items()
        if not is_empty(v)
    )


def _engine(engine: Any) -> str:
    """CTranslate2's backend: instruction set, libraries, number of GPUs it sees."""
    if not isinstance(engine, dict):
        return clean(engine, 120)
    texts = []
    for key, text in (
        ("ctranslate2", "CTranslate2 {}"),
        ("isa", "instruction set {}"),
        ("gemm_int8", "int8 by {}"),
        ("gemm_float32", "float32 by {}"),
        ("cublas", "cuBLAS {}"),
        ("backend", "backend {}"),
    ):
        if not is_empty(engine.get(key)):
            texts.append(text.format(clean(engine[key], 60)))
    if engine.get("mkl") is True:
        texts.append("with MKL")
    if engine.get("cuda_devices"):
        texts.append(plural(int(engine["cuda_devices"]), "CUDA device"))
    return ", ".join(texts)


def _gpu(gpu: Any) -> str:
    if not isinstance(gpu, dict):
        return clean(gpu, 120)
    texts = [clean(gpu.get("name"), 80)]
    if isinstance(gpu.get("memory_mb"), (int, float)):
        texts.append(_gigabytes(gpu["memory_mb"]))
    if gpu.get("compute_capability"):
        texts.append(f"compute capability {clean(gpu['compute_capability'], 10)}")
    if gpu.get("driver"):
        texts.append(f"driver {clean(gpu['driver'], 40)}")
    return ", ".join(t for t in texts if t)


def study_view(results: Results) -> View:
    """The study and what of it was measured, as rows of name and value."""
    study, runs = results.study, results.runs
    name, file = clean(study.get("name"), 80), clean(study.get("file"), 120)
    rounds = int(runs["round"].nunique())
    configurations = plural(int(runs["configuration"].nunique()), "configuration")
    days, loads = _days(runs), _loads(runs)
    measured = f"{configurations} in {plural(rounds, 'round')}"
    rows: list[Fact] = [
        ("Study", f"{name} ({file})" if file else name or NOTHING),
        ("Model", _models(runs)),
        *([("Audio at once", audio)] if (audio := _audio(runs)) != NOTHING or not loads else []),
        *([("Requests", loads)] if loads else []),
        ("Rounds", _rounds(results, rounds)),
        ("Measured", f"{configurations}, {plural(len(runs), 'repeat')}"),
        ("Time", _time(results)),
        ("Status", _statuses(runs)),
        ("Disturbed", _disturbed(results)),
    ]
    return {
        "name": name or "study",
        "file": file,
        "rows": rows + ([("When", days)] if days else []),
        "notice": notice(runs),
        "has_embedded_model": bool((runs["model_kind"] == "embedded").any()),
        "warnings": _warnings(results),
        "timeout": _time_limits(runs["timeout_s"]),
        "measured": f"{measured}, {days}" if days else measured,
        **_settings(study),
        "repeats": _repeats(results),
    }


def _time_limits(timeout_s: pd.Series) -> list[str]:
    """The time limits of passes; of many, as they follow from their audio, the ends."""
    limits = [f"{as_written(one)} s" for one in sorted(timeout_s.dropna().unique())]
    return limits if len(limits) <= 3 else [f"{limits[0]} to {limits[-1]}"]


def _time(results: Results) -> str:
    """How long runs and matches took, and what part of it lies in timed windows."""
    facts = results.machines.values()
    if any("runs_s" not in one for one in facts):
        return UNKNOWN
    met = results.matches
    took = sum(one["runs_s"] for one in facts)
    took += float(met.groupby(["machine", "round"])["match_s"].first().sum())
    if not took:
        return NOTHING
    timed = sum(one["timed_s"] for one in facts) + float(met["makespan_s"].sum())
    return f"{number(took / 60, 2)} min, {percent(timed / took, decimals=0)} of it timed"


def _settings(study: Mapping[str, Any]) -> dict[str, str]:
    """The settings of a study that its methods name; empty where they are not known."""
    found = {
        "margin": study.get("equivalence_margin"),
        "confidence": study.get("confidence"),
        "disturbed_above": study.get("disturbed_above"),
    }
    return {name: _as_said(value) for name, value in found.items()}


def _as_said(share: Any) -> str:
    """A share that a study names, in per cent and to the digit: ±2.5 % is another margin."""
    return "" if is_missing(share) else f"{as_written(100 * share)} %"


def _models(runs: pd.DataFrame) -> str:
    models = []
    for (model, kind), _ in runs.groupby(["model", "model_kind"], sort=True):
        note = model_notice(str(kind))
        models.append(clean(model, 80) + (f" ({note})" if note else ""))
    return "; ".join(models) or NOTHING


def _audio(counted: pd.DataFrame) -> str:
    timed = at_once(counted[counted["files_in_parallel"] > 0])
    texts = [
        f"{plural(int(files), 'file')} ({seconds(total)} s)"
        for (files, total), _ in timed.groupby(["files_in_parallel", "audio_total_s"], sort=True)
    ]
    return ", ".join(texts) or NOTHING


def _loads(runs: pd.DataFrame) -> str:
    """The loads that requests came by, in words; empty where there was none."""
    under = runs[~runs["arrivals"].isin((AT_ONCE, "closed"))]
    texts = []
    keys = ["arrivals", "requests", "mix"]
    for (arrivals, requests, mix), own in under.groupby(keys, sort=True):
        rates = sorted(set(own["offered_rps"].dropna()))
        named = f" of mix {clean(mix, 40)}" if mix else ""
        texts.append(
            f"{clean(arrivals, 60)}, {integer(requests) if requests else 'all'}{named} in each "
            f"pass, {', '.join(as_written(rate) for rate in rates)} per s"
        )
    return "; ".join(texts)


def _rounds(results: Results, rounds: int) -> str:
    text = plural(rounds, "round")
    if repeats := _repeats(results):
        noun = "repeat" if repeats == "1" else "repeats"
        text += f" of {repeats} {noun} each, in fresh processes"
    met = results.matches
    if len(met):
        first = met.groupby(["machine", "round"])
        passes = int((met["repeat"] > 0).sum())
        minutes = first["match_s"].first().sum() / 60
        text += (
            f"; then {plural(first.ngroups, 'match', 'matches')} of {integer(passes)} passes, "
            f"{number(minutes, 2)} min"
        )
    return text


def _repeats(results: Results) -> str:
    """How many passes a process made, as its runs were asked to; empty where that is not known."""
    counts = sorted({n for facts in results.machines.values() for n in facts.get("repeats") or []})
    if not counts:
        return ""
    return " to ".join(integer(n) for n in dict.fromkeys((counts[0], counts[-1])))


def _statuses(runs: pd.DataFrame) -> str:
    counts = runs["status"].value_counts()
    order = [s for s in STATUSES if s in counts.index]
    return ", ".join(f"{integer(counts[s])} {s}" for s in order) or NOTHING


def _disturbed(results: Results) -> str:
    text = plural(int(results.runs["disturbed"].sum()), "repeat")
    above = results.study.get("disturbed_above")
    if not above:
        return text
    return f"{text} (others used more than {_as_said(above)} of the machine)"


def _warnings(results: Results) -> list[str]:
    """What is missing in the numbers, and why."""
    texts = []
    status = results.runs["status"]
    failed, killed = (int((status == name).sum()) for name in ("failed", "killed"))
    if failed or killed:
        of = plural(len(status), "repeat")
        texts.append(f"Of {of}, {failed} failed and {killed} were killed: the tables say why.")
    if lost := int(results.runs["walk_lost"].sum()):
        of = plural(lost, "repeat")
        texts.append(
            f"In {of}, dummy weights did not give their planted text at temperature 0: the times "
            "are those of other work. The records say what was decoded instead (walk_lost)."
        )
    if results.left_out:
        files = plural(len(results.left_out), "file")
        texts.append(f"Left out: {files}, named in left_out.csv with the reason.")
    return texts


def _days(runs: pd.DataFrame) -> str:
    """The first and the last day of the runs; empty if unknown."""
    days = sorted({s[:10] for s in runs["started_at"] if re.match(r"\d{4}-\d\d-\d\d", s)})
    return " to ".join(dict.fromkeys([*days[:1], *days[-1:]]))
