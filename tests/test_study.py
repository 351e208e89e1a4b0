"""A bad study ends with one clear message: file, key, value, remedy; a good one becomes a grid."""

import copy
from dataclasses import replace
from typing import NotRequired, get_origin, get_type_hints

import pytest
import yaml

from parallel_transcription.study import following
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.settings import MACHINE_KEYS, SETTINGS, Resources, Settings
from parallel_transcription.study.study import build_study, load_study
from project import ROOT, Project

GOOD = {
    "audio": ["audio/english-short.opus"],
    "grid": [{"strategy": "one_model", "model": "dummy-tiny", "num_workers": [1, 2]}],
}


def build(study, file="config/mine.yaml"):
    return build_study(study, file, ROOT)


def changed(path, value):
    """The good study with one value changed; `path` such as ("grid", 0, "num_workers")."""
    study = copy.deepcopy(GOOD)
    place = study
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return study


def test_a_good_study_becomes_a_grid():
    study = build(copy.deepcopy(GOOD))
    assert len(study.points) == 2
    assert len(study.schedule) == 2 * study.settings["rounds"]
    assert study.settings["name"] == "mine"


def test_a_file_is_read_as_it_is_written_whatever_else_read_it(tmp_path, monkeypatch):
    """Snakemake's reader takes the second of two equal keys; what it hands on shows nothing."""
    monkeypatch.chdir(tmp_path)
    text = yaml.safe_dump({**GOOD, "rounds": 7})
    (tmp_path / "mine.yaml").write_text(text)
    assert load_study(["mine.yaml"], ROOT).settings["rounds"] == 7
    assert load_study(["mine.yaml"], ROOT, {**GOOD, "rounds": 3}).settings["rounds"] == 3
    (tmp_path / "mine.yaml").write_text(text + "rounds: 3\n")
    with pytest.raises(StudyError, match="a second time"):
        load_study(["mine.yaml"], ROOT, {**GOOD, "rounds": 3})


def test_the_types_of_settings_name_every_setting():
    named = get_type_hints(Settings, include_extras=True)
    assert set(named) == {key.name for key in SETTINGS}
    without = {key.name for key in SETTINGS if key.default is None and not key.required}
    optional = {name for name, of in named.items() if get_origin(of) is NotRequired}
    assert optional == without - {"name"}, "a name follows from the file"
    assert set(Resources.__annotations__) == {key.name for key in MACHINE_KEYS}


