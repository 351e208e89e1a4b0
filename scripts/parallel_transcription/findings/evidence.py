"""The evidence of a finding: what a row of a comparison holds, and the order of rows.

Rows hold numbers and codes; the words for codes stand in the columns (`show`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Pair
from parallel_transcription.results.finding import Row, Verdict
from parallel_transcription.statistics import Comparison

# what must be equal for two arms to be the same work under the same conditions
CONDITIONS = ["workload", "model", "compute_type", "device", "thread_env", "init_stagger_s"]

NOT_JUDGED = "not judged"
# codes of `outcome` and `remark`
OUTCOMES = {statistics.A_FASTER: "a_faster", statistics.B_FASTER: "b_faster"}
SLIGHTLY = {"A": "a_slightly_faster", "B": "b_slightly_faster"}
BOUNDS = {"at least": "ratio_at_least", "at most": "ratio_at_most"}


def median_of(rounds: pd.DataFrame, name: str) -> float | None:
    """A meter's median over the rounds that have it; None where none has."""
    known = rounds[name].dropna()
    return float(known.median()) if len(known) else None


#: What evidence calls a setting where it is not as in the tables.
_CALLED = {"workers": "num_workers", "files": "files_in_parallel"}


def settings_of(arm: Any, *names: str) -> Row:
    """What a row of evidence says of an arm: model, compute type, and the settings named."""
    return {n: arm[_CALLED.get(n, n)] for n in ("model", "compute_type", *names)}


def counted(result: Comparison) -> Row:
    """What a comparison rests on: rounds, or matches and the passes of a side in them."""
    if result.by_matches:
        return {"rounds": None, "matches": result.rounds, "passes": result.passes}
    return {"rounds": result.rounds, "matches": None, "passes": None}


def pair_row(pair: Pair, result: Comparison) -> Row:
    """What a row of evidence holds of a comparison; ratios are A / B of makespans."""
    a, b = pair.configurations
    return {
        **counted(result),
        "ratio": result.ratio,
        "low": result.low,
        "high": result.high,
        "low_level": result.level,
        "low_equivalence": result.low_equivalence,
        "high_equivalence": result.high_equivalence,
        "median_ratio": result.median_ratio,
        "median_low": result.median_low,
        "median_high": result.median_high,
        "outcome": OUTCOMES.get(result.outcome, result.outcome),
        "size": result.size,
        "remark": BOUNDS.get(result.bound) or SLIGHTLY.get(result.slightly, ""),
        "p_equivalent": result.alone.p_equivalent,
        "p_difference": result.alone.p_difference,
        "p_difference_adjusted": result.tests.p_difference,
        "p_beyond_adjusted": result.p_beyond,
        "spread": result.sd,
        "makespan_a_s": pair.a["makespan_s"].median() if len(pair.a) else None,
        "makespan_b_s": pair.b["makespan_s"].median() if len(pair.b) else None,
        "censored_rounds": result.censored_a + result.censored_b + result.censored_both,
        "disturbed_rounds": pair.disturbed,
        "configuration_a": a,
        "configuration_b": b,
    }


def ladder(pairs: Iterable[Pair]) -> list[Row]:
    """The looks at the matches of pairs, oldest first: ratio A / B and the interval that decides.

    The interval is that of the equivalence test; there is none before the first look.
    """
    return [
        {"configuration_a": pair.configurations[0], "configuration_b": pair.configurations[1]}
        | {"size": pair.result.size, "margin": pair.result.margin}
        | look._asdict()
        for pair in pairs
        for look in pair.result.looks
    ]


def faster_than_margin(result: Comparison, alpha: float, yes: str, no: str, neither: str) -> str:
    """`yes` where B is shown to be faster than A by more than the margin, `no` where it is not.

    `yes` is corrected over the report, so that any such row counts; `no` is of this row alone, for
    rules that ask it of all rows.
    """
    if result.tests.p_above <= alpha and result.tests.p_difference <= alpha:
        return yes
    return no if result.alone.p_not_above <= alpha else neither


def some_and_none(outcomes: set[str], yes: str, no: str) -> Verdict:
    """Confirmed where some outcome is `yes` and none `no`, refuted where all are `no`."""
    if yes in outcomes and no not in outcomes:
        return Verdict.CONFIRMED
    return Verdict.REFUTED if outcomes == {no} else Verdict.INCONCLUSIVE


def in_order(rows: Sequence[Row], keys: Sequence[str]) -> list[int]:
    """Places of the rows by these values: numbers by size, then words, then what is missing."""
    return sorted(range(len(rows)), key=lambda k: [_place(key, rows[k].get(key)) for key in keys])


def _place(key: str, value: Any) -> tuple[int, float, str]:
    if key == "strategy":
        value = words.strategy_place(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, float(value), ""
    return 2 if value is None else 1, 0.0, str(value)
