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
from parallel_transcription.evidence import columns_of, most_rows, rows_of
from parallel_transcription.figures import FIGURES
from parallel_transcription.formatting import (
    DUMMY_NOTICE,
    EMBEDDED_NOTICE,
    NOTHING,
    clean,
    effect_parts,
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
    strategy_place,
)
from parallel_transcription.tables import FilesTable, Results

VERDICTS = {
    "confirmed": ("✓", "confirmed"),
    "refuted": ("✗", "refuted"),
    "inconclusive": ("?", "inconclusive"),
    "not measured": (NOTHING, "not measured"),
}

QUESTIONS = {
    1: "Parallel, or a queue?",
    2: "One model, many models, or many processes?",
    3: "How many threads?",
    4: "How many workers?",
    5: "How do several GPUs do?",
    6: "Is the model only once in memory?",
    7: "Can several models be started at the same time?",
    8: "Which settings should be used here?",
}

#: The findings on the first page, as short questions that their claims answer with yes.
SHORT = {
    "parallel_or_queue": "Do calls run in parallel?",
    "one_or_many": "Is one model as fast as many?",
    "processes": "Is it as fast as many processes?",
    "threads_limit": "Does cpu_threads limit the cores?",
    "best_threads": "Does the number of threads matter?",
    "oversubscription": "Are threads beyond the CPUs slower?",
    "workers_equal_files": "Are as many workers as files best?",
    "several_gpus": "Does one model use several GPUs?",
    "memory_workers": "One copy in memory for all workers?",
    "memory_instances": "One copy in memory for all models?",
    "init_race": "Must starts be delayed?",
    "recommendation": "Are these settings the best?",
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
        "whole": len(rows) <= 14,
        "note": note,
        "prose": False,
        "widths": [],
        "narrow": False,
    }


def evidence_table(finding: str, evidence: Any) -> dict | None:
    """The rows of a finding as a table: the columns that its section needs."""
    rows = [r for r in evidence or [] if isinstance(r, dict)]
    if not rows:
        return None
    chosen_rows = rows_of(finding, rows)
    shown = chosen_rows[: most_rows(finding, MOST_EVIDENCE_ROWS)]
    left_out = len(rows) - len(shown)
    note = f"{plural(left_out, 'row')} more in findings.json." if left_out > 0 else ""
    columns = columns_of(finding, shown)
    if columns is None:
        return _any_evidence(shown, note)
    cells = []
    for row in shown:
        chosen = "strong" if row.get("chosen") is True else ""
        cells.append(
            [
                cell(text(row), numeric, classes=chosen + (" whole" if header == "strategy" else ""))
                for header, text, numeric in columns
            ]
        )
    return table([header for header, _, _ in columns], cells, note)


