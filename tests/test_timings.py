"""Tables hold what the records hold: every number is checked against the record it came from."""

import os

import pandas as pd
import pytest

from parallel_transcription.results.columns import (
    RUN_COLUMNS,
    RUNS,
    TIMING_COLUMNS,
    TIMINGS,
    typed,
)
from parallel_transcription.results.error_rate import error_rate
from parallel_transcription.results.export import write_tables
from parallel_transcription.results.merge import merge_records
from parallel_transcription.study.settings import DEFAULTS
from simple_records import make_record, save, tables_of


def test_columns_are_the_contract():
    assert TIMING_COLUMNS[:22] == tuple(
        [
            "run",
            "machine",
            "strategy",
            "model",
            "compute_type",
            "device",
            "device_index",
            "instances",
            "num_workers",
            "cpu_threads",
            "files_in_parallel",
            "round",
            "repeat",
            "counter",
            "file",
            "audio_seconds",
            "submitted_s",
            "started_s",
            "finished_s",
            "seconds",
            "text_sha256",
            "status",
        ]
    )
    assert RUN_COLUMNS[13:26] == tuple(
        [
            "makespan_s",
            "rtfx",
            "cpu_s",
            "cores_used",
            "load_s",
            "warmup_s",
            "rss_peak_mb",
            "pss_mb",
            "model_mb",
            "gpu_util",
            "gpu_mem_mb",
            "energy_j",
            "status",
        ]
    )
    assert RUN_COLUMNS[26] == "error"


def test_a_row_per_repeat_with_the_records_numbers(tmp_path):
    runs = tables_of(tmp_path, make_record()).runs
    assert list(runs["repeat"]) == [1, 2], "the warm-up is no row"
    second = runs.iloc[1]
    assert second["makespan_s"] == 4.0
    assert second["rtfx"] == 20.0 / 4.0
    assert second["cores_used"] == 3.0 / 4.0
    assert second["warmup_s"] == 2.0
    assert second["load_s"] == 0.25
    assert second["model_mb"] == 59.0
    assert (second["rss_peak_mb"], second["pss_mb"], second["uss_mb"]) == (100.0, 80.0, 70.0)
    assert second["started_at"].startswith("2027-01-15T08:00:02")


def test_a_record_from_before_batches_has_none(tmp_path):
    record = make_record()
    del record["configuration"]["batch_size"]
    assert list(tables_of(tmp_path, record).runs["batch_size"]) == [0, 0]


def test_passes_of_dummy_weights_that_lost_their_text_are_marked(tmp_path):
    record = make_record()
    first, second = record["starts"][0]["passes"][1:]
    first["walk_lost"], second["walk_lost"] = None, "7 text tokens at temperature 1"
    assert list(tables_of(tmp_path, record).runs["walk_lost"]) == [False, True]


def test_all_int8_kernels_of_a_label_are_known_and_old_records_name_none(tmp_path):
    kernels = [
        {"backend": "DNNL", "isa": isa, "vnni": vnni, "saturates": not vnni}
        for isa, vnni in (("AVX2", False), ("AVX2_VNNI", True))
    ]
    records = [make_record(number) for number in (1, 2, 3, 4)]
    for record, kernel in zip(records, [*kernels, kernels[0]], strict=False):
        record["engine"]["int8_kernel"] = kernel
    assert tables_of(tmp_path, *records).machines["m"]["int8_kernels"] == kernels


def test_a_row_per_transcription(tmp_path):
    timings = tables_of(tmp_path, make_record()).timings
    assert len(timings) == 4
    last = timings.iloc[3]
    assert (last["repeat"], last["counter"], last["file"]) == (2, 2, "1.wav")
    assert last["seconds"] == 3.5
    assert last["wer"] == 0.25


def test_disturbed_repeats_are_marked_at_the_studys_limit(tmp_path):
    runs = tables_of(tmp_path, make_record(), disturbed_above=0.03).runs
    assert list(runs["disturbed"]) == [False, True]


