"""Reading results: what was recorded arrives as it was, and what is no result is refused."""

import json
import tarfile

import pandas as pd
import pytest

from parallel_transcription.errors import TableError
from parallel_transcription.findings.judge import judge
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.report.pages import data
from parallel_transcription.report.pages.description import study_view
from parallel_transcription.results.columns import RUN_COLUMNS, TIMING_COLUMNS
from parallel_transcription.results.export import write_tables
from parallel_transcription.results.merge import merge_records
from parallel_transcription.results.read import read_results, read_tables
from parallel_transcription.results.records import record_files
from parallel_transcription.study.settings import DEFAULTS
from simple_records import make_record, save

LABELS = ["NA", "nan", "null", "None", "007", "true"]
TEXTS = ["- No. - Yes.", "=1+1", "'tis", "it's", "NA", "nan", ""]


def written(folder, *records):
    """A results folder with these records, merged."""
    write_tables(merge_records(save(folder, *records), DEFAULTS), folder)
    (folder / "study.json").write_text(json.dumps(DEFAULTS))
    return folder


def test_what_is_read_is_what_was_merged(tmp_path):
    merged = merge_records(save(tmp_path, make_record(1), make_record(2)), DEFAULTS)
    write_tables(merged, tmp_path)
    (tmp_path / "study.json").write_text("{}")
    results = read_tables(tmp_path)
    pd.testing.assert_frame_equal(results.runs, merged.runs)
    pd.testing.assert_frame_equal(results.timings, merged.timings)
    assert results.machines == merged.machines and results.study == DEFAULTS
    assert (tuple(results.runs), tuple(results.timings)) == (RUN_COLUMNS, TIMING_COLUMNS)


@pytest.mark.slow
@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_the_same_from_the_record_to_the_page(tmp_path, label):
    results = read_tables(written(tmp_path, make_record(machine=label)))
    assert results.labels == [label]
    assert {finding.machine for finding in judge(results)} == {label}
    assert [view["machine"] for view in data.data_view(results)] == [label]


def test_a_transcript_is_the_same_from_the_record_to_the_page(tmp_path):
    """The apostrophe that keeps a spreadsheet from running it is in the CSV alone."""
    record = make_record(files_in_parallel=len(TEXTS), callers=1)
    for one in record["starts"][0]["passes"]:
        for task, text in zip(one["transcriptions"], TEXTS, strict=True):
            task["text"] = text
    for sound, text in zip(record["audio"], TEXTS, strict=True):
        sound |= {"file": text + ".wav", "reference": text or "x"}
    folder = written(tmp_path, record)
    results = read_tables(folder)
    assert results.timings["text"].to_list() == TEXTS * 2
    shown = json.dumps(data.transcripts_view(results), ensure_ascii=False)
    assert "- No. - Yes." in shown and "'- No" not in shown
    csv = pd.read_csv(folder / "timings.csv", dtype=str, keep_default_na=False)
    assert csv["text"].to_list()[:3] == ["'- No. - Yes.", "'=1+1", "'tis"]


def test_a_name_with_an_apostrophe_is_found_again(tmp_path):
    """Findings compare the texts of a file alone and in parallel, by the options of the run."""
    model = "./it's -a model"
    alone = make_record(model=model, callers=1, num_workers=1)
    together = make_record(model=model)
    results = read_tables(written(tmp_path, alone, together))
    (same_text,) = [f for f in judge(results) if f.id == "same_text"]
    assert same_text.evidence[0]["transcriptions"] > 0
    assert same_text.evidence[0]["different"] == 0
    assert {row["model"] for row in data.tables.transcripts(results.timings)} == {model}


DAMAGE = {
    "nothing was merged": ("runs.parquet", None, "no results in"),
    "a table is missing": ("timings.parquet", None, "does not exist"),
    "a table is no table": ("timings.parquet", "hello", "is not what this workflow writes"),
    "no JSON": ("machines.json", "{", "is not what this workflow writes"),
    "a list for an object": ("machines.json", "[]", "something else stands in it"),
    "a deep list": ("study.json", "[" * 100_000, "is not what this workflow writes"),
    "findings of texts": ("findings.json", '["x"]', "'x' is no Finding"),
    "half a YAML": ("recommended.yaml", "a: [", "is not what this workflow writes"),
    "a text for a block": ("recommended.yaml", "m: x", "'x' is no Recommendation"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_no_result_is_refused_in_a_line_that_names_the_file(tmp_path, name):
    file, content, reason = DAMAGE[name]
    path = written(tmp_path, make_record()) / file
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)
    with pytest.raises(TableError, match=reason) as error:
        read_results(tmp_path)
    named = path if reason != "no results in" else tmp_path
    assert str(named) in str(error.value) and "\n" not in str(error.value)


def test_a_table_of_another_version_is_refused(tmp_path):
    written(tmp_path, make_record())
    path = tmp_path / "runs.parquet"
    pd.read_parquet(path).drop(columns="counts").to_parquet(path)
    with pytest.raises(TableError, match="lacks the column counts: another version"):
        read_tables(tmp_path)


def test_what_was_not_concluded_yet_is_empty(tmp_path):
    results = read_results(written(tmp_path, make_record()))
    assert not results.findings and not results.recommended


def test_one_machine_of_several(tmp_path):
    results = read_tables(written(tmp_path, make_record(), make_record(machine="n")))
    assert results.labels == ["m", "n"]
    mine = results.of("n")
    assert mine.labels == ["n"] == list(mine.machines) == mine.runs["machine"].unique().tolist()


REFERENCES = sorted((PROJECT_ROOT / "docs/reference").rglob("records.tar.xz"))


@pytest.mark.slow
@pytest.mark.parametrize("archive", REFERENCES, ids=lambda file: file.parent.name)
def test_the_records_that_are_shipped_can_be_read(tmp_path, archive):
    merged = _unpacked(archive, tmp_path)
    assert len(merged.runs) and not merged.left_out


def test_runs_on_a_gpu_are_told_with_its_meters_and_with_their_own_number_of_repeats(tmp_path):
    """Of a real GPU; the settings of the study are not at hand, as on another machine."""
    folder = tmp_path / "results"
    write_tables(_unpacked(PROJECT_ROOT / "docs/reference/gpu/records.tar.xz", tmp_path), folder)
    (folder / "study.json").write_text(json.dumps(DEFAULTS))
    results = read_results(folder)
    rows = dict(study_view(results)["rows"])
    assert rows["Rounds"].startswith("1 round of 2 repeats each") and DEFAULTS["repeats"] != 2
    views = data.data_view(results)
    assert len(views) == 4
    for view in views:
        shown = {column.text for column in view["table"].columns}
        assert {"in use", "energy (J)"} <= shown


def _unpacked(archive, folder):
    with tarfile.open(archive) as records:
        records.extractall(folder, filter="data")
    files = record_files(folder / "results")
    return merge_records(files, DEFAULTS)