def _any_evidence(rows: list[dict], note: str) -> dict:
    """Evidence of a finding that is not known here: its first columns as they are."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [n for n in names if any(not _empty(row.get(n)) for row in rows)][:10]
    cells = [[_value(row.get(n), n) for n in names] for row in rows]
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
    answer = clean(finding.get("answer"), 1200)
    return {
        "id": clean(finding.get("id"), 60),
        "number": finding.get("number") or 0,
        "question": clean(finding.get("question"), 200),
        "short_question": SHORT.get(str(finding.get("id"))) or clean(finding.get("question"), 60),
        "claim": clean(finding.get("claim"), 300),
        "machine": clean(finding.get("machine"), 80),
        "label": str(finding.get("machine") or ""),
        "badge": badge(finding.get("verdict")),
        "answer": answer,
        "effect": effect_text(finding.get("effect")),
        "effect_parts": effect_parts(finding.get("effect")),
        "effect_name": clean((finding.get("effect") or {}).get("name"), 80),
        "confidence": _confidence(finding.get("effect")),
        "figure": figure_of(finding.get("figure")),
        "evidence": evidence_table(str(finding.get("id")), finding.get("evidence")),
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


def figure_of(name: Any) -> str | None:
    """The figure of a finding; both findings on memory have the same one."""
    if name in FIGURES:
        return str(name)
    return "memory" if name in ("memory_workers", "memory_instances") else None


def short_answer(answer: str, most: int = 104) -> str:
    """The first sentence without its intervals (they stand beside it), cut at a clause if long."""
    text = re.sub(r"\s*\([^()]*% interval[^()]*\)", "", answer)
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z“])", text)
    text = sentences[0]
    if len(text) < 32 and len(sentences) > 1:
        text += " " + sentences[1]
    if len(text) <= most:
        return text
    outside = [k for k in range(most + 1) if text.count("(", 0, k) == text.count(")", 0, k)]
    clauses = [k for k in outside if k >= 0.6 * most and text[k] in ",;:" and text[k + 1] == " "]
    words = [k for k in outside if text[k] == " "]
    cuts = clauses or words or [most]
    return text[: cuts[-1]] + " …"


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
        alone = len(order) == 1
        mine.sort(key=lambda v: (order.index(v["id"]), v["machine"]))
        found.append(
            {
                "number": n,
                # a section of one question has it as its title
                "title": mine[0]["question"] if alone else QUESTIONS.get(n, ""),
                "alone": alone,
                "findings": _figures_once(mine),
            }
        )
    return found


def _figures_once(views: list[dict]) -> list[dict]:
    """Mark findings whose figure another one of the section has shown already."""
    seen: set[tuple[str, str | None]] = set()
    marked = []
    for view in views:
        key = (view["label"], view["figure"])
        marked.append({**view, "figure_shown": key in seen})
        seen.add(key)
    return marked


def overview_view(results: Results) -> dict:
    """The answers on several machines: a row for each question, a column for each machine."""
    view = machines_view(results, numbered=True)
    return view or table(["question"], [])


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
        "cpus": plural(int(logical), "CPU") if isinstance(logical, int) else "",
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
        rows.append(("When", _days(days)))
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
        "measured": f"{plural(int(counted['configuration'].nunique()), 'configuration')} in "
        f"{plural(rounds, 'round')}" + (f", {_days(days)}" if days else ""),
        **{f"{name}_known": not is_missing(study.get(key)) for name, key in (
            ("repeats", "repeats"), ("disturbed", "disturbed_above"),
            ("margin", "equivalence_margin"), ("confidence", "confidence"))},
    }  # fmt: skip


def _days(days: list[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


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
    groups += [{"text": "makespan (s)", "span": 2}, {"text": "", "span": 2}]
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
        group = group.assign(
            place=[strategy_place(s) for s in group["strategy"]],
            starts=group["files_in_parallel"] == 0,
        ).sort_values(
            ["starts", "files_in_parallel", "place", "instances", "num_workers", "cpu_threads",
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
                "table": {**table(
                    ["threads", "workers", "in use", "file 1", "file 2",
                     "cores", "file 1", "file 2", "makespan"],
                    rows,
                    groups=[
                        {"text": "", "span": 2},
                        {"text": "published (best, s)", "span": 3},
                        {"text": f"{clean(label, 40)} (median, s)", "span": 4},
                    ],
                ), "narrow": True},
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
    columns = ["claim", "what was published", "measured here", "verdict"]
    if several:
        columns.insert(2, "machine")
    cells = []
    last = None
    for r in sorted(rows, key=_claims_in_order(rows)) if several else rows:
        published = _words(r.get("published"))
        shown = clean(r.get("published_tables"), 300)
        if shown:
            published = shown if published == "no numbers" else f"{published}. {shown}"
        claim = clean(r.get("claim"), 300)
        again = claim == last
        line = [
            cell("" if again else claim),
            cell("" if again else published),
            cell(short_answer(_words(r.get("ours")), 150)),
            cell(badge(r.get("verdict"))["word"], badge=badge(r.get("verdict"))),
        ]
        if several:
            line.insert(2, cell(clean(r.get("machine"), 40)))
        last = claim
        cells.append(line)
    widths = [25, 26, 13, 21, 15] if several else [26, 32, 27, 15]
    return {**table(columns, cells), "size": "small", "prose": True, "widths": widths}


def _claims_in_order(rows: list[dict]):
    """Several machines stand below each other for each claim."""
    order = list(dict.fromkeys(str(r.get("claim")) for r in rows))
    return lambda r: (order.index(str(r.get("claim"))), str(r.get("machine")))


def _words(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return _mapping(value) or NOTHING
    return clean(value, 300) or NOTHING


def machines_view(results: Results, numbered: bool = False) -> dict | None:
    """Several machines side by side: every verdict and effect; ``numbered``: questions 1 to 8."""
    labels = results.labels
    if len(labels) < 2:
        return None
    # more machines than fit on a line are in the data of findings.json
    labels = labels[:4]
    by = {(f.get("id"), f.get("machine")): f for f in results.findings}
    order = list(dict.fromkeys(f.get("id") for f in results.findings))
    rows = []
    for name in order:
        first = next(f for f in results.findings if f.get("id") == name)
        if numbered and not first.get("number"):
            continue
        question = SHORT.get(str(name)) if numbered else None
        line = [cell(question or clean(first.get("question"), 120))]
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


def machines_side_by_side(results: Results) -> dict | None:
    """What the machines are and what their recommended settings do, a column for each."""
    labels = results.labels
    if len(labels) < 2:
        return None
    labels = labels[:6]
    facts = [machine_view(results.of(label), label) for label in labels]
    chosen = [recommended_view(results, label) for label in labels]
    rows = []
    for name in ("Processor", "Cores", "Memory", "Virtualised", "System"):
        values = [dict(f["rows"]).get(name, NOTHING) for f in facts]
        if any(v != NOTHING for v in values):
            rows.append([cell(name), *(cell(v) for v in values)])
    rows.append([cell("Recommended"), *(cell(c["snippet"] or NOTHING, classes="code")
                                        for c in chosen)])  # fmt: skip
    for name in ("Throughput", "CPU", "Memory", "Slowest file"):
        values = [dict(c["facts"]).get(name, NOTHING) for c in chosen]
        title = {"CPU": "cores used", "Memory": "memory in use"}.get(name, name.lower())
        rows.append([cell(title.capitalize()), *(cell(v) for v in values)])
    view = table(["", *(clean(x, 40) for x in labels)], rows)
    return {**view, "size": "small", "prose": True}


# ---------------------------------------------------------------- recommended settings


def recommended_view(results: Results, label: str) -> dict:
    """The recommended settings of a machine, as code to paste and what stands behind it."""
    mine = results.recommended.get(label)
    mine = mine if isinstance(mine, dict) else {}
    evidence = mine.get("evidence") if isinstance(mine.get("evidence"), dict) else {}
    others = mine.get("others") if isinstance(mine.get("others"), list) else []
    environment = mine.get("environment") if isinstance(mine.get("environment"), dict) else {}
    alternatives = mine.get("alternatives") if isinstance(mine.get("alternatives"), dict) else {}
    service = mine.get("melvin_asr")
    return {
        "machine": clean(label, 80),
        "snippet": clean(mine.get("snippet"), 400),
        "code": python_call(mine),
        "facts": _recommended_facts(mine, evidence),
        "environment": " ".join(f"{clean(k, 40)}={clean(v, 40)}" for k, v in environment.items()),
        "status": _confirmation(mine),
        "reason": clean(mine.get("reason"), 200),
        "service": yaml.safe_dump(service, sort_keys=False, allow_unicode=True).strip()
        if isinstance(service, dict)
        else "",
        "alternatives": [
            _alternative(name, value)
            for name, value in alternatives.items()
            if isinstance(value, dict)
        ],
        "others": [
            {
                "files": _files(o.get("files_in_parallel")),
                "model": clean(o.get("model"), 60),
                "snippet": clean(o.get("snippet") or o.get("reason"), 300),
                "status": clean(o.get("status"), 40),
            }
            for o in others
            if isinstance(o, dict)
        ][:12],
        "notes": [clean(n, 500) for n in mine.get("notes") or []],
    }


def python_call(mine: dict) -> str:
    """The call to paste, a line for each argument."""
    snippet = clean(mine.get("snippet"), 400)
    call = re.fullmatch(r"(.*?WhisperModel\()(.*)(\).*)", snippet)
    arguments = mine.get("whisper_model")
    if not call or not isinstance(arguments, dict):
        return snippet
    parts = _split_arguments(call.group(2))
    return "\n".join([call.group(1), *(f"    {p}," for p in parts), call.group(3)])


def _split_arguments(text: str) -> list[str]:
    """Arguments of a call, split at the commas outside brackets and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for k, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and not depth:
            parts.append(text[start:k].strip())
            start = k + 1
    return [p for p in [*parts, text[start:].strip()] if p]


