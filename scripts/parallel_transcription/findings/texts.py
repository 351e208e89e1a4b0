"""Whether settings with other options give as good a text, by their error rates.

Batches of windows and a voice detector change the work, and with it the text. Such settings may be
recommended if their error rate is shown not to be worse than that of the study's plain options by
more than a limit: the one-sided upper bound of the difference lies below it (non-inferiority).
Words are taken as independent, and as unpaired unless all texts are the same; both make it harder
to show.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
import scipy

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.finding import Row

#: Options that a recommendation may choose between; `choose.GROUP` has the others.
FREE = ("batch_size", "vad_filter", "condition_on_previous_text", "temperature_fallback")
INCREASE = 0.02  # of the error rate, unless the study's limits say another


def not_as_good(machine: Machine, rows: Sequence[Row]) -> dict[str, str]:
    """Why the text of some settings is not shown to be as good, by arm.

    Args:
        machine: Where they were measured.
        rows: Candidates of one kind of work, of any options.
    """
    plain = [row for row in rows if not row["batch_size"] and not row["vad_filter"]]
    standard = Counter(map(_options, plain or rows)).most_common(1)[0][0]
    by_options: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        by_options.setdefault(_options(row), []).append(row["arm"])
    if len(by_options) < 2:
        return {}
    limit = machine.limits.get("max_wer_increase")
    limit = INCREASE if limit is None else float(limit)
    told = machine.transcriptions
    base = told[told["arm"].isin(by_options[standard])]
    reasons: dict[str, str] = {}
    for options, arms in by_options.items():
        if options != standard:
            own = told[told["arm"].isin(arms)]
            if reason := _why_not(own, base, limit, machine.alpha):
                reasons |= dict.fromkeys(arms, reason)
    return reasons


def _options(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in FREE)


def _why_not(own: pd.DataFrame, base: pd.DataFrame, limit: float, alpha: float) -> str:
    mine, theirs = _rate(own), _rate(base)
    if mine is None or theirs is None:
        return "no error rate tells whether its text is as good"
    (rate, count), (usual, of) = mine, theirs
    if set(own["text_sha256"]) == set(base["text_sha256"]):
        worst = statistics.upper_rate(0, count, 1 - alpha)
    else:
        spread = math.sqrt(_variance(rate) / count + _variance(usual) / of)
        worst = rate - usual + float(scipy.stats.norm.isf(alpha)) * spread
    if worst <= limit:
        return ""
    return (
        f"error rate {words.percent(rate)} against {words.percent(usual)} in "
        f"{words.plural(count, 'word')}: not shown to be at most {words.percent(limit)} worse"
    )


def _variance(rate: float) -> float:
    return min(rate, 1.0) * (1 - min(rate, 1.0))


def _rate(transcriptions: pd.DataFrame) -> tuple[float, int] | None:
    """Error rate over all files, and of how many words (characters); None without references."""
    rates = transcriptions["wer"].fillna(transcriptions["cer"])
    known = transcriptions[rates.notna()]
    if known.empty:
        return None
    by_words = known["wer"].notna()
    sizes = known["reference"].str.split().str.len().where(by_words, known["reference"].str.len())
    files = pd.DataFrame({"rate": rates, "size": sizes, "file": known["audio_sha256"]})
    files = files.loc[known.index].groupby("file").mean()
    count = int(files["size"].sum())
    return (float((files["rate"] * files["size"]).sum() / count), count) if count else None
