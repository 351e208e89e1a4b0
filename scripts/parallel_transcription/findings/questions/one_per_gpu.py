"""5 One model on a list of GPUs, or one model per GPU?

Claim: with equal total workers, callers, threads and files on the same GPUs, one model with a list
of devices takes the same time as models (or processes) of their own on each, within the margin.

Pairs and verdict: those of `one_against_others` whose devices are two or more GPUs. Holm over the
pairs of this question; not measured without such pairs.
"""

from __future__ import annotations

from parallel_transcription import statistics, words
from parallel_transcription.findings import one_against_others as matched
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import median_of
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import (
    Answer,
    Cases,
    Judged,
    PairedQuestion,
)
from parallel_transcription.findings.remarks import by_verdict, margin_words, starts
from parallel_transcription.findings.rounds import SEVERAL_GPUS
from parallel_transcription.results.finding import Verdict


class OnePerGpu(PairedQuestion):
    """One model on a list of GPUs against one on each of them."""

    id, number, order = "one_per_gpu", 5, 2
    equal = True
    asks = "Is one model on a list of GPUs as good as one model per GPU?"
    asks_in_short = "Is it as fast as one per GPU?"
    claim = (
        "One model with a list of devices takes the same time as one model on each of them, within "
        "the margin."
    )
    lacks = "Not measured here: no matched rounds of a list of GPUs and of one model on each."
    to_measure = SEVERAL_GPUS
    to_measure_on = " on a machine with two or more"
    remedy = f"Runs on two or more GPUs: {SEVERAL_GPUS}"
    would_change = by_verdict(
        "A pair shown to differ by more than {margin}.",
        "All pairs shown to be within {margin}.",
        "More rounds of the pairs that are open.",
    )
    columns = (
        show.text("others", "one model against"),
        show.integer("gpus", "GPUs"),
        show.workers("total_workers"),
        show.files(),
        show.seconds("makespan_a_s", "one model (s)"),
        show.seconds("makespan_b_s", "others (s)"),
        show.ratio(),
        show.p_equivalent(),
        show.rounds(),
        show.outcome((matched.ONE, "others")),
    )
    sorted_by = (
        "model", "compute_type", "others", "files", "gpus", "total_workers", "instances",
        "cpu_threads", "callers",
    )  # fmt: skip

    def cases(self, machine: Machine) -> Cases:
        """Matched pairs on the same GPUs."""
        cases = Cases()
        for strategy in ("multi_model", "multi_process"):
            found, notes = matched.matched_pairs(machine, strategy, on_several_gpus=True)
            cases.notes += notes
            for case in found:
                if case.pair.testable:
                    case.row |= {
                        "others": words.STRATEGY_NAMES[strategy],
                        "gpus": matched.count(case.row["device_index"]),
                        "balance": median_of(case.pair.a, "gpu_balance"),
                        "balance_others": median_of(case.pair.b, "gpu_balance"),
                    }
                    cases.tested.append(case)
        return cases

    def verdict(self, judged: Judged) -> Verdict:
        """Equal within the margin in all pairs?"""
        return matched.verdict_of(judged)

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """The ratio of the pair that decided."""
        row = matched.deciding(judged)
        same = judged.count(statistics.WITHIN)
        start = starts(f"Yes, within {margin_words(judged.machine)}:")[verdict]
        takes = judged.estimate(row, "times the makespan")
        which = "" if len(judged.rows) == 1 else ", in the pair furthest from equal"
        return Answer(
            f"{start} over {words.plural(len(judged.rows), 'matched pair')}, one model on a list "
            f"of GPUs takes {takes} of one model per GPU{which}; {same} "
            f"{'is' if same == 1 else 'are'} equivalent.",
            matched.in_short(judged),
            judged.effect(row, matched.told(row, "one model per GPU")),
        )