def test_a_timeout_is_a_censored_row(tmp_path):
    record = make_record()
    start = record["starts"][0]
    start["passes"] = start["passes"][:1]
    message = "a repeat took longer than 60 s"
    start |= {"status": "timeout", "error": message, "stopped_in_repeat": 1}
    record |= {"status": "timeout", "error": message}
    runs = tables_of(tmp_path, record).runs
    assert len(runs) == 1
    row = runs.iloc[0]
    assert (row["status"], row["repeat"], row["timeout_s"]) == ("timeout", 1, 60)
    assert pd.isna(row["makespan_s"]) and "60 s" in row["error"]


def test_a_run_that_never_loaded_has_a_row(tmp_path):
    record = make_record()
    record["starts"][0] |= {
        "passes": [],
        "loads": [],
        "memory_before": None,
        "memory_after": None,
        "status": "failed",
        "error": "=cmd|' /C calc'!A0",
    }
    tables = tables_of(tmp_path, record)
    assert list(tables.runs["status"]) == ["failed"]
    write_tables(tables, tmp_path)
    assert ",'=cmd" in (tmp_path / "runs.csv").read_text(), "a spreadsheet must not run it"


def test_cold_starts_have_a_row_each(tmp_path):
    record = make_record(strategy="multi_model", instances=2, num_workers=1, files_in_parallel=0)
    start = record["starts"][0] | {"passes": []}
    record["starts"] = [start, start | {"start": 2, "status": "failed", "error": "race"}]
    runs = tables_of(tmp_path, record).runs
    assert list(runs["repeat"]) == [1, 2]
    assert list(runs["status"]) == ["ok", "failed"]


def test_dummy_weights_have_no_word_error_rate(tmp_path):
    record = make_record()
    record["model"]["kind"] = "dummy"
    assert tables_of(tmp_path, record).timings["wer"].isna().all()


def test_newer_reference_transcripts_count(tmp_path):
    tables = merge_records(
        save(tmp_path, make_record()), DEFAULTS, references={"0" * 64: "one two four"}
    )
    assert sorted(set(tables.timings["wer"])) == [0.0, 0.25]


def test_the_csv_holds_what_parquet_holds(tmp_path):
    write_tables(tables_of(tmp_path, make_record()), tmp_path)
    for name, table in (("runs", RUNS), ("timings", TIMINGS)):
        cells = pd.read_csv(tmp_path / f"{name}.csv", dtype=str, keep_default_na=False)
        cells = cells.replace({"True": True, "False": False, "": None})
        parquet = pd.read_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(typed(cells, table), parquet)


