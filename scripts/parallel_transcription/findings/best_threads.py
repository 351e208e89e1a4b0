"""3 Which cpu_threads is best on this machine, and does it matter?

Claim: the number of cpu_threads matters: with equal workers, some value is faster than another by
more than the margin.

Groups: one_model on the CPU, equal workload, model, compute type and callers (callers = files in
parallel); settings are (num_workers, cpu_threads). Two things are done with a group:
1. Does it matter? All pairs of thread counts at equal num_workers are compared by makespan, Holm
   over all such pairs of the machine. No pair is chosen by its result.
2. Which is best? The setting with the highest throughput (geometric mean over rounds); every other
   one is compared with it, p-values multiplied by the number of settings compared (Bonferroni):
   this keeps the level although the best was chosen by the same data (Gupta's subset selection).
   "tied" = shown equivalent to the best; "slower" = shown slower; "open" = neither.
Verdict (of 1):
  confirmed     some pair differs by more than the margin
  refuted       all pairs are within the margin
  inconclusive  otherwise
  not measured  fewer than two values of cpu_threads at equal num_workers
"""

from __future__ import annotations

import itertools

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine

REAL_TIME = f"{words.TIMES} real time"
ID, NUMBER = "best_threads", 3
QUESTION = "Which cpu_threads is best on this machine, and does it matter?"
CLAIM = (
    "The number of cpu_threads matters: with equal workers, some value is faster than another by "
    "more than the margin."
)


def groups(machine: Machine):
    """The groups of comparable settings: (key, arms of one_model on the CPU)."""
    arms = machine.ordinary()
    arms = arms[
        (arms["strategy"] == "one_model")
        & (arms["device"] == "cpu")
        & (arms["callers"] == arms["files_in_parallel"])
        & (arms["n_ok"] + arms["n_timeout"] > 0)
    ]
    keys = [*common.CONDITIONS, "files_in_parallel"]
    return list(arms.groupby(keys, sort=True))


def judge(machine: Machine) -> dict:
    rows, used, pairs, ranks = [], [], [], []
    for _, group in groups(machine):
        group = group.sort_values(["num_workers", "cpu_threads", "arm"])
        for _, same in group.groupby("num_workers", sort=True):
            for (_, a), (_, b) in itertools.combinations(same.iterrows(), 2):
                if a["cpu_threads"] != b["cpu_threads"]:
                    pair = machine.compare(a["arm"], b["arm"])
                    if pair.result.rounds >= 2:
                        pairs.append(pair)
        ranking = rank(machine, group)
        if len(ranking) > 1:
            ranks.append(ranking)
            rows += ranking
            used += [r["configuration"] for r in ranking]
    if not pairs:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "There are no two matched rounds with different cpu_threads and equal num_workers. To "
            "measure it: a study with two or more values of cpu_threads.",
            evidence=rows,
            runs=used,
            change=f"Such rounds: {common.command(machine)}",
        )
    results = statistics.correct([p.result for p in pairs])
    if any(r.size == statistics.BEYOND for r in results):
        verdict = common.CONFIRMED
    elif all(r.size == statistics.WITHIN for r in results):
        verdict = common.REFUTED
    else:
        verdict = common.INCONCLUSIVE
    plan, sentence = common.more_rounds(
        machine, list(zip(pairs, results, strict=True)), len(results)
    )
    ranks.sort(key=lambda r: -len(r))
    best = ranks[0][0]
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        _answer(machine, verdict, ranks),
        in_short=(
            f"Best for {words.plural(int(best['files']), 'file')} at once: {words.setting(best)}."
        ),
        effect=common.effect(
            f"throughput of the best setting ({words.setting(best)})",
            best["rtfx"],
            best["low"],
            best["high"],
            REAL_TIME,
            machine.confidence,
        ),
        evidence=rows,
        runs=used,
        change={
            common.CONFIRMED: "All thread counts shown to be within the margin of each other at "
            "equal workers.",
            common.REFUTED: "A pair of thread counts shown to differ by more than the margin.",
            common.INCONCLUSIVE: "More rounds of the settings that are open.",
        }[verdict],
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            "The best one was chosen by the same rounds that it is compared in; its own throughput "
            "is therefore a little flattered. The recommended settings are measured again in fresh "
            "rounds.",
            sentence if verdict == common.INCONCLUSIVE else "",
            common.correction_note(len(results), machine.confidence),
        ],
    )


def rank(machine: Machine, group) -> list[dict]:
    """Settings of a group, best first, each compared with the best (see the module's text)."""
    entries = []
    for _, arm in group.iterrows():
        times = machine.times(arm["arm"])
        calm = times[~times["censored"].astype(bool)]
        if calm.empty:
            # never finished in time: it can tie with nothing, and it is not the best
            entries.append((float("inf"), arm, None))
            continue
        entries.append((statistics.geometric_interval(calm["makespan_s"])[0], arm, calm))
    entries.sort(key=lambda e: (e[0], e[1]["arm"]))
    if not entries or entries[0][2] is None:
        return []
    best = entries[0][1]
    others = [arm for _, arm, _ in entries[1:]]
    comparisons = [machine.compare(best["arm"], arm["arm"]).result for arm in others]
    comparisons = statistics.correct(comparisons, "bonferroni")
    rows = []
    for k, (_, arm, calm) in enumerate(entries):
        rtfx, low, high = (None, None, None)
        if calm is not None:
            rtfx, low, high = statistics.geometric_interval(calm["rtfx"], machine.confidence)
        c = comparisons[k - 1] if k else None
        standing = "best"
        if c is not None:
            standing = {
                statistics.EQUIVALENT: "tied",
                statistics.A_FASTER: "slower",
            }.get(c.outcome, "open")
        rows.append(
            {
                "model": arm["model"],
                "compute_type": arm["compute_type"],
                "files": arm["files_in_parallel"],
                "callers": arm["callers"],
                "workers": arm["num_workers"],
                "cpu_threads": arm["cpu_threads"],
                "threads_in_use": arm["in_use"] * arm["cpu_threads"],
                "rtfx": rtfx,
                "low": low,
                "high": high,
                "rounds": len(calm) if calm is not None else c.rounds,
                "time_ratio_to_best": 1.0 if c is None else 1 / c.ratio if c.rounds else None,
                "ratio_low": 1.0 if c is None else 1 / c.high,
                "ratio_high": 1.0 if c is None else 1 / c.low,
                "standing": standing,
                "size": "" if c is None else c.size,
                "configuration": arm["configuration"],
            }
        )
    return rows


def _answer(machine: Machine, verdict: str, ranks: list[list[dict]]) -> str:
    parts = {
        common.CONFIRMED: ["It matters."],
        common.REFUTED: ["It does not matter within the margin."],
        common.INCONCLUSIVE: ["Whether it matters is not decided."],
    }[verdict]
    for rows in ranks[:4]:
        best = rows[0]
        ties = [r for r in rows[1:] if r["standing"] == "tied"]
        still = [r for r in rows[1:] if r["standing"] == "open"]
        text = (
            f"Best for {words.plural(int(best['files']), 'file')} at once ({best['model']}): "
            f"{words.setting(best)}, "
        )
        text += words.estimate(
            best["rtfx"], best["low"], best["high"], machine.confidence, REAL_TIME
        )
        if ties:
            text += f"; as good: {words.listing(words.setting(r) for r in ties)}"
        if still:
            text += f"; not told apart from it: {words.listing(words.setting(r) for r in still)}"
        parts.append(text + ".")
    return " ".join(parts)
