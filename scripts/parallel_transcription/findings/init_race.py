"""7 Must initialisations be staggered?

Claim: several models must be loaded with a delay between them, or a race fails some of them.

Rows: cold starts (files_in_parallel 0), each in a fresh process that loads two or more instances
at once (multi_model) with a stagger between them. A start fails if its status is not "ok". Per
stagger: failures, starts, rate with its exact (Clopper-Pearson) interval. Kinds of model source
are judged together and shown apart: a hub name can race in its download, a local folder cannot.
Verdict:
  confirmed     failures at stagger 0 are more frequent than with a stagger (Fisher's exact test,
                one-sided)
  refuted       no failure at stagger 0, and the one-sided upper bound of the rate is below 10 %
                (29 starts without a failure at 95 %)
  inconclusive  otherwise; says how many more starts would be needed
  not measured  no cold start at stagger 0
"""

from __future__ import annotations

import math

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine

ID, NUMBER = "init_race", 7
QUESTION = "Must the initialisations of several models be staggered?"
CLAIM = "Several models must be loaded with a delay between them, or a race fails some of them."
LIMIT = 0.10


def judge(machine: Machine) -> dict:
    starts = machine.starts
    starts = starts[(starts["instances"] > 1) & starts["unaltered"]]
    rows = []
    for (kind, model, stagger), group in starts.groupby(
        ["model_kind", "model", "init_stagger_s"], sort=True
    ):
        rows.append(_row(machine, kind, model, float(stagger), group))
    zero = starts[starts["init_stagger_s"] == 0]
    later = starts[starts["init_stagger_s"] > 0]
    if zero.empty:
        needed = statistics.starts_needed(LIMIT, machine.confidence)
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "There are no cold starts of several models without a delay. To measure it: "
            "configurations with strategy multi_model, files_in_parallel 0 and init_stagger_s 0, "
            f"at least {needed} starts.",
            evidence=rows,
            change=f"Such starts: {common.command(machine)}",
        )
    n, failed = len(zero), int((zero["status"] != "ok").sum())
    upper = statistics.upper_rate(failed, n, machine.confidence)
    low, high = statistics.clopper_pearson(failed, n, machine.confidence)
    p = float("nan")
    later_failed = int((later["status"] != "ok").sum())
    if len(later):
        p = statistics.rate_higher(failed, n, later_failed, len(later))
    plan = None
    if failed and p <= machine.alpha:
        verdict = common.CONFIRMED
    elif not failed and upper < LIMIT:
        verdict = common.REFUTED
    else:
        verdict = common.INCONCLUSIVE
        plan = _plan(machine, zero, failed)
    level = machine.confidence
    if verdict == common.REFUTED:
        answer = (
            f"No: {n} of {n} cold starts without a delay worked; the failure rate is below "
            f"{words.percent(upper)} ({words.level(level)} upper bound)."
        )
        if "hub" not in set(zero["model_kind"]):
            answer += (
                " The models came from a local folder. Loading by a hub's name is another thing: "
                "with huggingface_hub 0.36 it does race (docs/methods.md, benchmarks/init_race.py)."
            )
    else:
        start = "Yes:" if verdict == common.CONFIRMED else "Not decided:"
        answer = (
            f"{start} {failed} of {words.plural(n, 'cold start')} without a delay failed "
            f"({words.percent(failed / n) if failed else '0 %'}, "
            f"{words.interval(100 * low, 100 * high, level, '%')})"
        )
        answer += (
            f", {later_failed} of {len(later)} with one (p = {words.number(p, 2)})."
            if len(later)
            else "; none was made with a delay."
        )
    errors = zero[zero["status"] != "ok"]["error"]
    kinds = sorted(set(zero["model_kind"]) - {""})
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        answer,
        in_short=(
            f"{n - failed} of {words.plural(n, 'cold start')} without a delay worked"
            + (f"; with one, {len(later) - later_failed} of {len(later)}." if len(later) else ".")
        ),
        effect=common.effect(
            "failure rate without a delay", 100 * failed / n, 100 * low, 100 * high, "%", level
        ),
        evidence=rows,
        runs=sorted(set(starts["configuration"])),
        change={
            common.REFUTED: "A failed start without a delay.",
            common.CONFIRMED: "Failures with a delay as frequent as without.",
            common.INCONCLUSIVE: "More cold starts.",
        }[verdict],
        more_rounds=plan,
        notes=[
            f"Model source of these starts: {words.listing(kinds)}." if kinds else "",
            f"First error: {errors.iloc[0].splitlines()[0][:160]}"
            if len(errors) and errors.iloc[0]
            else "",
        ],
    )


def _row(machine: Machine, kind: str, model: str, stagger: float, group) -> dict:
    n, failed = len(group), int((group["status"] != "ok").sum())
    low, high = statistics.clopper_pearson(failed, n, machine.confidence)
    return {
        "model_kind": kind,
        "model": model,
        "init_stagger_s": stagger,
        "instances": int(group["instances"].max()),
        "starts": n,
        "failures": failed,
        "rate": failed / n,
        "low": low,
        "high": high,
        "upper_bound": statistics.upper_rate(failed, n, machine.confidence),
        "load_s": group["load_s"].median(),
        "error": next((e.splitlines()[0][:160] for e in group["error"] if e), ""),
        "configuration": min(group["configuration"]),
    }


def _plan(machine: Machine, zero, failed: int) -> dict | None:
    """Rounds that bring the starts without a delay to the number that would settle it."""
    n = len(zero)
    rounds = max(1, zero["round"].nunique())
    per_round = n / rounds
    target = statistics.starts_needed(LIMIT, machine.confidence)
    if failed:  # enough to tell the rate seen from none (Fisher), searched in steps
        target = None
        for factor in range(2, 41):
            if statistics.rate_higher(failed * factor, n * factor, 0, n * factor) <= machine.alpha:
                target = n * factor
                break
        if target is None:
            return None
    if target <= n:
        target = n + 1
    wanted = math.ceil(target / per_round)
    names = sorted(set(machine.starts["configuration"]))
    return {"rounds": wanted, "command": common.command(machine, f"min_rounds={wanted}", names)}
