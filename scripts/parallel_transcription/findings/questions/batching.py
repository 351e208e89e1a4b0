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

from collections.abc import Iterable
from typing import Any

from parallel_transcription import statistics, words
from parallel_transcription.findings import near, show
from parallel_transcription.findings.evidence import median_of, settings_of
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results import error_rate
from parallel_transcription.results.finding import Row, Verdict


class Batching(PairedQuestion):
    """Each configuration in batches against the same without."""

    id, number = "batching", 9
    decided = 6
    asks = "Can a file be done faster by decoding its windows in batches?"
    asks_in_short = "Can windows in batches be faster?"
    claim = (
        "With some setting, windows of a file that are decoded together are done faster than one "
        "after another, by more than the margin."
    )
    lacks = (
        "There are rows in batches, but no two common rounds of the same configuration with and "
        "without."
    )
    would_change = by_verdict(
        "No pair shown to be faster by more than {margin}.",
        "A pair shown to be faster by more than {margin}, for example with longer files or larger "
        "batches.",
        "More measurements of the pairs that are open.",
    )
    columns = (
        show.label(),
        show.files(),
        show.seconds("makespan_a_s", "makespan (s)"),
        show.interval("speed_up", "times as fast", "speed_low", "speed_high"),
        show.digits("memory_mb", "memory (MB)"),
        show.digits("memory_plain_mb", "one by one (MB)"),
        show.percent("wer", "error rate"),
        show.percent("wer_plain", "one by one"),
        show.outcome(("batches", "one by one")),
    )
    sorted_by = (
        "model", "compute_type", "strategy", "files", "instances", "workers", "cpu_threads",
        "batch_size",
    )  # fmt: skip

    def cases(self, machine: Machine) -> Cases | None:
        """Arms in batches against the same one after another."""
        arms = machine.unaltered()
        in_batches = arms["batch_size"] > 0
        if not in_batches.any():
            return None
        cases = Cases(arms=arms[in_batches])
        rates = error_rate.rates(machine.timings).groupby(machine.timings["configuration"])
        errors = rates.mean().dropna().to_dict()
        for arm, pair in machine.against(arms, "batch_size", base=0):
            cases.tested.append(Case(pair, _facts(arm, pair, errors)))
        return cases

    def deciding(self, machine: Machine) -> Iterable[tuple[str, str]]:
        """Batches against none, of the settings nearest to the recommended ones."""
        pairs = machine.against(machine.unaltered(), "batch_size", base=0)
        return near.nearest(machine, [(p.arm_a, p.arm_b) for _, p in pairs])[:1]

    def compared(self, judged: Judged) -> None:
        """The comparison, and its interval as one of the speed-up."""
        super().compared(judged)
        for row in judged.rows:
            ends = [1 / end if end and end > 0 else None for end in (row["high"], row["low"])]
            row |= dict(zip(("speed_low", "speed_high"), ends, strict=True))
            row["speed_low_level"] = row["low_level"]

    def verdict(self, judged: Judged) -> Verdict:
        """Some pair faster, or all decided?"""
        if _faster(judged):
            return Verdict.CONFIRMED
        return Verdict.INCONCLUSIVE if judged.count(statistics.OPEN) else Verdict.REFUTED

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """How many pairs are faster, the best one, its memory, and the word error rates."""
        rows, margin = judged.rows, f"{100 * judged.machine.margin:g} %"
        faster, pairs = _faster(judged), words.plural(len(rows), "pair")
        best = max(rows, key=lambda r: (r["speed_up"], r["configuration_a"]))
        ends = ("speed_up", "speed_low", "speed_high")
        speed = judged.estimate(best, "times as fast as one after another", *ends)
        several = len({row["model"] for row in rows}) > 1
        label = f"{best['label']} ({best['model']})" if several else best["label"]
        parts = [
            f"{starts()[verdict]} {faster} of {words.plural(len(rows), 'matched pair')} "
            f"{'is' if faster == 1 else 'are'} faster in batches by more than {margin}. The best, "
            f"{label}, is {speed}."
        ]
        if best["memory_mb"] and best["memory_plain_mb"]:
            parts.append(
                f"It takes {words.number(best['memory_mb'])} MB at its peak, one after another "
                f"{words.number(best['memory_plain_mb'])} MB."
            )
        known = [r for r in rows if r["wer"] is not None and r["wer_plain"] is not None]
        if known:
            with_batches, plain = (
                words.percent(sum(r[name] for r in known) / len(known))
                for name in ("wer", "wer_plain")
            )
            parts.append(
                f"Errors in the text: {with_batches} in batches, {plain} one after another."
            )
        size = best["batch_size"]
        return Answer(
            " ".join(parts),
            f"Best: batches of {size}; {faster} of {pairs} faster by more than {margin}.",
            judged.effect(
                best, f"times as fast in batches of {size}, the best of {pairs}", words.TIMES, *ends
            ),
        )

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """What differs in batches, and what the choice of the best one does."""
        yield (
            "Batches cut the audio every 30 s (with vad_filter: in pauses) where Whisper's own "
            "windows follow its timestamps, so the text may differ. Files of up to 30 s are one "
            "window and have nothing to decode together."
        )
        if len(judged.rows) > 1:
            yield "The best of several pairs is a little flattered by chance."


def _faster(judged: Judged) -> int:
    """How many pairs are faster in batches by more than the margin."""
    return sum(r["size"] == statistics.BEYOND and r["ratio"] < 1 for r in judged.rows)


def _facts(arm: Any, pair: Pair, errors: dict[str, float]) -> Row:
    in_batches, plain = pair.configurations
    result = pair.result
    told = ("device", "strategy", "instances", "workers", "cpu_threads", "files", "batch_size")
    return {
        "label": words.name_of(arm),
        **settings_of(arm, *told),
        "speed_up": 1 / result.ratio,
        "speed_low": None,
        "speed_high": None,
        "memory_mb": _memory(pair.a),
        "memory_plain_mb": _memory(pair.b),
        "wer": errors.get(in_batches),
        "wer_plain": errors.get(plain),
    }


def _memory(rounds: Any) -> float | None:
    """Memory on the GPUs where the runs used some, else the process's, at its peak (MB)."""
    on_gpu = median_of(rounds, "gpu_mem_mb")
    return on_gpu or median_of(rounds, "rss_peak_mb")
