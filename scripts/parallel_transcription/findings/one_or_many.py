"""2 One model or many: one model with N workers against N models, and against N processes.

Claims: with equal total workers, callers, threads and files, one model takes the same time as
many models (`one_or_many`) and as many processes with one model each (`processes`), within the
margin.

Matched pairs: one_model against multi_model (multi_process) with the same workload, model,
compute type, device (one; lists of GPUs are question 5), cpu_threads, files in parallel, callers,
total workers, thread environment; at least 2 instances and 2 callers. All such pairs are tested;
ratio = makespan of one model / makespan of the others, paired by round. Holm over the pairs of the
question.
Verdict:
  confirmed     every tested pair is equivalent (the ratio shown within the margin)
  refuted       some pair is shown to differ by more than the margin, in either direction
  inconclusive  otherwise. A pair that is decided "faster" while it is open whether by more than
                the margin does not refute: the claim is about the margin. More rounds settle it.
  not measured  no pair
Pairs without a common round (one arm failed in all) are named in the notes and not judged.
"""

from __future__ import annotations

import numpy as np

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.statistics import Comparison

ONE = "one model"
QUESTIONS = {
    "multi_model": (
        "one_or_many",
        "Is one model with N workers as good as N models?",
        "One model with N workers takes the same time as N models, within the margin.",
        "many models",
    ),
    "multi_process": (
        "processes",
        "Is one model with N workers as good as N processes with one model each?",
        "One model with N workers takes the same time as N processes, within the margin.",
        "many processes",
    ),
}
MATCHED = [
    *common.CONDITIONS,
    "cpu_threads",
    "files_in_parallel",
    "callers",
    "total_workers",
]


def devices(text: str) -> str:
    """The set of devices in a device_index string, whatever their order: "1,0" -> "0,1"."""
    return ",".join(sorted({p.strip() for p in str(text).split(",") if p.strip()}))


def count(text: str) -> int:
    """How many devices a device_index string names."""
    return len(devices(text).split(","))


def verdict_of(results: list[Comparison]) -> str:
    """The verdict over all pairs of a question."""
    if all(r.size == statistics.WITHIN for r in results):
        return common.CONFIRMED
    if any(r.size == statistics.BEYOND for r in results):
        return common.REFUTED
    return common.INCONCLUSIVE


