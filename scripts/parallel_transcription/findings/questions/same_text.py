"""0 Is the text the same as when the file is transcribed alone?

Claim: transcribing files in parallel gives the same text as transcribing each alone.

Alone: transcriptions of runs with one caller (files one after another). Each transcription of a
run with several callers is compared, by the SHA-256 of its text, with the texts of the same audio
transcribed alone by the same model, compute type, device and options with as many threads (another
number of threads adds in another order). It differs if alone gave none like it; so does one alone
if no other one alone is like it: that is how often alone differs from alone.
Audio of which a window was drawn at a temperature above 0 alone (a window that fails
faster-whisper's thresholds is decoded again, at random) has no text of its own. It is told of and
not judged; records that do not tell the temperature are judged by their texts.
Verdict:
  confirmed     no difference, in so many transcriptions that one in LIMIT of them would have been
                seen (29 at 95 %)
  refuted       differences in parallel are more frequent than alone against alone (Fisher's exact
                test, one-sided)
  inconclusive  otherwise
  not measured  nothing to compare, or all of it drawn at random
Beside it: error rates, where a reference text exists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Question, effect_of
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results import error_rate
from parallel_transcription.results.columns import OPTIONS
from parallel_transcription.results.finding import Finding, Row, Verdict

#: A difference in more than so many transcriptions must have been seen for a "yes".
LIMIT = 0.10
#: What must be equal for two texts of the same audio to be compared.
EQUAL = ["model", "model_sha256", "compute_type", "device", *OPTIONS, "batch_size"]


class SameText(Question):
    """Texts of files transcribed in parallel against those transcribed alone."""

    id, number, order = "same_text", 0, 2
    asks = "Is the text the same as when the file is transcribed alone?"
    claim = "Transcribing files in parallel gives the same text as transcribing each alone."
    lacks = (
        "There are no transcriptions of the same audio alone and in parallel, with equal threads, "
        "to compare."
    )
    to_measure = (
        "a study with callers 1 beside callers = files_in_parallel, without temperature_fallback "
        "where a file's text is drawn at random."
    )
    would_change = by_verdict(
        "Parallel transcriptions with another text, more often than alone.",
        "Equal texts, for example with another version of the engine.",
        "More rounds of the files alone (callers 1) and in parallel.",
    )
    columns = (
        show.label(),
        show.integer("transcriptions", "transcriptions"),
        show.integer("different", "other text"),
        show.integer("different_alone", "alone, other text"),
        show.integer("alone", "of alone"),
        show.integer("drawn", "drawn at random"),
        show.percent("errors", "error rate"),
        show.percent("errors_alone", "alone"),
        show.text("files_different", "files with another text"),
    )
    figure = None
    most_rows = 8

    def judge(self, machine: Machine) -> Finding | None:
        """Compares the hashes of texts."""
        table = _joined(machine)
        alone, parallel = table[table["callers"] == 1], table[table["callers"] > 1]
        texts = _Texts(alone)
        rows = []
        for name, group in parallel.groupby("configuration", sort=True):
            row = _row(str(name), group, alone, texts)
            if row is not None:
                rows.append(row)
        # differences first: they are what a reader looks for
        rows.sort(key=lambda r: (-r["different"], r["configuration"]))
        if not any(row["transcriptions"] for row in rows):
            return self.not_measured(machine, rows, notes=_remarks(rows, texts))
        counted = _Counts(
            sum(row["different"] for row in rows),
            sum(row["transcriptions"] for row in rows),
            *texts.compared_alone(set(parallel["work"])),
        )
        return self.finding(
            machine,
            counted.verdict(machine),
            _answer(machine, counted, parallel, alone),
            rows,
            [row["configuration"] for row in rows],
            notes=_remarks(rows, texts),
        )


@dataclass(frozen=True)
class _Counts:
    """Transcriptions with another text than alone gave, in parallel and alone."""

    different: int
    compared: int
    different_alone: int
    compared_alone: int

    @property
    def p_more_often(self) -> float:
        """P of the test that parallel differs more often than alone does."""
        return statistics.rate_higher(
            self.different, self.compared, self.different_alone, self.compared_alone
        )

    def verdict(self, machine: Machine) -> Verdict:
        """The verdict by the rule in the module's text."""
        if self.different and self.p_more_often <= machine.alpha:
            return Verdict.REFUTED
        unseen = statistics.upper_rate(0, self.compared, machine.confidence)
        if not self.different and unseen < LIMIT:
            return Verdict.CONFIRMED
        return Verdict.INCONCLUSIVE


class _Texts:
    """How often each text of an audio was given alone, with so many threads."""

    def __init__(self, alone: Any) -> None:
        self.by_work: dict[Any, Counter[str]] = {}
        for work, digest in zip(alone["work"], alone["text_sha256"], strict=True):
            self.by_work.setdefault(work, Counter())[digest] += 1
        self.drawn = set(alone["work"][alone["temperature"] > 0])

    def compared_alone(self, works: set[Any]) -> tuple[int, int]:
        """Of the transcriptions alone that can be compared: those unlike all others, and all."""
        different = compared = 0
        for work in works - self.drawn:
            counts = self.by_work.get(work, Counter())
            if counts.total() > 1:
                different += sum(n == 1 for n in counts.values())
                compared += counts.total()
        return different, compared


