"""What stands on the pages of the reports: plain texts and cells, ready for the templates.

Nothing is computed here but the choice of digits. Untrusted text (labels, file names, errors,
transcripts) leaves this module on one line and of limited length; the templates escape it.
"""

from __future__ import annotations

import math
import re
from typing import Any

import pandas as pd
import yaml

from parallel_transcription import tables
from parallel_transcription.figures import FIGURES
from parallel_transcription.formatting import (
    DUMMY_NOTICE,
    EMBEDDED_NOTICE,
    NOTHING,
    clean,
    effect_text,
    fixed,
    integer,
    is_missing,
    number,
    percent,
    plural,
    seconds,
    setting,
    strategy_name,
)
from parallel_transcription.tables import FilesTable, Results

VERDICTS = {
    "confirmed": ("✓", "confirmed"),
    "refuted": ("✗", "refuted"),
    "inconclusive": ("?", "inconclusive"),
    "not measured": (NOTHING, "not measured"),
}

QUESTIONS = {
    1: "Do calls run in parallel, or do they queue?",
    2: "Is one model as good as many?",
    3: "What does cpu_threads do, and what is its best value?",
    4: "Should there be as many workers as files?",
    5: "How do several GPUs do?",
    6: "Is the model only once in memory?",
    7: "Can several models be started at the same time?",
    8: "Which settings should be used here?",
}

MOST_EVIDENCE_ROWS = 48


# ---------------------------------------------------------------- tables


def cell(
    text: Any,
    numeric: bool = False,
    badge: dict | None = None,
    classes: str = "",
    stacked: bool = False,
) -> dict:
    """A cell of a table; ``stacked`` puts the text below the badge, else a badge replaces it."""
    return {
        "text": str(text),
        "numeric": numeric,
        "badge": badge,
        "classes": classes,
        "stacked": stacked,
    }


def badge(verdict: Any) -> dict:
    symbol, word = VERDICTS.get(str(verdict), ("?", clean(verdict, 30) or "not measured"))
    kind = str(verdict).replace(" ", "-") if str(verdict) in VERDICTS else "other"
    return {"symbol": symbol, "word": word, "kind": kind}


def table(
    columns: list[str], rows: list[list[dict]], note: str = "", groups: list[dict] | None = None
) -> dict:
    """A table for the templates. Its size follows from how much has to fit on a line."""
    widths = [len(c) for c in columns]
    for row in rows:
        for i, one in enumerate(row):
            widths[i] = max(widths[i], min(len(one["text"]), 46))
    letters = sum(widths) + 2 * len(widths)
    size = "normal" if letters <= 88 else "small" if letters <= 118 else "tiny"
    numeric = [
        bool(rows) and all(row[i]["numeric"] or row[i]["text"] in ("", NOTHING) for row in rows)
        for i in range(len(columns))
    ]
    return {
        "columns": [{"text": c, "numeric": n} for c, n in zip(columns, numeric, strict=True)],
        "groups": groups or [],
        "rows": rows,
        "size": size,
        "wide": letters > 150,
        "note": note,
        "prose": False,
    }


def evidence_table(evidence: Any) -> dict | None:
    """The rows of a finding as a table; what is the same in all rows goes into a note."""
    rows = [r for r in evidence or [] if isinstance(r, dict)]
    if not rows:
        return None
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [n for n in names if any(not _empty(row.get(n)) for row in rows)]
    shown = rows[:MOST_EVIDENCE_ROWS]
    left_out = len(rows) - len(shown)
    note = f"{plural(left_out, 'row')} more in findings.json." if left_out else ""
    cells = [[_value(row.get(n), n) for n in names] for row in shown]
    return table([heading(n) for n in names], cells, note)


def _empty(value: Any) -> bool:
    return is_missing(value) or value == "" or value == []


_HEADINGS = {
    "n_rounds": "rounds",
    "low": "from",
    "high": "to",
    "cpu_threads": "threads",
    "num_workers": "workers",
    "total_workers": "workers",
    "files_in_parallel": "files",
    "init_stagger_s": "stagger (s)",
    "makespan_s": "makespan (s)",
    "cpu_s": "CPU (s)",
    "rtfx": "RTFx",
    "p": "p",
    "p_value": "p",
    "model_mb": "model (MB)",
    "pss_mb": "memory (MB)",
    "rss_peak_mb": "peak (MB)",
}


def heading(name: str) -> str:
    """A column name in words, with its unit in brackets."""
    if name in _HEADINGS:
        return _HEADINGS[name]
    text = clean(name, 40).replace("_", " ").strip()
    for ending, unit in ((" s", "s"), (" mb", "MB"), (" percent", "%")):
        if text.endswith(ending):
            return f"{text[: -len(ending)]} ({unit})"
    return text


