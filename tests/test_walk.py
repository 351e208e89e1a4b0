"""Dummy weights without their planted text are refused before a timing, and marked after it."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from measuring import BRIEF, CLIP
from parallel_transcription.fingerprint import folder_sha256
from parallel_transcription.inputs import dummy_weights
from parallel_transcription.inputs.dummy_vocabulary import TEXT_TOKENS
from parallel_transcription.jobs import trial
from parallel_transcription.measure import decoded, walk
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.messages import Task
from parallel_transcription.measure.supervise import supervise
from parallel_transcription.study.configuration import complete
from project import ROOT, Project

pytestmark = pytest.mark.slow  # measures

LONG = str(ROOT / "audio" / "english-1.opus")
TOKENS = 20
AS_ALWAYS = Configuration(strategy="one_model")
CAPPED = "OPENBLAS_NUM_THREADS=1 DNNL_MAX_CPU_ISA=AVX2"


def segment(tokens=TOKENS, temperature=0.0, avg_logprob=-0.001, seek=0, text=" a word"):
    """One of faster-whisper's segments: a timestamp at each end of its text."""
    ids = [decoded.TEXT_IDS + 107, *range(300, 300 + tokens), decoded.TEXT_IDS + 1607]
    return SimpleNamespace(
        tokens=ids, temperature=temperature, avg_logprob=avg_logprob, seek=seek, text=text,
        compression_ratio=1.0,
    )  # fmt: skip


def spoil(folder):
    """Have the manifest claim another text, so that the weights' own is wrong on any kernel."""
    manifest = json.loads((folder / "dummy.json").read_text())
    manifest["tokens"] = TOKENS + 1
    (folder / "dummy.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return dummy_weights.build("tiny", tmp_path_factory.mktemp("models") / "dummy", TOKENS)


def task(folder, files=(CLIP,), **values):
    configuration = complete(
        {"strategy": "one_model", "language": "en", "cpu_threads": 1}
        | {"files_in_parallel": len(files)}
        | values
    )
    return Task(configuration=configuration, model_path=str(folder), files=list(files))


def test_text_ends_where_the_vocabulary_of_dummy_weights_says():
    assert decoded.TEXT_IDS == TEXT_TOKENS


@pytest.mark.parametrize(
    ("seconds", "least", "most"),
    [
        (8.0, 1, 1),
        (58.0, 2, 2),
        (30.0, 1, 2),  # a frame more or less decides
        (30.06, 2, 2),
        (120.0, 4, 5),
        (0.0, 0, 1),
    ],
)
def test_every_window_of_30_s_has_its_tokens(seconds, least, most):
    plan = walk.planned(TOKENS, {"a": seconds}, AS_ALWAYS)
    assert plan == {"a": [least * TOKENS, most * TOKENS]}


@pytest.mark.parametrize("option", ["vad_filter", "word_timestamps"])
def test_where_the_tokens_cannot_be_known_temperature_and_probability_decide(option):
    plan = walk.planned(TOKENS, {"a": 58.0}, replace(AS_ALWAYS, **{option: True}))
    good = decoded.summary("a", [segment(3)], 30.0)
    hot = decoded.summary("a", [segment(), segment(temperature=0.2)], 30.0)
    unlikely = decoded.summary("a", [segment(), segment(avg_logprob=-0.6)], 30.0)
    assert walk.lost([good], plan) is None
    assert "at temperature 0.2" in walk.lost([good, hot], plan)
    assert "log-probability -0.60" in walk.lost([unlikely], plan)


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        ([segment()], None),
        ([segment(TOKENS // 2), segment(TOKENS - TOKENS // 2)], None),
        ([segment(7, 1.0, -3.9)], "7 text tokens at temperature 1 and log-probability -3.90"),
        ([segment(TOKENS - 1)], "19 text tokens"),
        ([segment(), segment()], "40 text tokens"),
        ([segment(avg_logprob=-1.53)], "log-probability -1.53"),
        ([], "0 text tokens"),
    ],
)
def test_what_was_decoded_instead_is_told(segments, told):
    found = walk.lost([decoded.summary("a", segments, 30.0)], {"a": [TOKENS, TOKENS]})
    assert found is None if told is None else told in found


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"strategy": "multi_process", "instances": 2},
        {"batch_size": 2, "condition_on_previous_text": False, "temperature_fallback": False},
        {"vad_filter": True},
    ],
    ids=["one_model", "multi_process", "batches", "vad"],
)
def test_passes_of_intact_weights_are_not_marked(model, values):
    asked = task(model, (CLIP, LONG), **values)
    plan = walk.planned(TOKENS, {CLIP: 8.0, LONG: 58.0}, asked.configuration)
    outcome = supervise(replace(asked, walk=plan), BRIEF, None)
    assert outcome["status"] == "ok", outcome["error"]
    (one,) = outcome["starts"][0]["passes"]
    assert one["walk_lost"] is None
    for task_, windows in zip(one["transcriptions"], (1, 2), strict=True):
        assert task_["decoded"]["temperature"] == 0
        assert task_["decoded"]["windows"] == task_["decoded"]["decodings"] >= windows


