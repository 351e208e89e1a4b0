"""What a change reruns, and what it does not: exactly these jobs, by dry run."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
import yaml

from project import OTHER_CLIP, REPORT_ONLY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MACHINE = "results/test-machine/runs/"


def transcribed(jobs):
    """The runs that a plan would measure, without folder and suffix."""
    return sorted(o.removeprefix(MACHINE).removesuffix(".json") for o in jobs.get("transcribe", []))


def configurations(jobs):
    """The readable parts of the runs that a plan would measure."""
    return sorted({run.rsplit("-", 2)[0] for run in transcribed(jobs)})


def test_nothing_reruns_after_a_move_to_another_folder(checkout):
    assert checkout.planned() == {}


def test_nothing_reruns_after_touching_every_file(checkout):
    later = time.time() + 60
    for path in checkout.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts and "results" not in path.parts:
            os.utime(path, (later, later))
    assert checkout.planned() == {}


def test_nothing_reruns_after_another_order_of_keys_comments_and_explicit_defaults(checkout):
    def backwards(value):
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return value

    study = backwards(checkout.study())
    study["grid"] = [backwards({**block, "beam_size": 5, "block": "x"}) for block in study["grid"]]
    text = yaml.safe_dump(study, sort_keys=False)
    checkout.study_file.write_text("# a comment\n" + text.replace("rounds: 2", "rounds: 2 # two"))
    jobs = checkout.planned()
    assert transcribed(jobs) == []
    assert set(jobs) <= REPORT_ONLY, "the study's text is shown in the report, nothing else changes"


def test_a_new_value_reruns_nothing_that_exists(checkout):
    study = checkout.study()
    study["grid"][0]["num_workers"] = [1, 2, 3]
    checkout.write_study(study)
    jobs = checkout.planned()
    assert configurations(jobs) == ["one_model-mini-en-int8-cpu-i1-w3-t1-f2"]
    assert len(transcribed(jobs)) == 2
    assert "prepare_model" not in jobs and "inspect_audio" not in jobs


def test_a_file_more_than_any_configuration_takes_is_checked_and_reruns_nothing(checkout):
    """files_in_parallel takes the first two; a third is not used, but not ignored either."""
    study = checkout.study()
    shutil.copy(checkout.folder / "audio/english-short.opus", checkout.folder / "audio/third.opus")
    checkout.write_study({**study, "audio": [*study["audio"], "audio/third.opus"]})
    jobs = checkout.planned()
    assert transcribed(jobs) == []
    assert len(jobs["inspect_audio"]) == 1 and "third" in jobs["inspect_audio"][0]
    (checkout.folder / "audio/third.opus").write_text("no sound\n")
    done = checkout.snakemake("--until", "inspect_audio")
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    assert "audio/third.opus" in said and "not used" in said and "cannot be decoded" in said


def test_a_changed_value_reruns_only_what_has_it(checkout):
    study = checkout.study()
    study["grid"][2]["cpu_threads"] = 2
    checkout.write_study(study)
    assert configurations(checkout.planned()) == [
        "multi_model-mini-en-int8-cpu-i2-w1-t2-f2",
        "multi_process-mini-en-int8-cpu-i2-w1-t2-f2",
    ]


def test_more_rounds_run_only_the_new_ones(checkout):
    study = checkout.study()
    study["rounds"] = 3
    checkout.write_study(study)
    jobs = transcribed(checkout.planned())
    assert len(jobs) == 4 and all(run.endswith("-r03") for run in jobs)


def test_reports_of_a_part_of_the_records_leave_the_rest_to_be_measured(checkout):
    """As `make reports` builds them while a study is not finished."""
    lacking = sorted(one for one in checkout.runs() if one.endswith("-r02"))
    for run in lacking:
        (checkout.folder / MACHINE / f"{run}.json").unlink()
    (checkout.folder / "results/test-machine/decided.json").unlink()
    assert transcribed(checkout.planned()) == lacking


def test_a_new_machine_reruns_nothing_that_exists(checkout):
    jobs = checkout.planned("--config", "machine=another")
    assert all("results/another/" in output for output in jobs["transcribe"])
    assert "prepare_model" not in jobs and "inspect_audio" not in jobs
    assert "test-machine" not in str(jobs["transcribe"])


def test_a_changed_audio_file_reruns_what_used_it(checkout):
    shutil.copy(
        checkout.folder / "audio" / OTHER_CLIP,
        checkout.folder / "audio/english-short.opus",
    )
    jobs = checkout.planned()
    assert {run for run in checkout.runs() if "-f0-" not in run} >= set(transcribed(jobs))
    assert not any("-f0-" in run for run in transcribed(jobs)), "cold starts use no audio"
    regular = [run for run in checkout.runs() if "-f2-" in run and "-r9" not in run]
    assert set(regular) <= set(transcribed(jobs))


@pytest.mark.thorough
def test_another_name_of_the_study_measures_nothing(checkout):
    """Records keep the name under which they were measured."""
    records = list((checkout.folder / MACHINE).glob("*.json"))
    assert {json.loads(path.read_text())["study"] for path in records} == {checkout.study()["name"]}
    assert transcribed(checkout.planned("--config", "name=another")) == []


def test_another_margin_measures_nothing_and_records_keep_the_one_when_measured(checkout):
    records = list((checkout.folder / MACHINE).glob("*.json"))
    kept = [json.loads(path.read_text())["planned"] for path in records]
    assert {planned["equivalence_margin"] for planned in kept} == {0.05}
    assert {planned["rounds"] for planned in kept} >= {checkout.study()["rounds"]}
    jobs = checkout.planned("--config", "equivalence_margin=0.1", "confidence=0.9")
    assert transcribed(jobs) == []
    assert "judge_findings" in jobs or "merge_timings" in jobs


def test_another_order_of_the_rounds_measures_nothing(checkout):
    """The study's name is the seed of the order."""
    assert transcribed(checkout.planned("--config", "name=elsewhere", "together_h=2")) == []