def _value(value: Any, name: str) -> dict:
    if _empty(value):
        return cell(NOTHING, True)
    if isinstance(value, bool):
        return cell("yes" if value else "no")
    if isinstance(value, int):
        return cell(integer(value), True)
    if isinstance(value, float):
        if value == int(value) and abs(value) < 1e6 and not name.endswith(("_s", "ratio", "low")):
            return cell(integer(value), True)
        return cell(number(value, 4 if 0.1 < abs(value) < 10 else 3), True)
    if isinstance(value, (list, tuple)):
        return cell(clean(", ".join(map(str, value)), 120))
    if name == "strategy":
        return cell(strategy_name(value))
    if name == "verdict" and str(value) in VERDICTS:
        return cell(VERDICTS[str(value)][1], badge=badge(value))
    return cell(clean(value, 160), classes="code" if name in ("configuration", "run") else "")


# ---------------------------------------------------------------- findings


def finding_view(finding: dict, results: Results) -> dict:
    """A finding as a section shows it."""
    more = finding.get("more_rounds")
    more = more if isinstance(more, dict) else None
    figure = finding.get("figure")
    answer = clean(finding.get("answer"), 1200)
    return {
        "id": clean(finding.get("id"), 60),
        "number": finding.get("number") or 0,
        "question": clean(finding.get("question"), 200),
        "claim": clean(finding.get("claim"), 300),
        "machine": clean(finding.get("machine"), 80),
        "label": str(finding.get("machine") or ""),
        "badge": badge(finding.get("verdict")),
        "answer": answer,
        "short": first_sentence(answer),
        "effect": effect_text(finding.get("effect")),
        "effect_name": clean((finding.get("effect") or {}).get("name"), 80),
        "confidence": _confidence(finding.get("effect")),
        "figure": figure if figure in FIGURES else None,
        "evidence": evidence_table(finding.get("evidence")),
        "change": clean(finding.get("change"), 600),
        "more_rounds": {
            "rounds": integer(more.get("rounds")),
            "command": clean(more.get("command"), 2000),
        }
        if more and more.get("command")
        else None,
        "notes": [clean(n, 600) for n in finding.get("notes") or []],
        "notice": notice(results.of(str(finding.get("machine") or "")).runs),
    }


def _confidence(effect: Any) -> str:
    value = (effect or {}).get("confidence")
    return percent(value, 0) if isinstance(value, (int, float)) else ""


