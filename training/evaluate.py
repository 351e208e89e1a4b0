"""Measure a model folder on clips with references, through faster-whisper's default options.

`python -m training.evaluate MODEL CLIPS` prints the word error rate of each set of clips, and
what was misheard; `--out FILE` also writes the numbers as JSON.
"""

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path

import jiwer
from faster_whisper import WhisperModel

from training.held_out_clips import REFERENCES


def timestamp_faults(segments: list, seconds: float) -> list[str]:
    """Name each segment that ends before it starts, starts before its predecessor, or outlasts.

    The last timestamp may lie one step of 0.02 s behind the end of the file.
    """
    faults, before = [], 0.0
    for segment in segments:
        if not 0 <= segment.start <= segment.end <= seconds + 0.02 or segment.start < before - 0.02:
            faults.append(f"{segment.start:.2f} to {segment.end:.2f} of {seconds:.2f} s")
        before = segment.end
    return faults


def evaluate(model_folder: Path, clips_folder: Path, show_errors: bool = False) -> dict:
    """Return per set: clips, seconds, words, word errors, WER, exact clips, faults, fallbacks.

    `fallbacks` counts segments that needed a temperature above 0.
    """
    model = WhisperModel(str(model_folder), device="cpu", compute_type="int8", cpu_threads=1)
    sets: dict[str, dict] = {}
    began = time.monotonic()
    for clip in json.loads((clips_folder / REFERENCES).read_text()):
        segments, info = model.transcribe(str(clips_folder / clip["file"]))
        segments = list(segments)
        heard = " ".join(segment.text.strip() for segment in segments)
        reference = " ".join(clip["sentences"])
        measured = jiwer.process_words(reference, heard)
        errors = measured.substitutions + measured.deletions + measured.insertions
        row = sets.setdefault(
            clip["set"],
            {
                "clips": 0, "seconds": 0.0, "words": 0, "word_errors": 0, "wer": 0.0,
                "exact_clips": 0, "timestamp_faults": 0, "fallbacks": 0,
            },
        )  # fmt: skip
        row["clips"] += 1
        row["seconds"] = round(row["seconds"] + info.duration, 2)
        row["words"] += len(reference.split())
        row["word_errors"] += errors
        row["wer"] = round(row["word_errors"] / row["words"], 5)
        row["exact_clips"] += errors == 0
        row["timestamp_faults"] += len(timestamp_faults(segments, info.duration))
        row["fallbacks"] += sum(segment.temperature > 0 for segment in segments)
        if show_errors and errors:
            print(f"{clip['file']} ({clip['voice']})")
            print(jiwer.visualize_alignment(measured, show_measures=False, skip_correct=True))
    return {
        "options": "faster-whisper defaults (beam 5, temperature fallback, earlier text), int8",
        "versions": {name: version(name) for name in ("faster-whisper", "ctranslate2")},
        "real_time_factor": round(
            sum(row["seconds"] for row in sets.values()) / (time.monotonic() - began), 1
        ),
        "sets": sets,
    }


def table(metrics: dict) -> str:
    """Return the sets as a Markdown table."""
    lines = [
        "| Clips | Number | Audio | Words | Word errors | WER | Clips without error |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in metrics["sets"].items():
        lines.append(
            f"| {name.replace('_', ' ')} | {row['clips']} | {row['seconds']:.0f} s "
            f"| {row['words']} | {row['word_errors']} | {row['wer']:.2%} | {row['exact_clips']} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("clips", type=Path, help=f"folder with clips and {REFERENCES}")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    metrics = evaluate(arguments.model, arguments.clips, show_errors=True)
    print(table(metrics))
    print(json.dumps(metrics["sets"]))
    if arguments.out:
        arguments.out.write_text(json.dumps(metrics, indent=2) + "\n")


if __name__ == "__main__":
    main()
