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

import numpy as np

from parallel_transcription import words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.columns import OPTIONS

ID, NUMBER = "same_text", 0
QUESTION = "Is the text the same as when the file is transcribed alone?"
CLAIM = "Transcribing files in parallel gives the same text as transcribing each alone."
#: What must be equal for two texts of the same audio to be compared.
EQUAL = ["model", "model_sha256", "compute_type", "device", *OPTIONS, "batch_size"]


def judge(machine: Machine) -> dict:
    table = _joined(machine)
    alone = table[table["callers"] == 1]
    parallel = table[table["callers"] > 1]
    by_threads: dict[tuple, set[str]] = {}
    by_work: dict[tuple, set[str]] = {}
    for work, threads, text in zip(
        alone["work"], alone["cpu_threads"], alone["text_sha256"], strict=True
    ):
        by_threads.setdefault((work, threads), set()).add(text)
        by_work.setdefault(work, set()).add(text)
    rows = []
    compared = differing = 0
    for name, group in parallel.groupby("configuration", sort=True):
        keys = zip(group["work"], group["cpu_threads"], strict=True)
        known = [by_threads.get((w, t)) or by_work.get(w) for w, t in keys]
        pairs = [
            (text, texts) for text, texts in zip(group["text_sha256"], known, strict=True) if texts
        ]
        different = [text not in texts for text, texts in pairs]
        if not pairs:
            continue
        compared += len(pairs)
        differing += sum(different)
        has = np.array([bool(t) for t in known])
        files = sorted(
            set(group["file"][has][np.array(different, dtype=bool)]) if sum(different) else []
        )
        works = set(group["work"])
        base = alone[alone["work"].isin(works)]
        rows.append(
            {
                "label": words.name_of(group.iloc[0]),
                "transcriptions": len(pairs),
                "different": sum(different),
                "files_different": ", ".join(files),
                "not_compared": len(group) - len(pairs),
                "wer": _mean(group["wer"]),
                "wer_alone": _mean(base["wer"]),
                "configuration": name,
            }
        )
    unstable = sum(len(t) > 1 for t in by_threads.values())
    # differences first: they are what a reader looks for
    rows.sort(key=lambda r: (-r["different"], r["configuration"]))
    if not compared:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "There are no transcriptions of the same audio alone and in parallel to compare. To "
            "measure it: a study with callers 1 beside callers = files_in_parallel.",
            change=f"Such rounds: {common.command(machine)}",
        )
    verdict = common.REFUTED if differing else common.CONFIRMED
    wer, wer_alone = _mean(parallel["wer"]), _mean(alone["wer"])
    if differing:
        answer = (
            f"No: {differing} of {compared:,} parallel transcriptions "
            f"({words.percent(differing / compared)}) have a text that the file alone did not "
            "give."
        )
    else:
        answer = f"Yes: all {compared:,} parallel transcriptions have the text of the file alone."
    if wer is not None and wer_alone is not None:
        answer += (
            f" Word error rate: {words.number(100 * wer, 2)} % in parallel, "
            f"{words.number(100 * wer_alone, 2)} % alone."
        )
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        answer,
        effect=common.effect(
            "parallel transcriptions with another text",
            100 * differing / compared,
            None,
            None,
            "%",
            machine.confidence,
        ),
        evidence=rows,
        figure=None,
        runs=[r["configuration"] for r in rows],
        change="A parallel transcription with another text."
        if not differing
        else "Equal texts, for example without temperature fallback (it draws at random).",
        notes=[
            f"Alone, {words.plural(unstable, 'file')} gave more than one text; any of them counts "
            "as the same."
            if unstable
            else "",
        ],
    )


def _joined(machine: Machine):
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


def _mean(values) -> float | None:
    values = values.dropna()
    return float(values.mean()) if len(values) else None
