"""The findings as pages show them: questions, short answers, evidence, sections."""

from __future__ import annotations

import re
from typing import Any

from parallel_transcription.report.figures import FIGURES
from parallel_transcription.report.pages.cells import (
    VERDICTS,
    Cell,
    Table,
    View,
    badge,
    cell,
    effect_parts,
    effect_text,
    is_empty,
    notice,
    table,
)
from parallel_transcription.report.pages.evidence import columns_of, most_rows, rows_of
from parallel_transcription.results.read import Facts, Results
from parallel_transcription.untrusted import clean
from parallel_transcription.words import (
    NOTHING,
    integer,
    is_missing,
    number,
    percent,
    plural,
    strategy_name,
)

QUESTIONS = {
    1: "Parallel, or a queue?",
    2: "One model, many models, or many processes?",
    3: "How many threads?",
    4: "How many workers?",
    5: "How do GPUs do, one and several?",
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
    "one_per_gpu": "Is it as fast as one per GPU?",
    "gpu_saturation": "Does more than a worker fill a GPU?",
    "memory_workers": "One copy in memory for all workers?",
    "memory_instances": "One copy in memory for all models?",
    "init_race": "Must starts be delayed?",
    "recommendation": "Are these settings the best?",
    "batching": "Can windows in batches be faster?",
}


MOST_EVIDENCE_ROWS = 48


def _where_to_look(finding: Facts) -> str:
    """What the first page says of a finding that has no short answer because it has no data."""
    if finding.get("verdict") != "not measured" or not finding.get("number"):
        return ""
    return f"Section {finding['number']} says how to measure it."


def finding_view(finding: Facts, results: Results) -> View:
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
        "in_short": clean(finding.get("in_short"), 200) or _where_to_look(finding) or answer,
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


def evidence_table(finding: str, evidence: Any) -> Table | None:
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
                cell(
                    text(row), numeric, classes=chosen + (" whole" if header == "strategy" else "")
                )
                for header, text, numeric in columns
            ]
        )
    return table([header for header, _, _ in columns], cells, note)


def _any_evidence(rows: list[dict], note: str) -> Table:
    """Evidence of a finding that is not known here: its first columns as they are."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [n for n in names if any(not is_empty(row.get(n)) for row in rows)][:10]
    cells = [[_value(row.get(n), n) for n in names] for row in rows]
    return table([heading(n) for n in names], cells, note)


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


def _value(value: Any, name: str) -> Cell:
    if is_empty(value):
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


def _confidence(effect: Any) -> str:
    value = (effect or {}).get("confidence")
    interval = [(effect or {}).get(end) for end in ("low", "high")]
    if not isinstance(value, (int, float)) or all(is_missing(end) for end in interval):
        return ""
    return percent(value)


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
