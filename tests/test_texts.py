"""Batches and a voice detector may be recommended where their text is shown to be as good."""

import pytest

from parallel_transcription.findings import choose
from parallel_transcription.findings.machine import Machine
from synthetic_study import as_results, configuration, make_tables

PLAIN = {"condition_on_previous_text": False, "temperature_fallback": False}
POINTS = [
    configuration("one_model", workers=2),
    configuration("one_model", workers=2, batch_size=4, **PLAIN),
    configuration("one_model", workers=2, vad_filter=True),
]


def tables(rates, words=200, texts=None):
    """A study whose arms have these error rates, in references of so many words."""
    made = make_tables(1, configurations=POINTS, rounds=5)
    runs = made["runs"].drop_duplicates("run").set_index("run")
    kinds = runs.apply(
        lambda r: "batches" if r["batch_size"] else "vad" if r["vad_filter"] else "plain", axis=1
    )
    timings = made["timings"]
    kind = timings["run"].map(kinds)
    made["timings"] = timings.assign(
        wer=kind.map(rates).astype(float),
        cer=float("nan"),
        reference=" ".join(["word"] * words),
        text_sha256=kind.map(texts or {k: k for k in rates}),
    )
    return made


def standings(made, **limits):
    made["study"] = made["study"] | {"limits": limits}
    machine = Machine(as_results(made), made["runs"]["machine"].iloc[0])
    found = choose.choices(machine)
    rows = [row for choice in found for row in choice.table]
    assert len(found) == 1, "all of them compete"
    rows = [row for row in rows if not row["trouble"]]
    return {
        "batches" if r["batch_size"] else "vad" if r["vad_filter"] else "plain": r["broken"]
        for r in rows
    }


def test_the_same_text_is_as_good_where_words_are_enough():
    texts = dict.fromkeys(("plain", "batches", "vad"), "same")
    rates = dict.fromkeys(texts, 0.1)
    assert not any(standings(tables(rates, 200, texts)).values())
    few = standings(tables(rates, 20, texts))
    assert few["plain"] == [] and "not shown" in few["batches"][0] and "not shown" in few["vad"][0]


def test_a_worse_text_is_not_admissible_and_a_better_one_is():
    found = standings(tables({"plain": 0.10, "batches": 0.02, "vad": 0.2}, words=500))
    assert found["plain"] == found["batches"] == []
    assert found["vad"][0].startswith("error rate 20 % against 10 %")


def test_the_limit_is_the_studys():
    rates = {"plain": 0.10, "batches": 0.13, "vad": 0.13}
    assert all(standings(tables(rates, 2000))[k] for k in ("batches", "vad"))
    assert not any(standings(tables(rates, 2000), max_wer_increase=0.06).values())


@pytest.mark.parametrize("lacking", ["plain", "batches"])
def test_without_a_reference_nothing_is_known(lacking):
    found = standings(tables({"plain": 0.1, "batches": 0.0, "vad": 0.0, lacking: None}, 900))
    assert found["batches"] == ["no error rate tells whether its text is as good"]
    assert found["plain"] == []


def test_characters_count_where_there_are_no_words():
    made = tables(dict.fromkeys(("plain", "batches", "vad"), 0.1))
    made["timings"] = made["timings"].assign(
        cer=made["timings"]["wer"], wer=float("nan"), reference="字" * 400, text_sha256="same"
    )
    assert not any(standings(made).values())