def _row(name: str, group: Any, alone: Any, texts: _Texts) -> Row | None:
    """What a configuration's transcriptions are; None where nothing can be compared."""
    known = group[group["work"].isin(list(texts.by_work))]
    if known.empty:
        return None
    drawn = known["work"].isin(list(texts.drawn))
    judged = known[~drawn]
    other = [
        digest not in texts.by_work[work]
        for work, digest in zip(judged["work"], judged["text_sha256"], strict=True)
    ]
    works = set(group["work"])
    base = alone[alone["work"].isin(works)]
    different_alone, compared_alone = texts.compared_alone(works)
    return {
        "label": words.name_of(group.iloc[0]),
        "transcriptions": len(judged),
        "different": sum(other),
        "files_different": ", ".join(sorted(set(judged["file"][other]))),
        "not_compared": len(group) - len(known),
        "errors": _mean(group["errors"]),
        "errors_alone": _mean(base["errors"]),
        "configuration": name,
        "different_alone": different_alone,
        "alone": compared_alone,
        "drawn": int(drawn.sum()),
    }


def _answer(machine: Machine, counted: _Counts, parallel: Any, alone: Any) -> Answer:
    verdict, compared, different = counted.verdict(machine), counted.compared, counted.different
    all_of_them = f"{words.integer(compared)} parallel transcriptions"
    unseen = words.percent(statistics.upper_rate(0, compared, machine.confidence))
    if different:
        answer = (
            f"{starts()[verdict]} {different} of {all_of_them} "
            f"({words.percent(different / compared)}) have a text that the file alone did not "
            f"give; alone against alone, {counted.different_alone} of {counted.compared_alone} do"
        )
        answer += "." if verdict == Verdict.REFUTED else ": parallel need not be the cause."
    elif verdict == Verdict.CONFIRMED:
        answer = f"Yes: all {all_of_them} have the text of the file alone."
    else:
        answer = (
            f"Not decided: all {all_of_them} have the text of the file alone, but a difference in "
            f"up to {unseen} of them would hardly have been seen."
        )
    rates = _mean(parallel["errors"]), _mean(alone["errors"])
    if rates[0] is not None and rates[1] is not None:
        unit = "Word" if parallel["cer"].isna().all() else "Word and character"
        rate = "rate" if unit == "Word" else "rates"
        answer += (
            f" {unit} error {rate}: {words.number(100 * rates[0], 2)} % in parallel, "
            f"{words.number(100 * rates[1], 2)} % alone."
        )
    share = 100 * different / compared
    name = "parallel transcriptions with another text"
    ends = statistics.clopper_pearson(different, compared, machine.confidence)
    percent = (100 * ends[0], 100 * ends[1])
    return Answer(answer, "", effect_of(name, share, percent, "%", machine.confidence))


def _remarks(rows: list[Row], texts: _Texts) -> Iterable[str]:
    drawn = sum(row["drawn"] for row in rows)
    if drawn:
        files = len({work[0] for work in texts.drawn})
        yield (
            f"{words.plural(drawn, 'transcription')} of {words.plural(files, 'file')} not judged: "
            "a window fell below faster-whisper's thresholds and was decoded again at a "
            "temperature above 0, alone as well. Its text is drawn at random and its time with "
            "it; temperature_fallback: false measures without."
        )
    unstable = sum(len(t) > 1 for w, t in texts.by_work.items() if w not in texts.drawn)
    if unstable:
        yield (
            f"Alone, {words.plural(unstable, 'file')} gave more than one text; any of them counts "
            "as the same."
        )
    left = sum(row["not_compared"] for row in rows)
    if left:
        yield (
            f"{words.plural(left, 'parallel transcription')} not compared: the file was not "
            "transcribed alone with as many threads."
        )


def _joined(machine: Machine) -> Any:
    """Transcriptions that ended well, with the options of their run."""
    timings = machine.timings
    timings = timings[(timings["status"] == "ok") & (timings["text_sha256"] != "")]
    names = [*EQUAL, "strategy", "instances", "num_workers", "cpu_threads", "callers",
             "device_index", "files_in_parallel", "replica"]  # fmt: skip
    facts = machine.runs.groupby("run", sort=True)[["configuration", "threads", *names]].first()
    keep = ["run", "file", "audio_sha256", "text_sha256", "wer", "cer", "temperature"]
    table = timings[keep].merge(facts, left_on="run", right_index=True, how="inner")
    audio = table["audio_sha256"].where(table["audio_sha256"] != "", table["file"])
    equal = [table[name].astype(str) for name in ("threads", *EQUAL)]
    table["work"] = list(zip(audio, *equal, strict=True))
    table["errors"] = error_rate.rates(table)
    return table


def _mean(values: Any) -> float | None:
    values = values.dropna()
    return float(values.mean()) if len(values) else None