def first_sentence(text: str) -> str:
    """The first sentence: up to a full stop before a capital letter."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z“])", text, maxsplit=1)[0]


def notice(runs: pd.DataFrame) -> str:
    """What a page must say of the models whose results it shows."""
    kinds = set(runs["model_kind"])
    words = [DUMMY_NOTICE] if "dummy" in kinds else []
    words += [EMBEDDED_NOTICE] if "embedded" in kinds else []
    return "; ".join(words)


def model_notice(kind: str) -> str:
    return {"dummy": DUMMY_NOTICE, "embedded": EMBEDDED_NOTICE}.get(kind, "")


def sections(results: Results) -> list[dict]:
    """The questions 1 to 8, each with its findings on every machine."""
    views = [finding_view(f, results) for f in results.findings]
    numbers = sorted({v["number"] for v in views if v["number"]} | set(QUESTIONS))
    found = []
    for n in numbers:
        mine = [v for v in views if v["number"] == n]
        order = list(dict.fromkeys(v["id"] for v in mine))
        mine.sort(key=lambda v: (order.index(v["id"]), v["machine"]))
        found.append(
            {
                "number": n,
                "title": QUESTIONS.get(n) or (mine[0]["question"] if mine else ""),
                "findings": mine,
            }
        )
    return found


# ---------------------------------------------------------------- the machine


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
    add("Caches", _mapping(facts.get("caches")))
    if facts.get("virtualised") is not None:
        virtual = facts["virtualised"]
        add("Virtualised", {True: "yes", False: "no"}.get(virtual, virtual))
    for number_, gpu in enumerate(facts.get("gpus") or []):
        add(f"GPU {number_}", _mapping(gpu) if isinstance(gpu, dict) else gpu)
    add("System", facts.get("os"))
    add("Versions", _mapping(facts.get("versions")))
    add("Engine", _mapping(facts.get("engine")))
    real = sorted({t for t in results.runs["engine_compute_type"] if t})
    add("Compute type in use", ", ".join(real))
    warnings = []
    if facts.get("mixed_hardware"):
        warnings.append("The runs under this label come from more than one kind of hardware.")
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
    }


def _mapping(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{clean(k, 40).replace('_', ' ')} {_mapping(v)}"
            for k, v in value.items()
            if not _empty(v) and v != {}
        )
    if isinstance(value, (list, tuple)):
        return " · ".join(_mapping(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(value, 120)


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
        rows.append(("When", days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"))
    return {
        "name": name or "study",
        "file": file,
        "rows": rows,
        "notice": notice(runs),
        "margin": percent(study.get("equivalence_margin"), 0),
        "confidence": percent(study.get("confidence"), 0),
        "rounds": integer(study.get("rounds")),
        "repeats": integer(study.get("repeats")),
        "disturbed_above": percent(study.get("disturbed_above"), 0),
        "timeout": sorted({f"{setting(t)} s" for t in runs["timeout_s"].dropna()}),
    }


# ---------------------------------------------------------------- the published form


def files_table_view(one: FilesTable) -> dict:
    """A table of the published form: settings, cores in use, each file best and median."""
    several = any(r["instances"] != 1 for r in one.rows)
    variants = any(r["variant"] for r in one.rows)
    columns, groups = ["threads", "workers"], [{"text": "", "span": 2}]
    if several:
        columns.insert(0, "models")
        groups[0]["span"] += 1
    columns.append("cores in use")
    groups[0]["span"] += 1
    files = one.files
    # up to four files with best and median; more get the median only, very many only the range
    full, some = files <= 4, files <= 10
    if full:
        for k in range(1, files + 1):
            columns += ["best", "median"]
            groups.append({"text": f"file {k} (s)", "span": 2})
    elif some:
        columns += [str(k) for k in range(1, files + 1)]
        groups.append({"text": "median of file (s)", "span": files})
    else:
        columns += ["first", "last"]
        groups.append({"text": "median of a file (s)", "span": 2})
    columns += ["best", "median", "RTFx", "n"]
    groups += [{"text": "all files: makespan (s)", "span": 2}, {"text": "", "span": 2}]
    columns.append("status")
    groups.append({"text": "", "span": 1})
    if variants:
        columns.append("variant")
        groups.append({"text": "", "span": 1})
    rows = []
    for r in one.rows:
        cells = []
        if several:
            cells.append(cell(integer(r["instances"]), True))
        cells += [
            cell(_threads(r["cpu_threads"]), True),
            cell(integer(r["num_workers"]), True),
            cell(fixed(r["cores_used"], 2), True),
        ]
        medians = [t["median"] for t in r["files"]]
        if full:
            for t in r["files"]:
                cells += [cell(seconds(t["best"]), True), cell(seconds(t["median"]), True)]
        elif some:
            cells += [cell(seconds(m), True) for m in medians]
        else:
            known = [m for m in medians if not math.isnan(m)]
            cells += [
                cell(seconds(min(known, default=None)), True),
                cell(seconds(max(known, default=None)), True),
            ]
        cells += [
            cell(_span(r["best_s"], r["bound_s"]), True),
            cell(_span(r["makespan_s"], r["bound_s"]), True, classes="strong"),
            cell(number(r["rtfx"]), True),
            cell(integer(r["repeats"]), True),
            cell(r["status"]),
        ]
        if variants:
            cells.append(cell(r["variant"]))
        rows.append(cells)
    return {
        "title": one.title,
        "model": clean(one.model, 80),
        "compute_type": clean(one.compute_type, 20),
        "device": clean(one.device, 20),
        "notice": model_notice(one.model_kind),
        "audio": seconds(one.audio_s),
        "file_names": [clean(n.rsplit("/", 1)[-1], 60) for n in one.file_names],
        "table": table(columns, rows, groups=groups),
    }


def _threads(value: Any) -> str:
    return "auto" if value == 0 else integer(value)


def _span(value: float, bound: float) -> str:
    """A makespan; beyond the limit as ``> 60``."""
    if isinstance(value, float) and math.isinf(value):
        return f"> {setting(bound)}"
    return seconds(value)


def cold_start_view(results: Results) -> dict | None:
    starts = tables.cold_starts(results)
    if starts.empty:
        return None
    columns = ["strategy", "models", "delay (s)", "starts", "failed", "load (s)", "status"]
    rows = [
        [
            cell(strategy_name(r["strategy"])),
            cell(integer(r["instances"]), True),
            cell(setting(r["init_stagger_s"]), True),
            cell(integer(r["starts"]), True),
            cell(integer(r["failures"]), True),
            cell(seconds(r["load_s"]), True),
            cell(r["status"]),
        ]
        for r in starts.to_dict("records")
    ]
    return table(columns, rows)


def data_view(results: Results) -> list[dict]:
    """One table per model: every configuration with its medians."""
    summary = tables.configurations(results.runs)
    found = []
    keys = ["machine", "model", "compute_type", "device"]
    for key, group in summary.groupby(keys, sort=True, dropna=False):
        machine, model, compute_type, device = key
        columns = [
            "strategy", "models", "workers", "threads", "files", "makespan (s)", "RTFx", "cores",
            "CPU (s)", "load (s)", "model (MB)", "memory (MB)", "peak (MB)", "rounds", "n",
            "disturbed", "status", "variant",
        ]  # fmt: skip
        group = group.sort_values(
            ["files_in_parallel", "strategy", "instances", "num_workers", "cpu_threads",
             "variant", "configuration"]
        )  # fmt: skip
        rows = [
            [
                cell(strategy_name(r["strategy"])),
                cell(integer(r["instances"]), True),
                cell(integer(r["num_workers"]), True),
                cell(_threads(r["cpu_threads"]), True),
                cell(integer(r["files_in_parallel"]), True),
                cell(_span(r["makespan_s"], r["bound_s"]), True, classes="strong"),
                cell(number(r["rtfx"]), True),
                cell(fixed(r["cores_used"], 2), True),
                cell(number(r["cpu_s"]), True),
                cell(seconds(r["load_s"]), True),
                cell(number(r["model_mb"]), True),
                cell(integer(r["pss_mb"]), True),
                cell(integer(r["rss_peak_mb"]), True),
                cell(integer(r["rounds"]), True),
                cell(integer(r["repeats"]), True),
                cell(integer(r["disturbed"]), True),
                cell(r["status"]),
                cell(r["variant"] + (" packed" if r["packed"] else "")),
            ]
            for r in group.to_dict("records")
        ]
        found.append(
            {
                "machine": clean(machine, 80),
                "model": clean(model, 80),
                "compute_type": clean(compute_type, 20),
                "device": clean(device, 20),
                "notice": model_notice(str(group["model_kind"].iloc[0])),
                "table": table(columns, rows),
            }
        )
    return found


def transcripts_view(results: Results) -> list[dict]:
    kinds = dict(zip(results.runs["model"], results.runs["model_kind"], strict=True))
    found = []
    for r in tables.transcripts(results.timings):
        found.append(
            {
                "file": clean(r["file"].rsplit("/", 1)[-1], 120),
                "model": clean(r["model"], 80),
                "notice": model_notice(str(kinds.get(r["model"], ""))),
                "audio": seconds(r["audio_s"]),
                "wer": percent(r["wer"]) if not is_missing(r["wer"]) else NOTHING,
                "same": f"{integer(r['same'])} of {integer(r['transcriptions'])}",
                "all_same": r["texts"] == 1,
                "text": clean(r["text"], 4000),
                "reference": clean(r["reference"], 4000),
            }
        )
    return found


# ---------------------------------------------------------------- comparison with the published study


def published_view(results: Results, cpu: pd.DataFrame, label: str) -> list[dict]:
    """The published CPU tables; beside each row the same settings on this machine."""
    if cpu.empty:
        return []
    here = {}
    for one in tables.files_tables(results):
        if one.files != 2 or one.device != "cpu":
            continue
        for r in one.rows:
            if not r["variant"]:
                key = (one.strategy, int(r["instances"]), int(r["num_workers"]),
                       int(r["cpu_threads"]))  # fmt: skip
                here.setdefault(key, r)
    names = {"epyc-9334": "AMD Epyc 9334", "apple-m2": "Apple M2"}
    found = []
    for (machine, strategy), group in cpu.groupby(["machine", "strategy"], sort=False):
        unit = str(group["cpu_in_use_unit"].iloc[0])
        rows = []
        for r in group.to_dict("records"):
            key = (str(strategy), int(r["instances"]), int(r["num_workers"]),
                   int(r["cpu_threads"]))  # fmt: skip
            mine = here.get(key)
            status = str(r["status"])
            other = {"over_60s": "> 60", "not_measured": NOTHING}.get(status)
            in_use = setting(r["cpu_in_use"]) + (" %" if unit == "percent" else "")
            rows.append(
                [
                    cell(integer(r["cpu_threads"]), True),
                    cell(integer(r["num_workers"]), True),
                    cell(in_use, True),
                    cell(other or fixed(r["file_1_s"], 1), True),
                    cell(other or fixed(r["file_2_s"], 1), True),
                    *_here_cells(mine),
                ]
            )
        found.append(
            {
                "title": f"{names.get(str(machine), clean(machine, 40))}, "
                f"{strategy_name(strategy)}",
                "table": table(
                    ["threads", "workers", "in use", "file 1", "file 2",
                     "cores", "file 1", "file 2", "makespan"],
                    rows,
                    groups=[
                        {"text": "", "span": 2},
                        {"text": "published (best, s)", "span": 3},
                        {"text": f"{clean(label, 40)} (median, s)", "span": 4},
                    ],
                ),
            }
        )  # fmt: skip
    return found


def _here_cells(mine: dict | None) -> list[dict]:
    if mine is None:
        return [cell(NOTHING, True, classes="faint") for _ in range(4)]
    medians = [t["median"] for t in mine["files"]]
    medians = (medians + [math.nan, math.nan])[:2]
    return [
        cell(fixed(mine["cores_used"], 2), True),
        cell(seconds(medians[0]), True),
        cell(seconds(medians[1]), True),
        cell(_span(mine["makespan_s"], mine["bound_s"]), True),
    ]


def published_gpu_view(gpu: pd.DataFrame) -> dict | None:
    if gpu.empty:
        return None
    rows = [
        [
            cell(clean(r["model"], 20)),
            cell(clean(r["compute_type"], 20)),
            cell(strategy_name(r["strategy"])),
            cell(integer(r["instances"]), True),
            cell(integer(r["gpus"]), True),
            *(cell(fixed(r[f"file_{k}_s"], 1), True) for k in (1, 2, 3)),
        ]
        for r in gpu.to_dict("records")
    ]
    columns = ["model", "compute type", "strategy", "models", "GPUs", "file 1 (s)", "file 2 (s)",
               "file 3 (s)"]  # fmt: skip
    return table(columns, rows)


def scoreboard_view(results: Results) -> dict | None:
    rows = [r for r in results.scoreboard if isinstance(r, dict)]
    if not rows:
        return None
    several = len({str(r.get("machine")) for r in rows if r.get("machine")}) > 1
    columns = ["claim", "published", "measured here", "verdict"]
    if several:
        columns.insert(3, "machine")
    cells = []
    for r in rows:
        line = [
            cell(clean(r.get("claim"), 300)),
            cell(_words(r.get("published"))),
            cell(_words(r.get("ours"))),
            cell(badge(r.get("verdict"))["word"], badge=badge(r.get("verdict"))),
        ]
        if several:
            line.insert(3, cell(clean(r.get("machine"), 60)))
        cells.append(line)
    view = table(columns, cells)
    view["size"] = "small"
    view["prose"] = True
    return view


def _words(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return _mapping(value) or NOTHING
    return clean(value, 300) or NOTHING


def machines_view(results: Results) -> dict | None:
    """Several machines side by side: every verdict and effect."""
    labels = results.labels
    if len(labels) < 2:
        return None
    by = {(f.get("id"), f.get("machine")): f for f in results.findings}
    order = list(dict.fromkeys(f.get("id") for f in results.findings))
    rows = []
    for name in order:
        first = next(f for f in results.findings if f.get("id") == name)
        line = [cell(clean(first.get("question"), 120))]
        for label in labels:
            f = by.get((name, label))
            line.append(
                cell(effect_text(f.get("effect")) if f else NOTHING,
                     badge=badge(f.get("verdict")) if f else None, stacked=True)
            )  # fmt: skip
        rows.append(line)
    view = table(["question", *(clean(x, 40) for x in labels)], rows)
    view["prose"] = True
    return view


# ---------------------------------------------------------------- recommended settings


def recommended_view(results: Results, label: str) -> dict:
    """The recommended settings of a machine, as code to paste and what stands behind it."""
    mine = tables._of_machine(results.recommended, label).get(label)
    mine = mine if isinstance(mine, dict) else {}
    finding = next(
        (f for f in results.findings
         if f.get("id") == "recommendation" and f.get("machine") == label), None,
    )  # fmt: skip
    return {
        "machine": clean(label, 80),
        "code": _paste(mine),
        "finding": finding_view(finding, results) if finding else None,
        "file": "results/recommended.yaml",
    }


def _paste(mine: dict) -> str:
    """Settings as Python, or as YAML where they have another form."""
    arguments = next(
        (mine[k] for k in ("WhisperModel", "whisper_model", "settings", "recommended")
         if isinstance(mine.get(k), dict)), None,
    )  # fmt: skip
    if arguments:
        lines = [f"    {k}={v!r}," for k, v in arguments.items() if re.fullmatch(r"\w+", str(k))]
        return "\n".join(["model = WhisperModel(", *lines, ")"])
    shown = {k: v for k, v in mine.items() if k not in ("evidence", "confirmation", "alternatives")}
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True).strip() if shown else ""
