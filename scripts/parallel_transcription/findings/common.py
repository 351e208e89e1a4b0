"""What the findings share: rows of evidence, commands, the finding itself."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable

import numpy as np
import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.statistics import Comparison

CONFIRMED, REFUTED, INCONCLUSIVE, NOT_MEASURED = (
    "confirmed",
    "refuted",
    "inconclusive",
    "not measured",
)
# what must be equal for two arms to be the same work under the same conditions
CONDITIONS = ["workload", "model", "compute_type", "device", "thread_env", "init_stagger_s"]

NO_UTILISATION = (
    "The GPU's utilisation is not known: NVML is not there, or the passes took longer than the "
    "driver's buffer of samples reaches back (docs/gpu.md)."
)


def median_of(rounds: pd.DataFrame, name: str) -> float | None:
    """A meter's median over the rounds that have it; None where none has."""
    known = rounds[name].dropna() if name in rounds else rounds.iloc[:0]
    return float(known.median()) if len(known) else None


# --- the finding --------------------------------------------------------------------------------


def plain(value):
    """JSON-ready: numpy types to Python's, nan and infinities to None, floats to 6 digits."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, pd.Index, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        value = float(value)
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    return str(value)


def finding(
    machine: Machine,
    id: str,
    number: int,
    question: str,
    claim: str,
    verdict: str,
    answer: str,
    *,
    in_short: str = "",
    effect: dict | None = None,
    evidence: list[dict] | None = None,
    figure: str | None = "",
    runs: Iterable[str] = (),
    change: str = "",
    more_rounds: dict | None = None,
    notes: Iterable[str] = (),
) -> dict:
    """A finding as results/findings.json holds it. `figure` "" is the figure named as the finding.

    Without evidence there is no figure. `in_short` is the answer in some 60 letters, beside which
    verdict and effect stand.
    """
    evidence = list(evidence or [])
    keys = list(dict.fromkeys(k for row in evidence for k in row))
    return plain(
        {
            "id": id,
            "number": number,
            "question": question,
            "claim": claim,
            "machine": machine.label,
            "verdict": verdict,
            "answer": answer,
            "in_short": in_short,
            "effect": effect,
            "evidence": [{k: row.get(k) for k in keys} for row in evidence],
            "figure": (id if figure == "" else figure) if evidence else None,
            "runs": sorted(set(runs)),
            "change": change,
            "more_rounds": more_rounds,
            "notes": list(dict.fromkeys(n for n in notes if n)),
        }
    )


def effect(name: str, value, low, high, unit: str, confidence: float) -> dict | None:
    if value is None or not math.isfinite(value):
        return None
    return {
        "name": name,
        "value": value,
        "low": low,
        "high": high,
        "unit": unit,
        "confidence": confidence,
    }


# --- commands -----------------------------------------------------------------------------------


def command(machine: Machine, settings: str = "", only: Iterable[str] = ()) -> str:
    """A Snakemake command line on the machine's study."""
    on_cluster = machine.facts.get("scheduler") == "slurm"
    parts = ["snakemake --profile slurm" if on_cluster else "snakemake --cores 2"]
    files = [f for f in str(machine.study.get("file") or "").split(", ") if f]
    if files and not (len(files) == 1 and files[0].endswith("config/config.yaml")):
        parts.append(f"--configfile {' '.join(map(_quoted, files))}")
    only = sorted(set(only))
    if settings or only:
        parts.append("--config")
    if settings:
        parts.append(settings)
    if only:
        parts.append("'only=[" + ",".join(f'"{c}"' for c in only) + "]'")
    return " ".join(parts)


def _quoted(file: str) -> str:
    """A file name for the command line of a shell, which still finds a home folder in it."""
    tilde = "~/" if file.startswith("~/") else ""
    return tilde + shlex.quote(file.removeprefix(tilde))


def more_rounds(machine: Machine, pairs: list[tuple[Pair, Comparison]], family: int):
    """Plan for the undecided pairs: ({"rounds", "command"} or None, a sentence for the notes).

    Rounds needed so that each undecided pair is decided (within or beyond the margin) with a
    chance of 90 %, if its true ratio is the one seen so far and the log ratios spread as those of
    all the pairs together. A pair whose ratio lies so near the margin that no reasonable number of
    rounds would do is left out of the plan and named in the sentence. Censored pairs too.
    """
    undecided = [(p, c) for p, c in pairs if c.size == statistics.OPEN and c.rounds]
    if not undecided:
        return None, ""
    groups = [(c.rounds, c.sd) for _, c in pairs if not (c.censored_a or c.censored_b)]
    sd, freedom = statistics.pooled_sd(groups)
    if not freedom:
        names = [n for p, _ in undecided for n in p.configurations]
        rounds = int(machine.study.get("rounds") or 1)
        rounds = max(rounds, *(c.rounds for _, c in undecided)) + 3
        plan = {"rounds": rounds, "command": command(machine, f"min_rounds={rounds}", names)}
        return plan, "The spread is not known from a single round; three more are a start."
    wanted, names, hopeless = 0, [], 0
    for pair, comparison in undecided:
        if comparison.censored_a or comparison.censored_b:
            hopeless += 1
            continue
        need = statistics.rounds_needed(
            sd, machine.margin, ratio=comparison.ratio, alpha=machine.alpha, family=family
        )
        if need is None:
            hopeless += 1
            continue
        # an undecided pair needs at least one more round, whatever the plan says
        wanted = max(wanted, need, comparison.rounds + 1)
        names += pair.configurations
    spread = words.number(100 * sd, 2)
    text = ""
    if wanted:
        text = (
            f"About {words.plural(wanted, 'round')} in all would decide what is still open (log "
            f"ratios spread by {spread} %; power 90 %; if the true ratios are those seen)."
        )
    if hopeless:
        text += (
            f" {words.plural(hopeless, 'pair')} so near the margin, or cut by the time limit, that "
            f"more rounds (up to {statistics.MOST_ROUNDS}) would hardly decide."
        )
    if not wanted:
        return None, text.strip()
    return {
        "rounds": wanted,
        "command": command(machine, f"min_rounds={wanted}", names),
    }, text.strip()