def test_a_window_that_was_decoded_again_counts_as_often():
    cold, hot = segment(), segment(temperature=0.4, avg_logprob=-0.9, seek=3000)
    again = segment(temperature=0.4, seek=3000)
    found = decoded.summary("a", [cold, hot, again], 30.0)
    assert (found.windows, found.decodings, found.temperature) == (2, 1 + 3, 0.4)
    assert (found.tokens, found.logprob) == (3 * TOKENS, -0.9)
    assert decoded.summary("a", [], 30.0).logprob is None


def test_each_transcription_gets_what_was_decoded_for_it():
    heard = [{"file": "a", "text": "x"}, {"file": "a", "text": "y"}, {"file": "b", "text": None}]
    sums = [
        decoded.summary("a", [segment(n, text=text)], 30.0) for n, text in ((5, " y"), (7, " x"))
    ]
    decoded.attach(heard, sums)
    assert [one["decoded"] and one["decoded"]["tokens"] for one in heard] == [7, 5, None]


@pytest.mark.parametrize("strategy", ["one_model", "multi_process"])
def test_a_pass_with_another_text_is_marked_and_every_pass_is_judged_by_itself(model, strategy):
    plan = {CLIP: [TOKENS + 1, TOKENS + 1]}
    protocol = replace(BRIEF, repeats=2)
    outcome = supervise(replace(task(model, strategy=strategy), walk=plan), protocol, None)
    assert outcome["status"] == "ok", outcome["error"]
    marks = [one["walk_lost"] for one in outcome["starts"][0]["passes"]]
    assert len(marks) == 2 and all(mark.startswith(f"{TOKENS} text tokens") for mark in marks)


def test_a_trial_is_made_once_and_its_result_kept(model, tmp_path, monkeypatch):
    manifest = {"sha256": folder_sha256(model, ("model.bin",))}
    trial.check(manifest, task(model), 60, tmp_path)
    assert [json.loads(file.read_text()) for file in tmp_path.iterdir()] == [{"refused": None}]
    monkeypatch.setattr(trial, "_try", lambda *_: pytest.fail("tried again"))
    trial.check(manifest, task(model, num_workers=2), 60, tmp_path)
    trial.check(manifest, task(model, thread_env="OMP_WAIT_POLICY=passive"), 60, tmp_path)


def test_another_model_compute_type_or_kernel_is_tried_for_itself(model, tmp_path, monkeypatch):
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)  # a capped run of these tests
    tried = []
    good = decoded.summary("a synthetic window", [segment()], 30.0)
    monkeypatch.setattr(trial, "_try", lambda *asked: tried.append(asked) or (good, ""))
    for sha256, values in [
        ("1", {}),
        ("2", {}),
        ("1", {"compute_type": "float32"}),
        ("1", {"thread_env": CAPPED}),
    ]:
        for _ in range(2):
            trial.check({"sha256": sha256}, task(model, **values), 60, tmp_path)
    assert len(tried) == 4


def test_models_without_a_planted_text_are_not_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_try", lambda *_: pytest.fail("tried"))
    trial.check({"sha256": "1"}, task(ROOT / "resources/models/mini-en"), 60, tmp_path)


def test_a_trial_that_fails_is_left_to_the_run(model, tmp_path):
    cut, kept = tmp_path / "cut", tmp_path / "kept"
    cut.mkdir()
    (cut / "dummy.json").write_text((model / "dummy.json").read_text())  # and no weights
    trial.check({"sha256": "1"}, task(cut), 60, kept)
    trial.check({"sha256": "1"}, task(model), 0.01, kept)
    assert not kept.exists()


@pytest.mark.slow
def test_a_study_of_a_spoiled_model_is_refused_before_any_timing(model, tmp_path):
    study = {
        "name": "spoiled",
        "machine": "m",
        "audio": ["audio/english-short.opus"],
        "defaults": {"model": "./spoiled", "files_in_parallel": 1, "thread_env": CAPPED},
        "rounds": 1,
        "repeats": 1,
        "grid": [{"strategy": "one_model", "num_workers": [1, 2]}],
    }
    project = Project(tmp_path / "checkout", study)
    dummy_weights.build("tiny", project.folder / "spoiled", TOKENS)
    spoil(project.folder / "spoiled")
    for _ in range(2):  # the second time from what was kept; one line each, however many runs
        done = project.snakemake()
        assert done.returncode != 0
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, done.stderr[-3000:]
        assert lines[0].startswith("error: ./spoiled does not give its planted text in int8 here")
        assert "nothing was measured; use compute_type: float32" in lines[0]
        assert "Traceback" not in done.stderr
        assert "rule transcribe" not in done.stderr
    assert not project.runs()