DAMAGE = {
    "half a file": (lambda text: text[: len(text) // 2], "is not JSON"),
    "empty": (lambda text: "", "is not JSON"),
    "no UTF-8": (lambda text: b"\xff\xfe\x00", "is not JSON"),
    "a list": (lambda text: "[]", "is not a run record"),
    "foreign": (lambda text: '{"hello": 1}', "is not a run record"),
    "a key more": (lambda text: text.replace('"round"', '"extra": 1, "round"', 1), "record"),
    "edited": (lambda text: text.replace('"num_workers": 2', '"num_workers": 3'), "id is"),
    "no number": (lambda text: text.replace('"makespan_s": 4.0', '"makespan_s": "x"'), "record"),
    "a long number": (
        lambda text: text.replace('"counter": 1', '"counter": 1' + "0" * 30),
        "too long",
    ),
    "words for CPUs": (
        lambda text: text.replace('"logical_cpus": 2', '"logical_cpus": "two"'),
        "host",
    ),
    "no GPUs": (
        lambda text: text.replace('"logical_cpus"', '"gpus": [7], "logical_cpus"'),
        "host.gpus",
    ),
    "deep": (lambda text: "[" * 100_000, "is not JSON"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_are_named_and_left_out(tmp_path, name):
    damage, reason = DAMAGE[name]
    good, bad = save(tmp_path, make_record(1), make_record(2))
    text = damage(bad.read_text())
    bad.write_bytes(text if isinstance(text, bytes) else text.encode())
    tables = merge_records([good, bad], DEFAULTS)
    assert len(tables.runs) == 2
    ((file, why),) = tables.left_out
    assert file == str(bad) and reason in why


def test_half_a_letter_in_a_text_ends_nothing(tmp_path):
    """A lone surrogate is good JSON and no text that can be written."""
    record = make_record()
    record["starts"][0]["passes"][1]["transcriptions"][0]["text"] = "a\ud800b \U0001f600"
    tables = merge_records(save(tmp_path, record), DEFAULTS)
    write_tables(tables, tmp_path)
    assert "a?b \U0001f600" in (tmp_path / "timings.csv").read_text(encoding="utf-8")


def test_a_file_whose_name_is_no_utf8_is_left_out_by_name(tmp_path):
    odd = tmp_path / "runs" / os.fsdecode(b"caf\xe9.json")
    odd.parent.mkdir()
    odd.write_text("no JSON")
    tables = merge_records([*save(tmp_path, make_record()), odd], DEFAULTS)
    write_tables(tables, tmp_path)
    assert r"caf\xe9.json" in (tmp_path / "left_out.csv").read_text(encoding="utf-8")


def test_a_renamed_or_moved_record_is_left_out(tmp_path):
    (path,) = save(tmp_path, make_record())
    other = path.with_name("other.json")
    other.write_text(path.read_text())
    moved = tmp_path / "elsewhere" / "runs" / path.name
    moved.parent.mkdir(parents=True)
    moved.write_text(path.read_text())
    assert len(merge_records([path, other, moved], DEFAULTS).left_out) == 2


def test_differing_hardware_under_one_label_is_flagged(tmp_path):
    other = make_record(2)
    other["host"]["cpu_model"] = "Another"
    machines = tables_of(tmp_path, make_record(), other).machines
    assert machines["m"]["mixed_hardware"] and not machines["m"]["mixed_code"]
    assert machines["m"]["records"] == 2


def test_differing_packages_under_one_label_are_flagged(tmp_path):
    """They rerun nothing, so they must be seen."""
    other = make_record(2)
    other["host"]["versions"] = {**(other["host"].get("versions") or {}), "numpy": "0.1"}
    machines = tables_of(tmp_path, make_record(), other).machines
    assert machines["m"]["mixed_versions"] and not machines["m"]["mixed_hardware"]


A100, H100 = ({"number": 0, "name": name, "memory_mb": 85000} for name in ("A100", "H100"))


@pytest.mark.parametrize(
    ("seen", "mixed"),
    [
        ([[A100], [H100]], True),
        ([[A100], [A100, H100], [H100]], False),
        ([[], [A100], [A100, {**A100, "number": 1}]], False),
        ([[A100], [{**A100, "memory_mb": 42000}]], True),
    ],
    ids=["models", "both in one node", "jobs that see only their own", "memory"],
)
def test_differing_gpus_under_one_label_are_flagged(tmp_path, seen, mixed):
    records = [make_record(number) for number in range(1, len(seen) + 1)]
    for record, gpus in zip(records, seen, strict=True):
        record["host"]["gpus"] = gpus
    machine = tables_of(tmp_path, *records).machines["m"]
    assert machine["mixed_hardware"] == mixed
    assert len(machine["gpus"]) == max(map(len, seen))


def test_the_scheduler_that_ran_a_machines_jobs_is_known(tmp_path):
    record = make_record()
    assert tables_of(tmp_path / "a", record).machines["m"]["scheduler"] is None
    record["job"] = {"scheduler": "slurm", "job_id": "7", "node": "n1", "partition": "cpu",
                     "gpus": None, "log": "logs/slurm/7.log"}  # fmt: skip
    assert tables_of(tmp_path / "b", record).machines["m"]["scheduler"] == "slurm"


def test_tables_do_not_depend_on_the_order_of_files(tmp_path):
    paths = save(tmp_path, *(make_record(n) for n in (1, 2, 3)))
    a, b = merge_records(paths, DEFAULTS), merge_records(paths[::-1], DEFAULTS)
    pd.testing.assert_frame_equal(a.runs, b.runs)
    pd.testing.assert_frame_equal(a.timings, b.timings)


def test_no_host_name_in_what_reports_read(tmp_path):
    write_tables(tables_of(tmp_path, make_record()), tmp_path)
    for path in tmp_path.glob("*.*"):
        assert b"secret-host" not in path.read_bytes(), path.name


@pytest.mark.parametrize(
    ("reference", "text", "value", "unit"),
    [
        ("Hello, world!", "hello world", 0.0, "words"),
        ("one two three four", "one two for", 0.5, "words"),
        ("one two\nthree\n\n\tfour\n", "one two three four", 0.0, "words"),
        ("one two", "", 1.0, "words"),
        ("今天天气很好。", "今天 天很好", 1 / 6, "characters"),
        ("สวัสดีครับ", "สวัสดีครับ", 0.0, "characters"),
        ("한국어 문장", "한국어", 0.5, "words"),  # Korean puts spaces
        ("Das Wort 今 ist eines", "Das Wort 今 ist eines", 0.0, "words"),
    ],
)
def test_errors_are_counted_by_words_or_characters(reference, text, value, unit):
    found = error_rate(reference, text)
    assert found is not None
    assert (found.value, found.unit) == (pytest.approx(value), unit)


@pytest.mark.parametrize("reference", ["...", "—", "¡!", " "])
def test_a_reference_without_words_has_no_error_rate(reference):
    assert error_rate(reference, "some words") is None


def test_what_the_decoder_did_stands_beside_a_text(tmp_path):
    record = make_record()
    one = record["starts"][0]["passes"][-1]["transcriptions"][0]
    one["decoded"] = {
        "tokens": 7, "temperature": 0.4, "windows": 2, "decodings": 4, "compression_ratio": 1.5,
        "logprob": -0.3,
    }  # fmt: skip
    timings = tables_of(tmp_path, record).timings
    row = timings[(timings["repeat"] == timings["repeat"].max()) & (timings["counter"] == 1)].iloc[
        0
    ]
    assert (row["tokens"], row["temperature"], row["decodings"]) == (7, 0.4, 4)
    assert timings["decodings"].notna().sum() == 1  # records of before do not tell
    assert pd.isna(row["speech_s"])
    one["decoded"]["speech_s"] = 12.5
    assert tables_of(tmp_path / "newer", record).timings["speech_s"].max() == 12.5


def gpu(device, **more):
    window = {
        "device": device, "index": device, "name": "Made", "mig": False, "seconds": 2.0,
        "utilisation": 0.8, "samples_cover": 1.0, "energy_j": 400.0, "energy_from": "counter",
        "power_w": 200.0, "sm_mhz": 1900.0, "memory_mhz": 2600.0,
        "throttled": {"power": 0.1, "thermal": None}, "pcie_tx_bytes": None, "pcie_rx_bytes": None,
        "used_bytes": 5_000_000, "own_bytes": 3_000_000,
    }  # fmt: skip
    return window | more


def gpu_record(*windows):
    """A record on GPUs whose repeats all have these meters."""
    record = make_record(device="cuda", device_index=",".join(str(w["device"]) for w in windows))
    (start,) = record["starts"]
    loaded = ("device", "index", "name", "mig", "used_bytes", "own_bytes")
    start["gpus"] = [
        {name: w[name] for name in loaded} | {"used_before_bytes": 1_000_000} for w in windows
    ]
    for one in start["passes"]:
        one["gpus"] = list(windows)
    return record


def test_gpu_meters_become_columns(tmp_path):
    runs = tables_of(tmp_path, gpu_record(gpu(0), gpu(1, utilisation=0.4, own_bytes=None))).runs
    row = runs.iloc[0]
    assert (row["gpus"], row["gpu_util"], row["gpu_balance"]) == (2, pytest.approx(0.6), 0.5)
    assert (row["energy_j"], row["power_w"], row["energy_from"]) == (800, 400, "counter")
    assert row["gpu_throttled"] == 0.1
    assert row["gpu_mem_mb"] == row["gpu_model_mb"] == 3 + (5 - 1), "own, or what was added"
    assert row["cores_per_gpu"] == pytest.approx(row["cores_used"] / 2)


def test_what_one_gpu_does_not_tell_is_not_told_of_all(tmp_path):
    silent = gpu(1, utilisation=None, energy_j=None, energy_from=None, power_w=None, sm_mhz=None)
    row = tables_of(tmp_path, gpu_record(gpu(0), silent)).runs.iloc[0]
    unknown = ["gpu_util", "gpu_balance", "energy_j", "power_w", "gpu_sm_mhz"]
    assert row[unknown].isna().all() and row["energy_from"] == ""


def test_a_run_on_the_cpu_has_no_gpu_meters(tmp_path):
    row = tables_of(tmp_path, make_record()).runs.iloc[0]
    assert row["gpus"] == 0
    assert row[["gpu_util", "gpu_mem_mb", "energy_j", "cores_per_gpu"]].isna().all()