def test_a_changed_reference_transcript_measures_nothing(checkout):
    (checkout.folder / "audio/english-short.txt").write_text("something else\n")
    jobs = checkout.planned()
    assert transcribed(jobs) == []
    assert "merge_timings" in jobs, "its word error rates change"


def test_a_changed_model_reruns_what_used_it(checkout):
    folder = checkout.folder / "resources/models/mini-en"
    config = folder / "config.json"
    config.write_text(config.read_text() + "\n")
    jobs = checkout.planned()
    regular = {run for run in checkout.runs() if "-r9" not in run}
    assert "prepare_model" in jobs
    assert regular <= set(transcribed(jobs))


def modules(checkout, *folders):
    """The modules of the library below these packages; those of the ground floor for ""."""
    library = checkout.folder / "scripts" / "parallel_transcription"
    return [f for one in folders for f in library.glob(f"{one}/**/*.py" if one else "*.py")]


def add(files, text):
    for file in files:
        file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.mark.parametrize("module", ["gpu_meters.py", "a_new_one.py"])
def test_changed_measuring_code_reruns_the_measurements(checkout, module):
    """Any module of measure/, also one that no other imports yet."""
    with (checkout.folder / "scripts/parallel_transcription/measure" / module).open("a") as file:
        file.write("\nchanged = True\n")
    regular = {run for run in checkout.runs() if "-r9" not in run}
    assert regular <= set(transcribed(checkout.planned()))


def test_changed_comments_and_docstrings_rerun_nothing(checkout):
    """Anywhere, also in what is measured and in the scripts."""
    for file in checkout.folder.glob("scripts/**/*.py"):
        text = file.read_text(encoding="utf-8")
        docstring = '"""' in text[:200]
        text = text.replace('"""', '"""Other words. ', 1) if docstring else text
        file.write_text(text + "\n# changed\n", encoding="utf-8")
    assert checkout.planned() == {}


def test_changed_code_outside_of_measure_measures_nothing(checkout):
    """Not what plans, judges and reports, nor the scripts that only start a measurement."""
    add(
        modules(checkout, "", "study", "inputs", "jobs", "results", "findings", "report"),
        "\nx = 1\n",
    )
    add((checkout.folder / "scripts").glob("transcribe_*.py"), "\nx = 1\n")
    assert transcribed(checkout.planned()) == []


@pytest.mark.parametrize(
    ("file", "first"),
    [
        ("scripts/parallel_transcription/results/merge.py", "merge_timings"),
        ("scripts/parallel_transcription/statistics/comparison.py", "judge_findings"),
        ("scripts/parallel_transcription/report/layout.py", "write_findings_report"),
        ("scripts/draw_figures.py", "draw_figures"),
    ],
)
def test_changed_reporting_code_makes_its_step_again(checkout, file, first):
    add([checkout.folder / file], "\nchanged = True\n")
    jobs = checkout.planned()
    assert transcribed(jobs) == []
    assert first in jobs and set(jobs) <= REPORT_ONLY


@pytest.mark.thorough
def test_another_environment_reruns_nothing(checkout):
    for file in (checkout.folder / "envs").glob("*.yaml"):
        file.write_text(file.read_text().replace("numpy==2", "numpy==1"), encoding="utf-8")
    assert checkout.planned() == {}


def test_a_changed_margin_only_judges_again(checkout):
    jobs = checkout.planned("--config", "equivalence_margin=0.1")
    assert transcribed(jobs) == []
    assert "judge_findings" in jobs


def test_only_measures_a_part_and_keeps_the_rest_in_the_report(checkout):
    for path in checkout.folder.glob("results/*/runs/*.json"):
        if "multi_process" in path.name or "-w2-" in path.name:
            path.unlink()
    wanted = "only={strategy: [multi_process], num_workers: [1], vad_filter: false}"
    jobs = checkout.planned("--config", wanted)
    assert configurations(jobs) == ["multi_process-mini-en-int8-cpu-i2-w1-t1-f2"]


def test_another_numpy_reruns_nothing(checkout):
    """What a rerun looks at is plain text: the same in a process without numpy."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['numpy'] = None; sys.path.insert(0, 'scripts')\n"
            "from pathlib import Path; import yaml\n"
            "from parallel_transcription.study.study import build_study\n"
            "from parallel_transcription.study.plan import Plan\n"
            "study = build_study(yaml.safe_load(open('config/test.yaml')), 'x', Path.cwd())\n"
            "plan = Plan(study, Path.cwd(), Path('results'), 'code', Path('cache'))\n"
            "print(plan.specification(plan.machines[0], plan.runs[0]))",
        ],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert '"round":1' in done.stdout and "numpy" not in done.stdout