def _files(value: Any) -> str:
    return plural(int(value), "file") if isinstance(value, (int, float)) else ""


def _recommended_facts(mine: dict, evidence: dict) -> list[tuple[str, str]]:
    """What the settings did, in a few words."""
    rows = []
    if isinstance(mine.get("callers"), int):
        rows.append(("Hand out", f"{_files(mine.get('files_in_parallel'))} at once, from "
                                 f"{plural(mine['callers'], 'thread')}"))  # fmt: skip
    if isinstance(evidence.get("rtfx"), (int, float)):
        text = f"{number(evidence['rtfx'])} s of audio per second"
        rows.append(("Throughput", text))
    if isinstance(evidence.get("cores_used"), (int, float)):
        rows.append(("CPU", f"{fixed(evidence['cores_used'], 2)} cores"))
    if isinstance(evidence.get("memory_mb"), (int, float)):
        rows.append(("Memory", f"{number(evidence['memory_mb'])} MB"))
    if isinstance(evidence.get("slowest_file_s"), (int, float)):
        rows.append(("Slowest file", f"{seconds(evidence['slowest_file_s'])} s"))
    return rows


def _confirmation(mine: dict) -> str:
    """What the fresh rounds say."""
    status = clean(mine.get("status"), 60)
    fresh = mine.get("confirmation")
    rounds = fresh.get("rounds") if isinstance(fresh, dict) else 0
    if status == "confirmed":
        return f"confirmed in {plural(int(rounds or 0), 'fresh round')}"
    if status == "not confirmed":
        return (
            f"not confirmed: slower than the runner-up in {plural(int(rounds or 0), 'fresh round')}"
        )
    if status == "not yet":
        return (
            "not yet measured again in fresh rounds"
            if not rounds
            else (f"not yet decided after {plural(int(rounds), 'fresh round')}")
        )
    return status


def _alternative(name: str, value: dict) -> dict:
    titles = {"memory_saving": "with less memory", "core_saving": "with fewer cores"}
    share, saved = value.get("throughput_share"), value.get("saved")
    text = []
    if isinstance(saved, (int, float)):
        text.append(f"{percent(saved, 0)} less")
    if isinstance(share, (int, float)):
        text.append(f"{percent(share, 0)} of the throughput")
    return {
        "title": titles.get(name, clean(name, 40)),
        "text": ", ".join(text),
        "snippet": clean(value.get("snippet"), 300),
    }
