"""Make the bundled clips: `python -m audio.make_audio` in the root of the repository.

Needs espeak-ng and PyAV. `--check` only compares the files with SHA256SUMS and needs neither.
"""

import argparse
import hashlib
import random
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CHECKSUMS = FOLDER / "SHA256SUMS"
BIT_RATE = 32000
MIX_BIT_RATE = 16000  # many files: small ones

GERMAN_TEXTS = [
    """Guten Morgen aus dem kleinen Hafen am Fluss.
    Heute früh lag dichter Nebel über dem Wasser, und die erste Fähre musste eine halbe Stunde
    warten.
    Inzwischen scheint die Sonne, und auf dem Markt werden schon Äpfel, Käse und frisches Brot
    verkauft.
    Am Nachmittag spielt die Blaskapelle vor dem alten Rathaus.
    Wer mitsingen möchte, braucht keine Noten, nur gute Laune.
    Der Eintritt ist frei, und für die Kinder gibt es heiße Schokolade.""",
    """Unsere Werkstatt repariert Fahrräder, Uhren und alte Radios.
    Bitte bringen Sie Ihr Gerät am Dienstag oder am Donnerstag vorbei und beschreiben Sie kurz,
    was nicht funktioniert.
    Meistens fehlt nur eine Schraube, oder ein Kabel hat sich gelöst.
    Während Sie warten, können Sie bei uns Kaffee trinken und selbst zum Werkzeug greifen.
    Was wir nicht retten können, nehmen wir auseinander, denn gute Ersatzteile sind schwer zu
    finden.""",
]


@dataclass(frozen=True)
class Clip:
    """A clip to make: what it is called, who speaks, how fast, and how long or which text."""

    name: str
    voice: str
    words_per_minute: int
    seconds: float = 0.0
    text: str = ""


CLIPS = [
    Clip("english-1", "en", 160, 58),
    Clip("english-2", "en-us", 160, 58),
    Clip("english-3", "en+f2", 160, 58),
    Clip("english-4", "en-us+m3", 160, 58),
    Clip("english-long", "en-us+f4", 160, 120),
    Clip("english-short", "en+m7", 160, 8),
    Clip("english-unseen-voice", "en-us+linda", 160, 30),
    *(
        Clip(f"mix/short-{n:02d}", voice, pace, seconds)
        for n, (voice, pace, seconds) in enumerate(
            [
                ("en", 160, 5), ("en-us", 170, 6), ("en+f2", 150, 7), ("en-us+m3", 165, 8),
                ("en+m7", 160, 9), ("en-us+f4", 155, 6), ("en+f1", 165, 7), ("en-us+m1", 150, 8),
                ("en+f3", 160, 9), ("en-us+f5", 170, 5), ("en+m1", 155, 6), ("en-us+f1", 160, 7),
                ("en", 150, 8), ("en-us", 160, 9),
            ],
            1,
        )
    ),
    *(
        Clip(f"mix/middle-{n}", voice, pace, seconds)
        for n, (voice, pace, seconds) in enumerate(
            [
                ("en-us", 160, 31), ("en+m3", 165, 35), ("en-us+f2", 155, 39), ("en", 160, 43),
                ("en+f4", 165, 47), ("en-us+m7", 155, 52),
            ],
            1,
        )
    ),
    Clip("mix/long-1", "en-us", 160, 124),
    Clip("mix/long-2", "en+f2", 155, 137),
    Clip("german-1", "de", 145, text=GERMAN_TEXTS[0]),
    Clip("german-2", "de+f2", 145, text=GERMAN_TEXTS[1]),
]  # fmt: skip


def make_clip(clip: Clip, speaker) -> None:
    """Write one clip, spoken by a training.speech.Speaker, and its reference transcript."""
    from training.clips import speak_for, speak_sentences, write_opus
    from training.voices import Manner

    rng = random.Random(clip.name)
    manner = Manner(clip.voice, clip.words_per_minute)
    if clip.text:
        sentences = [" ".join(part.split()) for part in clip.text.replace(".", ".\0").split("\0")]
        sentences = [sentence for sentence in sentences if sentence]
        samples = speak_sentences(speaker, sentences, manner, rng, pauses=(0.4, 0.8))
    else:
        samples, sentences = speak_for(speaker, clip.seconds, manner, rng)
    bit_rate = MIX_BIT_RATE if clip.name.startswith("mix/") else BIT_RATE
    write_opus(FOLDER / f"{clip.name}.opus", samples, bit_rate)
    (FOLDER / f"{clip.name}.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")


def digests() -> list[str]:
    """Return a line 'digest  file' for each clip and transcript."""
    names = [f"{clip.name}.{suffix}" for clip in CLIPS for suffix in ("opus", "txt")]
    return [f"{hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()}  {name}" for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare with SHA256SUMS")
    if parser.parse_args().check:
        wrong = set(digests()) ^ set(CHECKSUMS.read_text().splitlines())
        sys.exit(f"differs from {CHECKSUMS.name}: {sorted(wrong)}" if wrong else 0)
    from training.clips import duration_of
    from training.speech import Speaker

    speaker = Speaker()
    (FOLDER / "mix").mkdir(exist_ok=True)
    for clip in CLIPS:
        make_clip(clip, speaker)
        seconds = duration_of(FOLDER / f"{clip.name}.opus")
        print(f"| {clip.name}.opus | {clip.voice} | {seconds:.2f} s |")
    CHECKSUMS.write_text("\n".join(digests()) + "\n")


if __name__ == "__main__":
    main()
