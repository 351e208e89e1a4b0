"""What a study asks of a model is held against what the model can do, before any job."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from parallel_transcription.inputs import dummy_weights, model_options
from parallel_transcription.inputs.model_files import verify
from parallel_transcription.inputs.model_names import ModelError, parse_model
from parallel_transcription.jobs import trial
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.study.configuration import complete
from parallel_transcription.study.study import StudyError, load_study

MINI = PROJECT_ROOT / "resources" / "models" / "mini-en"


@dataclass
class Asked:
    language: str = "en"
    word_timestamps: bool = False


def problems(model, **asked):
    can = model_options.abilities_of(parse_model(model))
    return list(model_options.problems(model, can, Asked(**asked)))


def copy_of_mini(folder, **config):
    """Mini-en with another config.json: without the keys that are None."""
    shutil.copytree(MINI, folder)
    file = folder / "config.json"
    values = json.loads(file.read_text()) | config
    file.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))
    return folder


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        ("mini-en", {}, []),
        ("mini-en", {"word_timestamps": True}, []),
        ("mini-en", {"language": "de"}, ["language: 'mini-en' knows English alone; set language"]),
        ("mini-en", {"language": "auto"}, []),
        ("dummy-tiny", {"language": "auto", "word_timestamps": True}, []),
        ("dummy-tiny", {"language": "de"}, []),
        ("dummy-tiny", {"language": "yue"}, ["language: 'dummy-tiny' has no token for 'yue'"]),
        ("dummy-large-v3", {"language": "yue"}, []),
    ],
)
def test_languages_and_word_times(model, asked, expected):
    found = problems(model, **asked)
    assert len(found) == len(expected)
    assert all(map(str.startswith, found, expected))


@pytest.mark.slow
def test_languages_are_told_apart_by_their_tokens(tmp_path):
    folder = dummy_weights.build("tiny", tmp_path / "model", tokens=5)
    assert not problems(str(folder), language="auto")
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"lang_ids": []}))
    assert problems(str(folder), language="auto")[0].startswith("language: the config.json of")
    assert not problems(str(folder), language="de")


def test_words_get_no_times_without_heads(tmp_path):
    for number, heads in enumerate(([], None)):
        folder = copy_of_mini(tmp_path / str(number), alignment_heads=heads)
        assert not problems(str(folder))
        assert problems(str(folder), word_timestamps=True)[0].startswith("word_timestamps: ")


def test_a_study_is_refused_before_any_job(tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(
        "name: t\naudio: [audio/english-short.opus]\n"
        "grid:\n  - strategy: one_model\n    model: [mini-en, dummy-tiny]\n    language: [en, de]\n"
    )
    with pytest.raises(StudyError, match=r"study.yaml: language: 'mini-en' knows English alone"):
        load_study([str(study)], PROJECT_ROOT)


CONFIGS = {
    "as it is": {},
    "no heads": {"alignment_heads": None},
    "empty heads": {"alignment_heads": []},
    "no languages": {"lang_ids": None},
    "no suppressed": {"suppress_ids": None},
    "none but the usual": {"suppress_ids": [-1]},
    "suppressed far beyond": {"suppress_ids": [5_000_000]},
    "first suppressed far beyond": {"suppress_ids_begin": [5_000_000]},
    "first suppressed below": {"suppress_ids_begin": [-9_000_000]},
    "heads far beyond": {"alignment_heads": [[30, 10], [31, 2]]},
    "heads below": {"alignment_heads": [[-1, 0]]},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_accepted_never_breaks_the_engine(tmp_path, name):
    folder = copy_of_mini(tmp_path / "model", **CONFIGS[name])
    try:
        verify(folder)
    except ModelError:
        assert name not in ("as it is", "no heads", "empty heads", "no languages")
        return
    words = bool(json.loads((folder / "config.json").read_text()).get("alignment_heads"))
    code = (
        "import sys, faster_whisper\n"
        "model = faster_whisper.WhisperModel(sys.argv[1], compute_type='int8', cpu_threads=1)\n"
        "found, _ = model.transcribe(sys.argv[2], beam_size=1, word_timestamps=bool(sys.argv[3]))\n"
        "assert list(found)"
    )
    clip = PROJECT_ROOT / "audio" / "english-short.opus"
    subprocess.run(
        [sys.executable, "-c", code, str(folder), str(clip), "yes" if words else ""], check=True
    )


@pytest.mark.slow
def test_a_model_that_breaks_the_engine_is_tried_out(tmp_path, monkeypatch):
    """What no check of files sees: weights of other sizes than the engine works with."""
    monkeypatch.chdir(tmp_path)
    folder = copy_of_mini(tmp_path / "model")
    manifest = {"path": str(folder), "sha256": "whole"}
    one = complete({"model": str(folder), "strategy": "one_model", "cpu_threads": 1})
    trial.check_alone(manifest, one)
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {}}, "added_tokens": []}')
    with pytest.raises(trial.Broken, match="fails here in its first call") as caught:
        trial.check_alone(manifest | {"sha256": "broken"}, one)
    assert "\n" not in str(caught.value)
    assert str(Path(folder).parent) not in str(caught.value).split("first call")[1]