BAD = {
    "unknown key": (("colour",), "red", ["colour", "unknown key"]),
    "misspelt key": (("repeets",), 3, ["repeets", "repeats"]),
    "unknown dimension": (("grid", 0, "workers"), 2, ["grid[0]", "workers", "num_workers"]),
    "zero workers": (("grid", 0, "num_workers"), 0, ["grid[0].num_workers", "0", "at least 1"]),
    "negative threads": (("grid", 0, "cpu_threads"), [1, -1], ["cpu_threads[1]", "-1"]),
    "text for a number": (("grid", 0, "num_workers"), "two", ["num_workers", "'two'", "integer"]),
    "yes for a number": (("grid", 0, "num_workers"), True, ["num_workers", "boolean"]),
    "half a worker": (("grid", 0, "num_workers"), 1.5, ["num_workers", "1.5"]),
    "unknown strategy": (("grid", 0, "strategy"), "one-model", ["'one-model'", "one_model"]),
    "empty values": (("grid", 0, "num_workers"), [], ["num_workers", "empty list"]),
    "empty grid": (("grid",), [], ["grid", "empty list"]),
    "empty block": (("grid", 0), {}, ["grid[0]", "empty mapping"]),
    "grid is no list": (("grid",), {"strategy": "one_model"}, ["grid", "mapping"]),
    "a GPU on a CPU": (("grid", 0, "device_index"), "1", ["device_index", '"1"', "cuda"]),
    "ambiguous devices": (("grid", 0, "device_index"), [0, 1, 2], ["device_index", "0"]),
    "float16 on a CPU": (("grid", 0, "compute_type"), "float16", ["compute_type", "int8"]),
    "unknown compute type": (("grid", 0, "compute_type"), "int4", ["'int4'", "int8"]),
    "instances of one model": (("grid", 0, "instances"), 2, ["instances", "multi_model"]),
    "more callers than files": (("grid", 0, "callers"), 9, ["callers", "9"]),
    "audio that is not there": (("audio",), ["audio/none-*.wav"], ["audio", "none-*.wav"]),
    "no audio": (("audio",), [], ["audio", "empty list"]),
    "audio is a number": (("audio",), [3], ["audio[0]", "3"]),
    "unknown model": (("grid", 0, "model"), "tinny", ["tinny", "tiny"]),
    "unknown dummy": (("grid", 0, "model"), "dummy-huge", ["dummy-huge"]),
    "missing folder": (("grid", 0, "model"), "./no/model", ["no/model"]),
    "no rounds": (("rounds",), 0, ["rounds", "0", "at least 1"]),
    "margin of one": (("equivalence_margin",), 1, ["equivalence_margin", "1"]),
    "no time": (("timeout_s",), 0, ["timeout_s", "0"]),
    "endless time": (("timeout_s",), float("inf"), ["timeout_s"]),
    "path as a label": (("machine",), "../up", ["machine", "../up"]),
    "label of a results folder": (
        ("machine",),
        "figures",
        ["machine", "figures", "figures, reports, findings are folders of results"],
    ),
    "dimension at the top": (("language",), "de", ["a dimension", "defaults={language: …}"]),
    "audio is one file": (("audio",), "a.wav", ["'a.wav' is a string, not a list"]),
    "no machines": (("machines",), {}, ["machines", "empty mapping"]),
    "machine without resources": (("machines",), {"a": None}, ["machines.a", "None is not local"]),
    "unknown resource": (("machines",), {"a": {"gpus": 2}}, ["machines.a", "gpus", "gpu_model"]),
    "no time for a job": (("machines",), {"a": {"runtime_min": 0}}, ["runtime_min", "at least 1"]),
    "path as a machine": (("machines",), {"../a": "local"}, ["machines", "../a"]),
    "shared node without cores": (
        ("machines",),
        {"here": "local", "a": {"exclusive": False}},
        ["machines.a.cores", "missing"],
    ),
    "two hosts at once": (("machines",), {"a": "local", "b": "local"}, ["a and b", "machine: a"]),
    "newline in a name": (("name",), "a\nb", ["name"]),
    "foreign variable": (("grid", 0, "thread_env"), "PATH=/x", ["thread_env", "PATH"]),
    "only nothing": (("only",), "one_model-none", ["only", "list_configurations"]),
    "packing without cores": (("packing",), {"jobs": 2}, ["packing", "cores"]),
    "unknown limit": (("limits",), {"max_gpus": 1}, ["limits", "max_gpus"]),
    "different repeats": (
        ("grid",),
        [{**GOOD["grid"][0], "repeats": 1}, {**GOOD["grid"][0], "repeats": 2}],
        ["grid[1].repeats", "2"],
    ),
    "endless grid": (
        ("grid", 0),
        {
            "strategy": "one_model",
            "num_workers": list(range(1, 700)),
            "cpu_threads": list(range(1, 700)),
        },
        ["grid[0]", "100000"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_study_is_refused_with_file_key_value_and_remedy(name):
    path, value, expected = BAD[name]
    with pytest.raises(StudyError) as error:
        build(changed(path, value))
    message = str(error.value)
    assert message.startswith("config/mine.yaml: ")
    for part in expected:
        assert part in message, message
    assert len(message) < 1500


def test_a_study_that_is_no_mapping_is_refused():
    with pytest.raises(StudyError, match="mapping"):
        build(["audio"])


def test_all_problems_are_named_at_once():
    study = changed(("rounds",), 0)
    study["colour"] = "red"
    study["grid"][0]["num_workers"] = 0
    with pytest.raises(StudyError) as error:
        build(study)
    assert len(str(error.value).splitlines()) == 3


def test_what_is_wrong_in_several_places_is_named_at_once(tmp_path):
    """Audio, mixes, traces, services and models, each with all that is wrong of its kind."""
    loads = {"arrivals": ["trace:a.csv", "trace:b.csv"], "mix": ["m", "n", "o"]}
    study = {
        "audio": ["x*.wav", "y.wav"],
        "mixes": {"m": ["c.wav"], "n": ["d.wav"]},
        "grid": [
            {"strategy": "one_model", "model": ["tinny", "./nowhere"]},
            {"strategy": "one_model", "model": "mini-en", **loads},
        ],
    }
    with pytest.raises(StudyError) as refused:
        build_study(study, "mine.yaml", tmp_path)
    named = ("'x*.wav'", "'y.wav'", "mixes.m[0]", "mixes.n[0]", "mix: 'o'", "'a.csv'", "'b.csv'",
             "'tinny'", "'./nowhere'")  # fmt: skip
    lines = str(refused.value).splitlines()
    assert all(any(one in line for line in lines) for one in named), lines
    assert all(line.startswith("mine.yaml: ") for line in lines)


def test_whole_floats_are_integers_wherever_a_study_has_integers():
    """JSON's schemas take 5.0 for an integer; what counts rounds does not."""
    whole = {key.name for key in SETTINGS if key.schema.get("type") == "integer"}
    assert {"rounds", "repeats", "warmups", "min_rounds", "remeasure"} <= whole
    for name in whole:
        key = next(key for key in SETTINGS if key.name == name)
        value = build(GOOD | {name: float(key.schema["minimum"] + 1)}).settings[name]
        assert type(value) is int, name
    block = GOOD["grid"][0] | {"rounds": 4.0, "repeats": 2.0, "num_workers": [1.0, 2.0]}
    as_integers = GOOD["grid"][0] | {"rounds": 4, "repeats": 2}
    found, known = (build(GOOD | {"grid": [one]}) for one in (block, as_integers))
    assert found.points == known.points
    assert [type(point.rounds) for point in found.points.values()] == [int, int]
    packed = build(GOOD | {"packing": {"jobs": 2.0, "cores": 1.0}}).settings["packing"]
    assert type(packed["jobs"]) is int


def test_a_number_that_may_be_broken_stays_as_it_is():
    assert build(GOOD | {"together_h": 2.0}).settings["together_h"] == 2.0


@pytest.mark.parametrize("label", ["runs.csv", "study.json", "findings.pdf", "prepared", "x.yaml"])
def test_a_machine_has_no_name_of_a_file_of_results(label):
    with pytest.raises(StudyError, match="folders of results"):
        build(GOOD | {"machine": label})
    with pytest.raises(StudyError):
        build(GOOD | {"machines": {label: "local"}})


def test_no_machine_is_called_as_all_of_them():
    with pytest.raises(StudyError, match="auto"):
        build(GOOD | {"machines": {"auto": "local"}})


@pytest.mark.parametrize(
    "value", ["OMP_NUM_THREADS=many", "OMP_NUM_THREADS=1 OMP_NUM_THREADS=2", "MKL_NUM_THREADS=2x"]
)
def test_variables_of_threads_are_set_once_and_to_numbers(value):
    """OpenMP passes over what it does not understand, and says so where nobody reads it."""
    with pytest.raises(StudyError, match="thread_env"):
        build(changed(("grid", 0, "thread_env"), value))
    build(changed(("grid", 0, "thread_env"), "OMP_NUM_THREADS=2,1 OMP_WAIT_POLICY=PASSIVE"))


def test_more_rounds_can_be_asked_for_a_part_of_the_grid():
    """What the report prints to decide an open question: only these, at least so many rounds."""
    study = copy.deepcopy(GOOD)
    study["grid"][0]["rounds"] = 2
    some = next(iter(build(study).points))
    wanted = build({**study, "min_rounds": 7, "only": [some]})
    assert [(point.id, number) for point, number in wanted.schedule] == [
        (some, number) for number in range(1, 8)
    ]


MACHINES = {"laptop": "local", "epyc": {"partition": "cpu"}, "a100": {"gpu_model": "a100"}}


@pytest.mark.parametrize(
    ("keys", "on_cluster", "expected"),
    [
        ({"machines": MACHINES}, False, {"laptop": None}),
        ({"machines": MACHINES}, True, {k: v for k, v in MACHINES.items() if k != "laptop"}),
        ({"machines": MACHINES}, None, MACHINES | {"laptop": None}),
        ({"machines": MACHINES, "machine": "a100"}, True, {"a100": MACHINES["a100"]}),
        ({"machines": {"a": "local", "b": "local"}, "machine": "b"}, False, {"b": None}),
        ({"machine": "mine"}, False, {"mine": None}),
        ({"machine": "mine"}, True, {"mine": {}}),
        ({}, True, {"slurm": {}}),
    ],
    ids=["here", "cluster", "all", "one", "one of two hosts", "label", "label there", "default"],
)
def test_the_machines_that_can_be_measured_from_here(keys, on_cluster, expected):
    study = build_study({**GOOD, **keys}, "config/mine.yaml", ROOT, on_cluster)
    assert study.machines == expected


@pytest.mark.parametrize(
    ("keys", "on_cluster", "expected"),
    [
        ({"machines": {"a": {}}}, False, ["machines", "a is on the cluster", "--profile slurm"]),
        ({"machines": {"a": "local"}}, True, ["machines", "a is this host", "--cores all"]),
        ({"machines": MACHINES, "machine": "epyc"}, False, ["epyc is on the cluster"]),
        ({"machines": MACHINES, "machine": "a10"}, True, ["machine: 'a10'", "a100"]),
        ({"packing": {"jobs": 2, "cores": 1}}, True, ["packing", "leave it out"]),
    ],
    ids=["all on the cluster", "all here", "one there", "unknown", "packing"],
)
def test_nothing_to_measure_from_here_is_an_error_with_the_way_out(keys, on_cluster, expected):
    with pytest.raises(StudyError) as error:
        build_study({**GOOD, **keys}, "config/mine.yaml", ROOT, on_cluster)
    assert str(error.value).startswith("config/mine.yaml: ")
    for part in expected:
        assert part in str(error.value)


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda f: f.name)
def test_every_ready_study_is_valid(file):
    assert build(yaml.safe_load(file.read_text(encoding="utf-8")), str(file)).schedule


def test_the_published_grid_is_complete():
    """Every row of the published CPU table is a configuration of cpu.yaml."""
    import csv

    study = build(yaml.safe_load((ROOT / "config/cpu.yaml").read_text()), "config/cpu.yaml")
    measured = {
        (c.strategy, c.instances, c.num_workers, c.cpu_threads)
        for c in (point.configuration for point in study.points.values())
    }
    with (ROOT / "resources/published/published_cpu.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            numbers = (int(row[k]) for k in ("instances", "num_workers", "cpu_threads"))
            assert (row["strategy"], *numbers) in measured, row


def test_packed_runs_on_gpus_need_gpus_of_their_own():
    study = copy.deepcopy(GOOD) | {"packing": {"jobs": 2, "cores": 1}}
    study["grid"][0] |= {"device": "cuda", "device_index": "0,1"}
    with pytest.raises(StudyError, match=r"packing.gpus: none for each run, but .* use 2; set it"):
        build(study)
    study["packing"]["gpus"] = 2
    assert build(study).schedule


@pytest.mark.slow
def test_snakemake_stops_at_a_bad_study_before_any_job(tmp_path):
    project = Project(tmp_path / "checkout", changed(("grid", 0, "num_workers"), 0))
    done = project.snakemake()
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "config/test.yaml: grid[0].num_workers: 0 is too small; give at least 1" in said
    assert "Traceback" not in said
    assert not (project.folder / "results").exists()


@pytest.mark.slow
def test_a_bad_audio_file_stops_the_study_before_anything_is_timed(tmp_path):
    study = changed(("audio",), ["audio/*.opus", "audio/bad.wav"])
    study["grid"][0] |= {"model": "mini-en", "files_in_parallel": 3, "cpu_threads": 1}
    project = Project(tmp_path / "checkout", study)
    (project.folder / "audio" / "bad.wav").write_bytes(b"this is no sound")
    done = project.snakemake()
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "bad.wav" in said and "Traceback" not in said
    assert project.runs() == set()


def points_of(name):
    """The configurations of a ready study."""
    file = ROOT / "config" / name
    study = build(yaml.safe_load(file.read_text(encoding="utf-8")), f"config/{name}")
    return [point.configuration for point in study.points.values()]


def test_the_study_of_several_gpus_has_every_arm_that_its_findings_compare():
    """For each list: as many workers on one GPU, one model per GPU, files one after another."""
    points = points_of("multi_gpu.yaml")

    def has(**wanted):
        return any(all(getattr(p, k) == v for k, v in wanted.items()) for p in points)

    lists = [p for p in points if p.strategy == "one_model" and "," in p.device_index]
    assert {p.device_index for p in lists} == {"0,1", "0,1,2"}
    for one in lists:
        same = {
            k: getattr(one, k)
            for k in ("model", "compute_type", "files_in_parallel", "cpu_threads")
        }
        gpus = one.gpus
        workers, callers = one.num_workers, one.callers
        on_one = {**same, "strategy": "one_model", "device_index": "0"}
        assert has(**on_one, num_workers=workers, callers=callers)
        assert has(**on_one, num_workers=1, callers=1)
        for strategy in ("multi_model", "multi_process"):
            each = {**same, "strategy": strategy, "device_index": one.device_index}
            assert has(**each, instances=gpus, num_workers=workers, callers=callers)
    six = [p.files_in_parallel for p in lists if p.total_workers == 6]
    assert sorted(six) == [3, 6, 9], "6 workers on 3 GPUs: fewer, as many and more files"


def test_the_study_of_one_gpu_has_workers_models_and_compute_types():
    points = [p for p in points_of("gpu.yaml") if p.callers > 1]
    for model in ("dummy-tiny", "dummy-large-v3"):
        for compute_type in ("float16", "int8_float16"):
            mine = [p for p in points if (p.model, p.compute_type) == (model, compute_type)]
            mine = [p for p in mine if p.files_in_parallel == 8]
            workers = {p.num_workers for p in mine if p.strategy == "one_model"}
            models = {p.instances for p in mine if p.strategy == "multi_model"}
            assert (workers, models | {1}) == ({1, 2, 4, 8}, {1, 2, 4})
    assert {p.device for p in points} == {"cuda"}
    assert {p.device_index for p in points} == {"0"}


def test_the_study_of_batches_has_the_same_configuration_without_for_each():
    points = points_of("batched.yaml")
    plain = [p for p in points if not p.batch_size]
    batched = [p for p in points if p.batch_size]
    assert len(batched) == 2 * len(plain) > 0
    assert all(replace(p, batch_size=0) in plain for p in batched)


# -------------------------------------------------------- values that follow the machine


def follows(grid, usable=8.0, on_cluster=False, **settings):
    """The study of one block, on a machine with so many usable CPUs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(following.cpus, "usable", lambda: usable)
        patch.setattr(following.cpus, "slots", lambda size: [[0, 1, 2, 3]] * 2)
        block = {"strategy": "one_model", "model": "dummy-tiny", **grid}
        return build_study({**GOOD, "grid": [block], **settings}, "mine.yaml", ROOT, on_cluster)


@pytest.mark.parametrize(
    ("value", "usable", "numbers"),
    [
        ("cpus", 8.0, [8]),
        ("cpus/2", 8.0, [4]),
        ("2*cpus", 8.0, [16]),
        (["cpus", "cpus/2", "cpus/4", 1], 2.0, [2, 1]),
        (["cpus", "2*cpus", "cpus/4"], 1.5, [1, 3]),
        (["cpus", "2*cpus"], 0.5, [1]),
        (["cpus/3", 3], 10.0, [3]),
        ([0, "cpus"], 64.0, [0, 64]),
    ],
)
def test_values_that_follow_the_machine_become_plain_numbers(value, usable, numbers):
    study = follows({"cpu_threads": value}, usable)
    seen = [point.configuration.cpu_threads for point in study.points.values()]
    assert seen == numbers
    written = numbers if isinstance(value, list) else numbers[0]
    assert set(study.points) == set(follows({"cpu_threads": written}).points), "ids are the same"
    assert study.settings["grid"][0]["cpu_threads"] == written, "later steps see numbers"


def test_all_places_and_dimensions_may_follow_the_machine():
    study = follows(
        {"strategy": "multi_model", "instances": "cpus/4", "callers": ["cpus/2", 1]},
        defaults={"files_in_parallel": "2*cpus", "num_workers": "cpus/4"},
        only={"callers": "cpus/2"},
    )
    (point,) = study.wanted.values()
    c = point.configuration
    assert (c.instances, c.num_workers, c.files_in_parallel, c.callers) == (2, 2, 16, 4)


@pytest.mark.parametrize(
    "value", ["cpus*3", "0*cpus", "cpus/0", "cpu", "cpus/2/2", "-1*cpus", "cpus+1", "1.5*cpus",
              "cpus cpus", "2*cpus/4", "cpus\n"],
)  # fmt: skip
def test_other_forms_are_refused(value):
    with pytest.raises(StudyError, match=r"grid\[0\]\.num_workers.*(cpus/2|printed)"):
        follows({"num_workers": value})
    with pytest.raises(StudyError, match=r"grid\[0\]\.num_workers\[1\]"):
        follows({"num_workers": [1, value]})


def test_only_numbers_of_workers_threads_and_files_follow_the_machine():
    with pytest.raises(StudyError, match=r"beam_size.*integer"):
        follows({"beam_size": "cpus"})


def test_what_a_dimension_does_not_allow_is_refused_with_the_number():
    with pytest.raises(StudyError, match=r"grid\[0\]\.num_workers: 64\*cpus is 4096 .* 1024"):
        follows({"num_workers": "64*cpus"}, 64.0)


def test_packed_runs_have_the_cpus_of_a_slot():
    study = follows({"num_workers": "cpus"}, packing={"jobs": 2, "cores": 2})
    assert [p.configuration.num_workers for p in study.points.values()] == [4]


def test_on_a_cluster_the_cpus_are_the_cores_that_are_asked_for():
    machines = {"here": "local", "epyc": {"cores": 32}, "xeon": {"cores": 32}}
    study = follows({"num_workers": "cpus/2"}, machines=machines, on_cluster=True)
    assert [p.configuration.num_workers for p in study.points.values()] == [16]
    study = follows({"num_workers": "cpus/2"}, machines=machines)
    assert [p.configuration.num_workers for p in study.points.values()] == [4]
    with pytest.raises(StudyError, match=r"here has 8.*epyc has 32.*machine: <label>"):
        follows({"num_workers": "cpus/2"}, machines=machines, on_cluster=None)
    study = follows({"num_workers": "cpus"}, machines=machines, machine="epyc", on_cluster=None)
    assert [p.configuration.num_workers for p in study.points.values()] == [32]


@pytest.mark.parametrize(("machines", "label"), [({"machines": {"big": {}}}, "big"), ({}, "slurm")])
def test_on_a_cluster_unknown_cpus_are_asked_for(machines, label):
    with pytest.raises(StudyError, match=rf"num_workers: cpus .*machines\.{label}\.cores"):
        follows({"num_workers": "cpus"}, on_cluster=True, **machines)
    assert follows({"num_workers": 2}, on_cluster=True, **machines).points