def judge(machine: Machine, strategy: str = "multi_model") -> dict:
    id, question, claim, other = QUESTIONS[strategy]
    pairs, unmatched = matched_pairs(machine, strategy)
    arms = machine.ordinary()
    arms = arms[arms["strategy"].isin(["one_model", strategy]) & (arms["callers"] > 1)]
    tested = [(dims, p) for dims, p in pairs if p.result.rounds >= 2]
    single = [(dims, p) for dims, p in pairs if p.result.rounds < 2]
    notes = [
        *unmatched,
        *[
            f"{p.configurations[0]} and {p.configurations[1]}: "
            f"{words.plural(p.result.rounds, 'common round')}, too few to test."
            for _, p in single
        ],
    ]
    if not tested:
        return common.finding(
            machine,
            id,
            2,
            question,
            claim,
            common.NOT_MEASURED,
            f"There are no two matched rounds of one_model and {strategy} here. To measure it: a "
            f"study with both strategies, 2 or more instances, and as many workers in one_model, "
            "in at least 3 rounds.",
            change=f"Such rounds: {common.command(machine, 'min_rounds=3')}",
            notes=[*notes, *common.troubles(machine, arms)],
        )
    results = statistics.correct([p.result for _, p in tested])
    rows = []
    for (dims, pair), result in zip(tested, results, strict=True):
        rows.append({**dims, **common.pair_row(pair, result, ONE, other)})
    verdict = verdict_of(results)
    pairs_only = [p for _, p in tested]
    plan, sentence = common.more_rounds(
        machine, list(zip(pairs_only, results, strict=True)), len(results)
    )
    if verdict != common.INCONCLUSIVE:
        plan = None
    together = overall(machine, pairs_only)
    return common.finding(
        machine,
        id,
        2,
        question,
        claim,
        verdict,
        _answer(machine, verdict, rows, results, together, other),
        in_short=in_short(machine, results),
        effect=common.effect(
            f"makespan of one model / {other}, all pairs together",
            *together,
            words.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        runs=[c for p in pairs_only for c in p.configurations],
        change={
            common.CONFIRMED: "A matched pair shown to differ by more than "
            f"{common.margin_words(machine)}, or left open by a wider grid.",
            common.REFUTED: "All pairs shown to be within "
            f"{common.margin_words(machine)}, for example with another model or engine version.",
            common.INCONCLUSIVE: "More rounds of the pairs that are open.",
        }[verdict],
        more_rounds=plan,
        notes=[
            *notes,
            sentence if verdict == common.INCONCLUSIVE else "",
            common.correction_note(len(results), machine.confidence),
            *common.troubles(machine, arms),
        ],
    )


def matched_pairs(
    machine: Machine, strategy: str, on_several_gpus: bool = False
) -> tuple[list[tuple[dict, Pair]], list[str]]:
    """[(dimensions, one_model against `strategy`)], and sentences on arms that have no rounds.

    With one device each, or on the same two or more GPUs (question 5).
    """
    arms = machine.ordinary()
    arms = arms[(arms["callers"] > 1) & (arms["total_workers"] > 1)].copy()
    arms["devices"] = [devices(d) for d in arms["device_index"]]
    arms = arms[arms["devices"].astype(str).str.contains(",") == on_several_gpus]
    ones = arms[arms["strategy"] == "one_model"]
    others = arms[(arms["strategy"] == strategy) & (arms["instances"] > 1)]
    pairs, notes = [], []
    keys = [*MATCHED, "devices"]
    for _, one in ones.sort_values("arm").iterrows():
        same = others
        for key in keys:
            same = same[same[key] == one[key]]
        for _, other in same.sort_values("arm").iterrows():
            pair = machine.compare(one["arm"], other["arm"])
            if not pair.result.rounds:
                notes.append(
                    f"{one['configuration']} and {other['configuration']} have no common round "
                    "with a time on either side; not judged."
                )
                continue
            pairs.append(
                (
                    {
                        "model": one["model"],
                        "compute_type": one["compute_type"],
                        "device": one["device"],
                        "device_index": one["device_index"],
                        "files": one["files_in_parallel"],
                        "callers": one["callers"],
                        "total_workers": one["total_workers"],
                        "cpu_threads": one["cpu_threads"],
                        "instances": other["instances"],
                        "workers_per_instance": other["num_workers"],
                    },
                    pair,
                )
            )
    return pairs, notes


def overall(machine: Machine, pairs: list[Pair]) -> tuple[float, float, float]:
    """Geometric mean ratio over all pairs, with its interval over rounds.

    Unit: the round (mean of the log ratios of the pairs in it), so that what a round shares is not
    counted twice. Only rounds that have every uncensored pair count; with fewer than 2 such rounds
    the interval is unknown.
    """
    series = []
    for pair in pairs:
        a, b = pair.a, pair.b
        if a["censored"].any() or b["censored"].any():
            continue
        values = np.log(a["makespan_s"].astype(float)) - np.log(b["makespan_s"].astype(float))
        series.append(values)
    if not series:
        return float("nan"), float("nan"), float("nan")
    common_rounds = set(series[0].index)
    for values in series[1:]:
        common_rounds &= set(values.index)
    if not common_rounds:
        return float(np.exp(np.mean([v.mean() for v in series]))), float("nan"), float("nan")
    means = np.mean([[v.loc[r] for r in sorted(common_rounds)] for v in series], axis=0)
    return statistics.geometric_interval(np.exp(means), machine.confidence)


def in_short(machine: Machine, results: list[Comparison]) -> str:
    """How many pairs are equal, different and open."""
    sizes = {
        statistics.WITHIN: f"equal within ±{100 * machine.margin:g} %",
        statistics.BEYOND: f"different by more than ±{100 * machine.margin:g} %",
        statistics.OPEN: "open",
    }
    counts = {word: sum(r.size == size for r in results) for size, word in sizes.items()}
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    return f"Of {words.plural(len(results), 'matched pair')}: {', '.join(parts)}."


def _answer(machine, verdict, rows, results: list[Comparison], together, other: str) -> str:
    n = len(rows)
    same = sum(r.size == statistics.WITHIN for r in results)
    beyond = [row for row, r in zip(rows, results, strict=True) if r.size == statistics.BEYOND]
    still = n - same - len(beyond)
    ratio, low, high = together
    parts = {
        common.CONFIRMED: [f"Yes, within {common.margin_words(machine)}:"],
        common.REFUTED: ["No:"],
        common.INCONCLUSIVE: ["Not decided:"],
    }[verdict]
    parts.append(
        f"of {words.plural(n, 'matched pair')}, {same} {'is' if same == 1 else 'are'} equivalent, "
        f"{len(beyond)} {'differs' if len(beyond) == 1 else 'differ'} by more than the margin, "
        f"{still} {'is' if still == 1 else 'are'} open."
    )
    if np.isfinite(ratio):
        takes = words.estimate(
            ratio, low, high, machine.confidence, f"times the makespan of {other}"
        )
        parts.append(f"Over the pairs together, one model takes {takes}.")
    if beyond:
        worst = max(beyond, key=lambda r: (abs(np.log(r["ratio"])), r["configuration_a"]))
        who, slower = (ONE, other) if worst["ratio"] < 1 else (other, ONE)
        factor = worst["ratio"] if worst["ratio"] > 1 else 1 / worst["ratio"]
        parts.append(
            f"The largest difference: {who} faster, {slower} {words.longer_or_shorter(factor)} "
            f"({words.plural(int(worst['total_workers']), 'worker')} in all, "
            f"{words.plural(int(worst['cpu_threads']), 'thread')})."
        )
    return " ".join(parts)
