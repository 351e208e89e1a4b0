"""0 Is the text the same as when the file is transcribed alone?

Claim: transcribing files in parallel gives the same text as transcribing each alone.

Alone: transcriptions of runs with one caller (files one after another). Each transcription of a
run with several callers is compared, by the SHA-256 of its text, with the texts of the same audio
transcribed alone by the same model, compute type, device and options; with equal cpu_threads where
such runs exist, else any. Where alone itself has given several texts, any of them counts as the
same, and that is said. Counted per configuration; every difference is a row.
Verdict:
  confirmed     no difference in any transcription (of at least one)
  refuted       at least one difference
  not measured  no transcription alone, or none in parallel, to compare
Word error rates are those of the timings, where a reference text exists.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parallel_transcription import words
from parallel_transcription.findings import show
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Question, effect_of
from parallel_transcription.findings.remarks import by_verdict
from parallel_transcription.results.columns import OPTIONS
from parallel_transcription.results.finding import Finding, Row, Verdict

#: What must be equal for two texts of the same audio to be compared.
EQUAL = ["model", "model_sha256", "compute_type", "device", *OPTIONS, "batch_size"]


class SameText(Question):
    """Texts of files transcribed in parallel against those transcribed alone."""

    id, number, order = "same_text", 0, 2
    asks = "Is the text the same as when the file is transcribed alone?"
    claim = "Transcribing files in parallel gives the same text as transcribing each alone."
    lacks = "There are no transcriptions of the same audio alone and in parallel to compare."
    to_measure = "a study with callers 1 beside callers = files_in_parallel."
    would_change = by_verdict(
        "A parallel transcription with another text.",
        "Equal texts, for example without temperature fallback (it draws at random).",
        "",
    )
    columns = (
        show.label(),
        show.integer("transcriptions", "transcriptions"),
        show.integer("different", "other text"),
        show.percent("wer", "WER"),
        show.percent("wer_alone", "WER alone"),
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
        if not rows:
            return self.not_measured(machine)
        compared, different = (
            sum(row[key] for row in rows) for key in ("transcriptions", "different")
        )
        return self.finding(
            machine,
            Verdict.REFUTED if different else Verdict.CONFIRMED,
            _answer(machine, compared, different, _mean(parallel["wer"]), _mean(alone["wer"])),
            rows,
            [row["configuration"] for row in rows],
            notes=_remarks(texts),
        )


class _Texts:
    """The texts that files gave alone, with as many threads and with any."""

    def __init__(self, alone: Any) -> None:
        self.by_threads: dict[tuple[Any, int], set[str]] = {}
        self.by_work: dict[Any, set[str]] = {}
        columns = (alone[name] for name in ("work", "cpu_threads", "text_sha256"))
        for work, threads, digest in zip(*columns, strict=True):
            self.by_threads.setdefault((work, threads), set()).add(digest)
            self.by_work.setdefault(work, set()).add(digest)

    def of(self, work: Any, threads: int) -> set[str]:
        """With equal threads where there are any, else with any; empty where none is known."""
        return self.by_threads.get((work, threads)) or self.by_work.get(work) or set()


def _row(name: str, group: Any, alone: Any, texts: _Texts) -> Row | None:
    """What a configuration's transcriptions are; None where nothing can be compared."""
    columns = (group[name] for name in ("work", "cpu_threads", "text_sha256", "file"))
    known = [
        (digest not in same, file)
        for work, threads, digest, file in zip(*columns, strict=True)
        if (same := texts.of(work, threads))
    ]
    if not known:
        return None
    base = alone[alone["work"].isin(set(group["work"]))]
    return {
        "label": words.name_of(group.iloc[0]),
        "transcriptions": len(known),
        "different": sum(other for other, _ in known),
        "files_different": ", ".join(sorted({file for other, file in known if other})),
        "not_compared": len(group) - len(known),
        "wer": _mean(group["wer"]),
        "wer_alone": _mean(base["wer"]),
        "configuration": name,
    }


def _answer(
    machine: Machine, compared: int, different: int, wer: float | None, wer_alone: float | None
) -> Answer:
    parallel = f"{words.integer(compared)} parallel transcriptions"
    if different:
        answer = (
            f"No: {different} of {parallel} "
            f"({words.percent(different / compared)}) have a text that the file alone did not "
            "give."
        )
    else:
        answer = f"Yes: all {parallel} have the text of the file alone."
    if wer is not None and wer_alone is not None:
        answer += (
            f" Word error rate: {words.number(100 * wer, 2)} % in parallel, "
            f"{words.number(100 * wer_alone, 2)} % alone."
        )
    share = 100 * different / compared
    name = "parallel transcriptions with another text"
    return Answer(answer, "", effect_of(name, share, (None, None), "%", machine.confidence))


def _remarks(texts: _Texts) -> Iterable[str]:
    unstable = sum(len(t) > 1 for t in texts.by_threads.values())
    if unstable:
        yield (
            f"Alone, {words.plural(unstable, 'file')} gave more than one text; any of them counts "
            "as the same."
        )


def _joined(machine: Machine) -> Any:
    """Transcriptions that ended well, with the options of their run."""
    timings = machine.timings
    timings = timings[(timings["status"] == "ok") & (timings["text_sha256"] != "")]
    names = [*EQUAL, "strategy", "instances", "num_workers", "cpu_threads", "callers",
             "device_index", "files_in_parallel", "replica"]  # fmt: skip
    facts = machine.all_runs.groupby("run", sort=True)[["configuration", *names]].first()
    keep = ["run", "file", "audio_sha256", "text_sha256", "wer"]
    table = timings[keep].merge(facts, left_on="run", right_index=True, how="inner")
    audio = table["audio_sha256"].where(table["audio_sha256"] != "", table["file"])
    table["work"] = list(zip(audio, *[table[o].astype(str) for o in EQUAL], strict=True))
    return table


def _mean(values: Any) -> float | None:
    values = values.dropna()
    return float(values.mean()) if len(values) else None
