"""9 Windows in batches: `BatchedInferencePipeline` against `WhisperModel.transcribe`.

Only where a study has rows with `batch_size` > 0. Claim: with some setting, decoding the windows of
a file together is faster than decoding them one after another, by more than the margin.

Matched pairs: the same configuration with and without batches, on the same workload (so both
without previous text and without temperature fallback); all such pairs with 2 or more common
rounds; ratio = makespan in batches / makespan one after another, paired by round. Holm over the
pairs.
Verdict:
  confirmed     some pair is shown to be faster in batches by more than the margin
  refuted       no pair is, and every pair is decided (equivalent, or slower by more than the
                margin)
  inconclusive  otherwise
The text may differ, because batches cut the audio into fixed windows: the word error rates stand
beside the times.
"""

from __future__ import annotations

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine
from parallel_transcription.study.dimensions import NAMES as DIMENSIONS

ID, NUMBER = "batching", 9
QUESTION = "Can a file be done faster by decoding its windows in batches?"
CLAIM = (
    "With some setting, windows of a file that are decoded together are done faster than one after "
    "another, by more than the margin."
)
IN_BATCHES, PLAIN = "batches", "one by one"


def judge(machine: Machine) -> dict | None:
    arms = machine.unaltered()
    if not (arms["batch_size"] > 0).any():
        return None
    pairs = _matched_pairs(machine, arms)
    if not pairs:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "There are rows in batches, but no two common rounds of the same configuration with "
            "and without.",
            change=f"Such rounds: {common.command(machine)}",
            notes=common.troubles(machine, arms),
        )
    results = statistics.correct([pair.result for _, pair in pairs])
    errors = _error_rates(machine)
    rows = [
        _row(arm, pair, result, errors) for (arm, pair), result in zip(pairs, results, strict=True)
    ]
    faster = [r for r in rows if r["size"] == statistics.BEYOND and r["ratio"] < 1]
    if faster:
        verdict = common.CONFIRMED
    elif all(r["size"] in (statistics.WITHIN, statistics.BEYOND) for r in rows):
        verdict = common.REFUTED
    else:
        verdict = common.INCONCLUSIVE
    best = max(rows, key=lambda r: (r["speed_up"], r["configuration_a"]))
    plan, sentence = common.more_rounds(
        machine, [(p, r) for (_, p), r in zip(pairs, results, strict=True)], len(results)
    )
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        _answer(machine, verdict, rows, faster, best),
        in_short=f"Best: batches of {best['batch_size']}; {len(faster)} of "
        f"{words.plural(len(rows), 'pair')} faster by more than {100 * machine.margin:g} %.",
        effect=common.effect(
            f"times as fast in batches of {best['batch_size']}, the best of "
            f"{words.plural(len(rows), 'pair')}",
            best["speed_up"],
            best["speed_low"],
            best["speed_high"],
            words.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        runs=[c for _, pair in pairs for c in pair.configurations],
        change={
            common.CONFIRMED: "No pair shown to be faster by more than "
            f"{common.margin_words(machine)}.",
            common.REFUTED: "A pair shown to be faster by more than "
            f"{common.margin_words(machine)}, for example with longer files or larger batches.",
            common.INCONCLUSIVE: "More rounds of the pairs that are open.",
        }[verdict],
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            "Batches cut the audio every 30 s (with vad_filter: in pauses) where Whisper's own "
            "windows follow its timestamps, so the text may differ. Files of up to 30 s are one "
            "window and have nothing to decode together.",
            "The best of several pairs is a little flattered by chance." if len(rows) > 1 else "",
            "The recommended settings are chosen among runs without batches.",
            sentence if verdict == common.INCONCLUSIVE else "",
            common.correction_note(len(results), machine.confidence),
            *common.troubles(machine, arms[arms["batch_size"] > 0]),
        ],
    )


def _matched_pairs(machine: Machine, arms) -> list[tuple]:
    """[(arm in batches, in batches against one after another)]."""
    same = [*(d for d in DIMENSIONS if d != "batch_size"), "workload"]
    pairs = []
    for _, group in arms.groupby(same, sort=True, dropna=False):
        plain = group[group["batch_size"] == 0]
        for _, arm in group[group["batch_size"] > 0].sort_values("batch_size").iterrows():
            if len(plain):
                pair = machine.compare(arm["arm"], plain.iloc[0]["arm"])
                if pair.result.rounds >= 2:
                    pairs.append((arm, pair))
    return pairs


def _error_rates(machine: Machine) -> dict[str, float]:
    """The mean word error rate of each configuration that has one."""
    return machine.timings.groupby("configuration")["wer"].mean().dropna().to_dict()


def _row(arm, pair, result, errors: dict[str, float]) -> dict:
    in_batches, plain = pair.configurations
    ends = [1 / end if end and end > 0 else None for end in (result.high, result.low)]
    return {
        "label": words.name_of(arm),
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "device": arm["device"],
        "strategy": arm["strategy"],
        "instances": arm["instances"],
        "workers": arm["num_workers"],
        "cpu_threads": arm["cpu_threads"],
        "files": arm["files_in_parallel"],
        "batch_size": arm["batch_size"],
        "speed_up": 1 / result.ratio,
        "speed_low": ends[0],
        "speed_high": ends[1],
        **common.pair_row(pair, result, IN_BATCHES, PLAIN),
        "memory_mb": _memory(pair.a),
        "memory_plain_mb": _memory(pair.b),
        "wer": errors.get(in_batches),
        "wer_plain": errors.get(plain),
    }


def _memory(rounds) -> float | None:
    """Memory on the GPUs where the runs used some, else the process's, at its peak (MB)."""
    on_gpu = common.median_of(rounds, "gpu_mem_mb")
    return on_gpu or common.median_of(rounds, "rss_peak_mb")


def _answer(
    machine: Machine, verdict: str, rows: list[dict], faster: list[dict], best: dict
) -> str:
    start = {
        common.CONFIRMED: "Yes:",
        common.REFUTED: "No:",
        common.INCONCLUSIVE: "Not decided:",
    }[verdict]
    speed = words.estimate(
        best["speed_up"],
        best["speed_low"],
        best["speed_high"],
        machine.confidence,
        "times as fast as one after another",
    )
    several = len({row["model"] for row in rows}) > 1
    label = f"{best['label']} ({best['model']})" if several else best["label"]
    parts = [
        f"{start} {len(faster)} of {words.plural(len(rows), 'matched pair')} "
        f"{'is' if len(faster) == 1 else 'are'} faster in batches by more than "
        f"{100 * machine.margin:g} %. The best, {label}, is {speed}."
    ]
    if best["memory_mb"] and best["memory_plain_mb"]:
        parts.append(
            f"It takes {words.number(best['memory_mb'])} MB at its peak, one after another "
            f"{words.number(best['memory_plain_mb'])} MB."
        )
    known = [r for r in rows if r["wer"] is not None and r["wer_plain"] is not None]
    if known:
        in_batches, plain = (
            words.percent(sum(r[name] for r in known) / len(known)) for name in ("wer", "wer_plain")
        )
        parts.append(f"Word error rate: {in_batches} in batches, {plain} one after another.")
    return " ".join(parts)
