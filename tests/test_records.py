"""Files among the run records: the damaged are measured again, the foreign named; none is fatal."""

import csv
import json
import os
import shutil

import pytest

import merge_timings
from parallel_transcription.files import write_json
from parallel_transcription.results.export import write_tables
from parallel_transcription.results.merge import merge_records
from parallel_transcription.results.read import read_tables
from parallel_transcription.results.records import DAMAGED, record_files, set_aside
from parallel_transcription.results.studies import of_one_study, without_other_work
from parallel_transcription.study.settings import DEFAULTS
from simple_records import make_record, save


def damage(path, how):
    """Put something else in the place of a record."""
    text = path.read_text(encoding="utf-8")
    path.unlink()
    how(path, text)


def huge(path, text):
    with path.open("wb") as stream:
        stream.truncate(50_000_000_000)  # sparse: takes no room


NO_RECORDS = {
    "a folder": lambda path, text: path.mkdir(),
    "a pipe": lambda path, text: os.mkfifo(path),
    "a link to a device": lambda path, text: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path, text: path.symlink_to("nowhere"),
    "a link to itself": lambda path, text: path.symlink_to(path.name),
    "a huge file": huge,
    "not a number": lambda path, text: path.write_text(text.replace("4.0", "NaN", 1)),
    "too large a number": lambda path, text: path.write_text(text.replace("4.0", "4e999", 1)),
    "a number of 5,000 digits": lambda path, text: path.write_text(
        text.replace("4.0", "4" * 5000, 1)
    ),
    "no time at all": lambda path, text: path.write_text(
        text.replace('"makespan_s": 4.0', '"makespan_s": 0.0')
    ),
    "no makespan": lambda path, text: path.write_text(
        text.replace('"makespan_s": 4.0', '"makespan_s": null')
    ),
    "audio missing": lambda path, text: path.write_text(
        json.dumps(json.loads(text) | {"audio": []})
    ),
    "seconds as text": lambda path, text: path.write_text(
        text.replace('"seconds": 10.0', '"seconds": "10"')
    ),
    "a list as a digest": lambda path, text: path.write_text(
        text.replace(f'"sha256": "{"0" * 64}"', '"sha256": []')
    ),
    "a moment far away": lambda path, text: path.write_text(
        text.replace('"started_at": 1800000002.0', '"started_at": 1e300')
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", NO_RECORDS)
def test_what_is_no_record_is_named_and_the_others_count(tmp_path, name):
    good, bad = save(tmp_path, make_record(1), make_record(2))
    damage(bad, NO_RECORDS[name])
    tables = merge_records(record_files(tmp_path), DEFAULTS)
    assert set(tables.runs["run"]) == {good.stem}
    ((file, reason),) = tables.left_out
    assert file == str(bad) and len(reason) < 300
    ((file, reason),) = set_aside(tables.left_out, bad.parent, {make_record()["configuration_id"]})
    assert file == f"{bad}{DAMAGED}" and os.path.lexists(file) and not os.path.lexists(bad)
    assert "the next run measures it again" in reason


def test_an_error_that_names_a_file_in_no_known_encoding_is_kept(tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    record = make_record()
    record["starts"][0]["passes"][1] |= {"status": "failed", "error": f"cannot open {name}"}
    path = tmp_path / "m" / "runs" / f"{record['run']}.json"
    write_json(path, record)
    tables = merge_records([path], DEFAULTS)
    assert tables.left_out == []
    write_tables(tables, tmp_path)
    assert "cannot open caf?.wav" in (tmp_path / "runs.csv").read_text()


def test_what_is_not_of_the_study_stays_where_it_is(tmp_path):
    (record,) = save(tmp_path, make_record())
    runs = record.parent
    foreign = [runs / name for name in ("notes.json", "notes.txt", "other-r01.json", "no-r1.json")]
    for path in foreign:
        path.write_text("hello")
    elsewhere = tmp_path / "other-machine" / "runs" / record.name
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text("{")
    (runs / ".hidden.part").write_text("{")
    tables = merge_records(record_files(tmp_path), DEFAULTS)
    left_out = set_aside(tables.left_out, runs, {make_record()["configuration_id"]})
    assert {file for file, _ in left_out} == {str(path) for path in [*foreign, elsewhere]}
    assert all(path.read_text() == "hello" for path in foreign)
    assert elsewhere.exists() and len(tables.runs) == 2


def of_study(name, machine, model="a", rounds=(1, 2)):
    """Records of a study on a machine, with a model of its own."""
    model = {"kind": "embedded", "sha256": model * 64}
    return [make_record(n, machine) | {"study": name, "model": model} for n in rounds]


def test_another_study_is_no_other_machine(tmp_path):
    mine = [*of_study("mine", "here"), *of_study("mine", "there"), *of_study("old name", "once")]
    save(tmp_path, *mine, *of_study("yours", "elsewhere", "b"))
    merged = merge_records(record_files(tmp_path), DEFAULTS)
    for labels in (("here",), ()):
        kept = without_other_work(merged, "mine", labels)
        assert set(kept.runs["machine"]) == set(kept.machines) == {"here", "there", "once"}
        ((file, why),) = kept.left_out
        assert file == "elsewhere/runs/*.json" and why.startswith("2 records of study 'yours'")
    yours = of_one_study(merged, "yours")
    assert set(yours.runs["machine"]) == set(yours.machines) == {"elsewhere"}
    assert set(of_one_study(merged, "neither").runs["machine"]) >= {"here", "there"}


def test_what_is_left_out_tells_nothing_of_the_machine(tmp_path):
    """How many records there are, how long they took, by which margin they were to be judged."""
    mine, other = of_study("mine", "here"), of_study("yours", "here", "b", (3,))
    save(tmp_path, *mine, *other)
    (tmp_path / "study.json").write_text(json.dumps({**DEFAULTS, "name": "mine"}))
    merge_timings.merge_timings(tmp_path, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "machines.json").read_text())
    assert told["here"]["records"] == 2
    assert set(read_tables(tmp_path / "out").runs["study"]) == {"mine"}


def test_another_label_with_two_studies_is_judged_by_one(tmp_path):
    mine = [*of_study("mine", "here"), *of_study("mine", "there")]
    save(tmp_path, *mine, *of_study("yours", "there", "b", (3, 4, 5)))
    merged = merge_records(record_files(tmp_path), DEFAULTS)
    kept = of_one_study(merged, "mine", ["here"])
    assert set(kept.runs["study"]) == {"mine"} and set(kept.runs["machine"]) == {"here", "there"}


def test_a_damaged_record_is_named_until_the_run_is_measured_again(tmp_path):
    good, bad = save(tmp_path, make_record(1), make_record(2))
    whole = bad.read_text()
    for number in range(3):
        bad.write_text(whole[: 100 + number])
        set_aside([(str(bad), "x")], bad.parent, {make_record()["configuration_id"]})
        aside = [f"{bad}{DAMAGED}{n or ''}" for n in range(number + 1)]
        left_out = merge_records(record_files(tmp_path), DEFAULTS).left_out
        assert [file for file, _ in left_out] == aside, "each is kept, none overwritten"
        assert all("is not JSON" in reason or "end in .json" in reason for _, reason in left_out)
    bad.write_text(whole)
    assert merge_records(record_files(tmp_path), DEFAULTS).left_out == []
    assert record_files(tmp_path) == [good, bad]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_damaged_records_are_measured_again_by_the_next_snakemake(checkout):
    """A record of the grid, with foreign files beside it."""
    folder = checkout.folder / "results"
    runs = folder / "test-machine" / "runs"
    first = next(path for path in sorted(runs.glob("*-r01.json")) if "-f2-" in path.name)
    first.write_bytes(first.read_bytes()[:500])
    (runs / "folder.json").mkdir()
    shutil.copy(next(iter(runs.glob("*-r02.json"))), runs / "copy.json")
    foreign = {"folder.json", "copy.json"}

    def named():
        with (folder / "left_out.csv").open(newline="") as stream:
            return {row["file"].rsplit("/", 1)[1] for row in csv.DictReader(stream)}

    checkout.run("--until", "merge_timings")
    assert named() == {f"{first.name}{DAMAGED}"} | foreign
    jobs = checkout.planned("--until", "merge_timings")
    assert [output.rsplit("/", 1)[1] for output in jobs["transcribe"]] == [first.name]
    kept = {path: path.stat().st_ino for path in runs.glob("*.json") if path.is_file()}
    checkout.run("--until", "merge_timings")
    assert json.loads(first.read_text(encoding="utf-8"))["status"] == "ok"
    assert named() == foreign
    assert {path: path.stat().st_ino for path in kept} == kept, "no other run is done again"
    assert "transcribe" not in checkout.planned()


@pytest.mark.slow
def test_a_manifest_that_was_cut_is_named_before_a_record_is_lost(checkout):
    """Its job would fail when Snakemake has removed the record that is to be made again."""
    runs = checkout.folder / "results" / "test-machine" / "runs"
    before = {path: path.read_bytes() for path in runs.glob("*.json")}
    manifest = next((checkout.folder / "results" / "prepared" / "audio").glob("*.json"))
    manifest.write_bytes(manifest.read_bytes()[:100])
    done = checkout.snakemake("--until", "merge_timings")
    said = done.stdout + done.stderr
    assert (
        done.returncode != 0
        and f"cut off or damaged: {manifest.relative_to(checkout.folder)}" in said
    )
    assert {path: path.read_bytes() for path in runs.glob("*.json")} == before
    manifest.unlink()
    assert "transcribe" not in checkout.planned("--until", "merge_timings")