# --- evidence -----------------------------------------------------------------------------------


def pair_row(pair: Pair, result: Comparison, first: str = "A", second: str = "B") -> dict:
    """The columns that every comparison has in a table of evidence.

    Ratios are A / B of makespans. `outcome` names the faster arm by `first` or `second`.
    """
    names = {
        statistics.A_FASTER: f"{first} faster",
        statistics.B_FASTER: f"{second} faster",
    }
    outcome = names.get(result.outcome, result.outcome)
    remark = ""
    if result.slightly:
        remark = f"equivalent, {first if result.slightly == 'A' else second} slightly faster"
    if result.bound:
        remark = f"ratio {result.bound} this (time limit reached)"
    a, b = pair.configurations
    return {
        "rounds": result.rounds,
        "ratio": result.ratio,
        "low": result.low,
        "high": result.high,
        "low_equivalence": result.low_equivalence,
        "high_equivalence": result.high_equivalence,
        "median_ratio": result.median_ratio,
        "median_low": result.median_low,
        "median_high": result.median_high,
        "outcome": outcome,
        "size": result.size,
        "remark": remark,
        "p_equivalent": result.tests.p_equivalent,
        "p_difference": result.tests.p_difference,
        "spread": result.sd,
        "makespan_a_s": pair.a["makespan_s"].median() if len(pair.a) else None,
        "makespan_b_s": pair.b["makespan_s"].median() if len(pair.b) else None,
        "censored_rounds": result.censored_a + result.censored_b + result.censored_both,
        "disturbed_rounds": pair.disturbed,
        "configuration_a": a,
        "configuration_b": b,
    }


def troubles(machine: Machine, arms: pd.DataFrame) -> list[str]:
    """Sentences on arms that failed, were killed or ran into the time limit, and on disturbance."""
    notes = []
    for _, row in arms.sort_values("arm").iterrows():
        bad = []
        for status in ("failed", "killed"):
            if row[f"n_{status}"]:
                bad.append(f"{status} in {words.plural(int(row[f'n_{status}']), 'repeat')}")
        if row["n_timeout"]:
            bad.append(
                f"ran into the time limit in {words.plural(int(row['n_timeout']), 'repeat')} "
                "(counted as at least that long)"
            )
        if bad:
            error = row["error"].splitlines()[0][:160] if row["error"] else ""
            notes.append(
                f"{row['configuration']}: {', '.join(bad)}" + (f" ({error})" if error else "") + "."
            )
    if len(machine.rounds) and len(arms):
        own = machine.rounds[machine.rounds.index.get_level_values("arm").isin(set(arms["arm"]))]
        left_out, whole = int(own["left_out"].sum()), int(own["disturbed"].sum())
        if left_out or whole:
            notes.append(
                f"Foreign load: {words.plural(left_out, 'disturbed repeat')} left out, "
                f"{words.plural(whole, 'round')} with nothing but disturbed repeats counted all "
                "the same."
            )
    return notes


def mixtures(machine: Machine) -> list[str]:
    """Sentences on what differs between the runs of a label, and so touches every answer."""
    notes = []
    if machine.facts.get("mixed_hardware"):
        notes.append("The runs under this label come from more than one kind of machine.")
    if machine.facts.get("mixed_versions"):
        notes.append("The runs under this label were made with more than one set of packages.")
    if machine.facts.get("mixed_code"):
        notes.append("The runs under this label were made by more than one version of the code.")
    return notes


def correction_note(family: int, confidence: float) -> str:
    if family < 2:
        return ""
    return (
        f"p-values are Holm-corrected over the {family} pairs of this question on this machine; "
        f"the intervals of single pairs ({words.level(confidence)}) are not."
    )


def margin_words(machine: Machine) -> str:
    low, high = statistics.band(machine.margin)
    return f"±{100 * machine.margin:g} % (ratio {low:.3f} to {high:.3f})"
