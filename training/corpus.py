"""A corpus on disk: spoken sentences as spectrograms with their words and word times."""

import json
import multiprocessing
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.domain import WORD_IDS, WORDS, is_held_out, training_sentence
from training.features import log_mel
from training.voices import draw_manner, is_trained

CHUNK = 250  # utterances that one task of the pool speaks


@dataclass(frozen=True)
class Utterance:
    """One spoken sentence.

    features: log10 mel powers, float16, shape (frames, 80), 100 frames a second.
    words: word ids, shape (words,). boundaries: seconds, shape (words + 1,).
    """

    features: np.ndarray
    words: np.ndarray
    boundaries: np.ndarray


class Corpus:
    """Reads a corpus folder; the spectrograms stay on disk until they are used."""

    def __init__(self, folder: Path):
        with np.load(folder / "index.npz") as index:
            self._frames_end, self._words_end = index["frames_end"], index["words_end"]
            self._words, self._boundaries = index["words"], index["boundaries"]
        self._features = np.load(folder / "features.npy", mmap_mode="r")

    def __len__(self) -> int:
        return len(self._frames_end)

    def __getitem__(self, index: int) -> Utterance:
        frames = slice(self._frames_end[index - 1] if index else 0, self._frames_end[index])
        words = slice(self._words_end[index - 1] if index else 0, self._words_end[index])
        # Each utterance has one boundary more than words.
        boundaries = slice(words.start + index, words.stop + index + 1)
        return Utterance(self._features[frames], self._words[words], self._boundaries[boundaries])


class Mixture:
    """Draws utterances from several corpora by given shares."""

    def __init__(self, corpora: list[Corpus], shares: list[float]):
        self._corpora = corpora
        self._limits = np.cumsum(shares) / np.sum(shares)

    def draw(self, rng: np.random.Generator) -> Utterance:
        corpus = self._corpora[int(np.searchsorted(self._limits, rng.random()))]
        return corpus[int(rng.integers(len(corpus)))]


def _speak_chunk(
    task: tuple[str, str, int, int],
) -> list[tuple[np.ndarray, list[int], np.ndarray]]:
    sentences, voice_set, seed, count = task
    from training.speech import Speaker  # one engine per process

    speaker, rng, spoken = Speaker(), random.Random(seed), []
    for _ in range(count):
        sentence = training_sentence(rng, sentences)
        manner = draw_manner(rng, voice_set)
        samples, boundaries = speaker.say(sentence, manner)
        assert not is_held_out(sentence) and is_trained(manner.voice)
        words = [WORD_IDS[word] for word in sentence.split()]
        spoken.append((log_mel(samples).astype(np.float16), words, boundaries))
    return spoken


def make_corpus(
    folder: Path, sentences: str, voice_set: str, utterances: int, seed: int, workers: int
) -> None:
    """Speak a corpus into the folder; nothing is done if the same corpus is already there.

    sentences: a style of domain.py. voice_set: a set of voices.py. seed: of the first chunk;
    the others count on from there.
    """
    made_of = {
        "sentences": sentences, "voice_set": voice_set, "utterances": utterances, "seed": seed
    }  # fmt: skip
    note = folder / "made_of.json"
    if note.exists() and json.loads(note.read_text()) == made_of:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    counts = [min(CHUNK, utterances - start) for start in range(0, utterances, CHUNK)]
    tasks = [(sentences, voice_set, seed + number, count) for number, count in enumerate(counts)]
    features, words, boundaries = [], [], []
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=20) as pool:
        for chunk in pool.imap(_speak_chunk, tasks):
            for utterance_features, utterance_words, utterance_boundaries in chunk:
                features.append(utterance_features)
                words.append(utterance_words)
                boundaries.append(utterance_boundaries)
    for sentence_words in words:
        assert not is_held_out(" ".join(WORDS[word] for word in sentence_words))
    np.save(folder / "features.npy", np.concatenate(features))
    np.savez(
        folder / "index.npz",
        frames_end=np.cumsum([len(item) for item in features]),
        words_end=np.cumsum([len(item) for item in words]),
        words=np.concatenate(words).astype(np.int64),
        boundaries=np.concatenate(boundaries),
    )
    note.write_text(json.dumps(made_of))
