"""10 Explained: why are requests late under a load?

Claim: most of what requests lose to others they lose in the queue, not by being served side by
side.

Per configuration and rate, in each round (`replay`): mean latency = the files' times alone + the
waiting that an ideal machine with as many workers would make of the same schedule + the rest, which
is interference. Files alone are timed in the same runs, where nobody else was served; those that
never were are taken from a line over the lengths of the others. One value per round: the share of
interference in what is lost; one-sided t tests against one half. Oldest request first only.
Verdict:
  confirmed     the queue is shown to be the larger part everywhere
  refuted       interference is shown to be the larger part somewhere (Bonferroni)
  inconclusive  otherwise, or where next to nothing is lost anywhere
  not measured  where fewer than four files ever were alone, or no rate has enough rounds
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, effect_of
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.findings.replay import Parts, alone, by_length, explain
from parallel_transcription.findings.under_load import (
    LoadQuestion,
    facts,
    open_arms,
    rate_column,
)
from parallel_transcription.results.finding import Finding, Row, Verdict

#: What a file's time alone follows from, beside the file: whose worker it is on matters not.
_SAME = ["cpu_threads", "thread_env", "device_index"]
QUEUE, INTERFERENCE, OPEN, NOTHING = "queue", "interference", "open", "nothing"
SAID = {QUEUE: "the queue", INTERFERENCE: "interference", OPEN: "open", NOTHING: "nothing is lost"}
#: Share of the latency below which what is lost is next to nothing, and no part of it is asked for.
LEAST_LOST = 0.05


class LoadExplained(LoadQuestion):
    """Latency split into service alone, queue and interference."""

    id, order = "load_explained", 6
    by_time = True
    asks = "Why are requests late: do they wait, or do they disturb each other?"
    asks_in_short = "Do requests lose more in the queue than to each other?"
    claim = "What requests lose to others they lose in the queue, not by being served side by side."
    lacks = "No rate has 4 rounds, or too few files were ever served alone."
    to_measure = (
        "a low rate, such as 30%, beside the others, so that each file is served alone at times."
    )
    would_change = by_verdict(
        "More workers or more threads than cores: then interference grows.",
        "Fewer threads per worker, or fewer workers in use.",
        "More rounds.",
    )
    columns = (
        show.label("settings"),
        rate_column(),
        show.integer("rounds", "rounds"),
        show.seconds("latency_s", "mean latency (s)"),
        show.seconds("service_s", "service alone (s)"),
        show.seconds("queue_s", "queue (s)"),
        show.seconds("interference_s", "interference (s)"),
        show.code("larger", "larger part", SAID),
    )
    sorted_by = ("label", "rate")

    def judge(self, machine: Machine) -> Finding | None:
        """Each configuration at each rate, round by round."""
        loads = self.loads_of(machine)
        if loads is None:
            return None
        rows = _rows(loads)
        if not rows:
            return self.not_measured(loads)
        for row in rows:
            lost = row["latency_s"] - row["service_s"]
            if lost < LEAST_LOST * row["latency_s"]:
                row["larger"] = NOTHING
            elif row["p_interference"] * len(rows) <= loads.alpha:
                row["larger"] = INTERFERENCE
            else:
                row["larger"] = QUEUE if row["p_queue"] <= loads.alpha else OPEN
        said = {row["larger"] for row in rows} - {NOTHING}
        verdict = Verdict.INCONCLUSIVE
        if INTERFERENCE in said:
            verdict = Verdict.REFUTED
        elif said == {QUEUE}:
            verdict = Verdict.CONFIRMED
        return self.finding(
            loads,
            verdict,
            _answer(rows, verdict, loads.confidence),
            rows,
            [row["configuration"] for row in rows],
        )


def _rows(loads: Machine) -> list[Row]:
    served = _served(loads)
    arms = open_arms(loads)
    arms = arms[(arms["discipline"] == "fifo") & (arms["service"] == "")]
    by_arm = arms.set_index("arm")
    rows = []
    for _, group in arms.groupby(_SAME, sort=True, dropna=False):
        of_group = served[served["arm"].isin(set(group["arm"])) & served["seconds"].notna()]
        lengths = of_group.groupby("audio_sha256")["audio_seconds"].first()
        by_itself = by_length(alone(of_group), lengths)
        for _, arm in group.iterrows():
            own = served[served["arm"] == arm["arm"]]
            servers = int(by_arm.loc[arm["arm"], "in_use"])
            found: dict[int, list[Parts]] = {}
            for (number, _, _), one in own.groupby(["round", "run", "repeat"], sort=True):
                told = explain(one, by_itself, servers)
                if told is not None:
                    found.setdefault(int(number), []).append(told)
            if len(found) >= statistics.LEAST_ROUNDS:
                rows.append(_row(arm, loads, [_mean(parts) for parts in found.values()]))
    return rows


def _served(loads: Machine) -> pd.DataFrame:
    """All requests of the rounds that count and were not saturated, counted ones or not."""
    runs = loads.runs[loads.runs["counts"] & (loads.runs["status"] == "ok")]
    return loads.timings.drop(columns="status").merge(
        runs[["run", "repeat", "arm"]], on=["run", "repeat"]
    )


def _mean(parts: list[Parts]) -> Parts:
    return Parts(
        *(
            float(np.mean([getattr(one, name) for one in parts]))
            for name in ("latency_s", "service_s", "queue_s")
        )
    )


def _row(arm: pd.Series, loads: Machine, rounds: list[Parts]) -> Row:
    share = [
        one.interference_s / lost if (lost := one.latency_s - one.service_s) > 0 else 0.0
        for one in rounds
    ]
    p_interference, p_queue = statistics.one_sided(share, 0.5)
    value, low, high = statistics.t_interval(share, loads.confidence)
    every = _mean(rounds)
    return facts(arm, loads) | {
        "label": words.name_of(arm),
        "configuration": arm["configuration"],
        "rounds": len(rounds),
        "latency_s": every.latency_s,
        "service_s": every.service_s,
        "queue_s": every.queue_s,
        "interference_s": every.interference_s,
        "share": value,
        "share_low": low,
        "share_high": high,
        "p_queue": p_queue,
        "p_interference": p_interference,
    }


def _answer(rows: list[Row], verdict: Verdict, confidence: float) -> Answer:
    head = max(rows, key=lambda row: (row["rate"] or 0, row["latency_s"], row["label"]))
    counts = [
        f"{number} {'has' if number == 1 else 'have'} more {said}"
        for code, said in ((QUEUE, "queue"), (INTERFERENCE, "interference"))
        if (number := sum(row["larger"] == code for row in rows))
    ]
    if still := sum(row["larger"] == OPEN for row in rows):
        counts.append(f"{still} open")
    if calm := sum(row["larger"] == NOTHING for row in rows):
        counts.append(f"{calm} {'loses' if calm == 1 else 'lose'} next to nothing")
    text = (
        f"{starts()[verdict]} of {words.plural(len(rows), 'setting', 'settings and rates')}, "
        f"{', '.join(counts)}. At {words.number(head['rate'])} requests per second with "
        f"{head['label']}, a mean latency of {words.seconds(head['latency_s'])} s is "
        f"{words.seconds(head['service_s'])} s of service alone, "
        f"{words.seconds(head['queue_s'])} s of queue and "
        f"{words.seconds(head['interference_s'])} s of interference."
    )
    short = (
        f"{words.seconds(head['service_s'])} s service, {words.seconds(head['queue_s'])} s queue, "
        f"{words.seconds(head['interference_s'])} s interference."
    )
    low, high = (None if v is None else 100 * v for v in (head["share_low"], head["share_high"]))
    effect = effect_of(
        "share of the lost time that is interference",
        100 * head["share"], (low, high), "%", confidence,
    )  # fmt: skip
    return Answer(text, short, effect)
