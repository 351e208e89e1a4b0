"""A machine and a study in words: rows of name and value."""

from __future__ import annotations

import re
from typing import Any

from parallel_transcription.formatting import (
    NOTHING,
    clean,
    fixed,
    integer,
    is_missing,
    percent,
    plural,
    seconds,
    setting,
)
from parallel_transcription.kernel import in_words
from parallel_transcription.report.pages.cells import is_empty, mapping_text, model_notice, notice
from parallel_transcription.results import summaries as tables
from parallel_transcription.results.summaries import Results


def machine_view(results: Results, label: str) -> dict:
    """A machine's description as rows of name and value."""
    facts = results.machines.get(label, {})
    facts = facts if isinstance(facts, dict) else {}
    rows: list[tuple[str, str]] = []

    def add(name: str, value: Any) -> None:
        text = clean(value, 300)
        if text:
            rows.append((name, text))

    add("Processor", facts.get("cpu_model"))
    cores, logical = facts.get("physical_cores"), facts.get("logical_cpus")
    if cores or logical:
        add("Cores", ", ".join(
            t for t in (
                plural(int(cores), "physical core") if cores else "",
                plural(int(logical), "logical CPU") if logical else "",
            ) if t
        ))  # fmt: skip
    usable = results.runs["affinity_cpus"].dropna()
    if len(usable) and logical and usable.median() != logical:
        add("Usable by the runs", plural(int(usable.median()), "CPU"))
    if facts.get("memory_mb"):
        add("Memory", f"{fixed(float(facts['memory_mb']) / 1000, 1)} GB")
    add("Limited to", _limits(facts))
    add("Caches", mapping_text(facts.get("caches")))
    add("Virtualised", _virtual(facts))
    for place, gpu in enumerate(facts.get("gpus") or []):
        add(f"GPU {place}", _gpu(gpu))
    add("System", _joined(facts.get("os"), facts.get("kernel"), facts.get("architecture")))
    if facts.get("governor"):
        add("CPU governor", facts["governor"])
    add("Versions", _versions(facts))
    add("Engine", _engine(facts.get("engine")))
    add("int8 kernel", "; ".join(map(in_words, facts.get("int8_kernels") or [])))
    real = sorted({t for t in results.runs["engine_compute_type"] if t})
    add("Compute type in use", ", ".join(real))
    warnings = []
    if facts.get("mixed_hardware"):
        warnings.append("The runs under this label come from more than one kind of hardware.")
    if facts.get("mixed_versions"):
        warnings.append(
            "The runs were made with more than one set of package versions; those of the first "
            "record are shown."
        )
    if facts.get("mixed_code"):
        warnings.append("The runs were made by more than one version of the measuring code.")
    if bool(results.runs["packed"].any()):
        warnings.append("Some runs were packed side by side on the machine; they are marked.")
    return {
        "label": clean(label, 80),
        "key": label,
        "rows": rows,
        "warnings": warnings,
        "cpu": clean(facts.get("cpu_model"), 80),
        "cpus": plural(int(logical), "CPU") if isinstance(logical, int) else "",
    }


def _joined(*values: Any) -> str:
    return ", ".join(clean(v, 80) for v in values if not is_empty(v))


def _limits(facts: dict) -> str:
    """What a container or a batch system leaves of the machine."""
    texts = []
    if isinstance(facts.get("cgroup_cpus"), (int, float)):
        texts.append(f"{setting(facts['cgroup_cpus'])} CPUs")
    if isinstance(facts.get("cgroup_memory_mb"), (int, float)):
        texts.append(f"{fixed(facts['cgroup_memory_mb'] / 1000, 1)} GB")
    return ", ".join(texts)


def _virtual(facts: dict) -> str:
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


def _versions(facts: dict) -> str:
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
        texts.append(f"{fixed(gpu['memory_mb'] / 1000, 1)} GB")
    if gpu.get("compute_capability"):
        texts.append(f"compute capability {clean(gpu['compute_capability'], 10)}")
    if gpu.get("driver"):
        texts.append(f"driver {clean(gpu['driver'], 40)}")
    return ", ".join(t for t in texts if t)


def study_view(results: Results) -> dict:
    """The study and what of it was measured, as rows of name and value."""
    study, runs = results.study, results.runs
    counted = tables.counted(runs)
    fresh = runs[runs["round"] > tables.CONFIRMATION_ROUNDS_ABOVE]
    rows: list[tuple[str, str]] = []
    name = clean(study.get("name"), 80)
    file = clean(study.get("file"), 120)
    rows.append(("Study", f"{name} ({file})" if file else name or NOTHING))
    models = []
    for (model, kind), _ in runs.groupby(["model", "model_kind"], sort=True):
        note = model_notice(str(kind))
        models.append(clean(model, 80) + (f" ({note})" if note else ""))
    rows.append(("Model", "; ".join(models) or NOTHING))
    audio = []
    timed = counted[counted["files_in_parallel"] > 0]
    for (files, total), _ in timed.groupby(["files_in_parallel", "audio_total_s"], sort=True):
        audio.append(f"{plural(int(files), 'file')} ({seconds(total)} s)")
    rows.append(("Audio at once", ", ".join(audio) or NOTHING))
    rounds = int(counted["round"].nunique()) if len(counted) else 0
    text = plural(rounds, "round")
    repeats = study.get("repeats")
    if isinstance(repeats, int):
        text += f" of {plural(repeats, 'repeat')} each, in fresh processes"
    if len(fresh):
        text += f"; {plural(int(fresh['round'].nunique()), 'fresh round')} of the recommendation"
    rows.append(("Rounds", text))
    rows.append(
        ("Measured", f"{plural(int(counted['configuration'].nunique()), 'configuration')}, "
                     f"{plural(len(runs), 'repeat')}")
    )  # fmt: skip
    statuses = runs["status"].value_counts()
    rows.append(
        ("Status", ", ".join(f"{integer(statuses[s])} {clean(s, 20)}" for s in
                             [*tables.STATUSES, *sorted(set(statuses.index) - set(tables.STATUSES))]
                             if s in statuses.index) or NOTHING)
    )  # fmt: skip
    disturbed = int(runs["disturbed"].sum())
    above = study.get("disturbed_above")
    limit = f" (others used more than {percent(above, 0)} of the machine)" if above else ""
    rows.append(("Disturbed", f"{plural(disturbed, 'repeat')}{limit}"))
    days = sorted({s[:10] for s in runs["started_at"] if re.match(r"\d{4}-\d\d-\d\d", s)})
    if days:
        rows.append(("When", _days(days)))
    return {
        "name": name or "study",
        "file": file,
        "rows": rows,
        "notice": notice(runs),
        "warnings": _warnings(results),
        "margin": percent(study.get("equivalence_margin"), 0),
        "confidence": percent(study.get("confidence"), 0),
        "rounds": integer(study.get("rounds")),
        "repeats": integer(study.get("repeats")),
        "disturbed_above": percent(study.get("disturbed_above"), 0),
        "timeout": sorted({f"{setting(t)} s" for t in runs["timeout_s"].dropna()}),
        "measured": f"{plural(int(counted['configuration'].nunique()), 'configuration')} in "
        f"{plural(rounds, 'round')}" + (f", {_days(days)}" if days else ""),
        **{f"{name}_known": not is_missing(study.get(key)) for name, key in (
            ("repeats", "repeats"), ("disturbed", "disturbed_above"),
            ("margin", "equivalence_margin"), ("confidence", "confidence"))},
    }  # fmt: skip


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
        texts.append(f"Left out as no valid run records: {files}, named in left_out.csv.")
    return texts


def _days(days: list[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
