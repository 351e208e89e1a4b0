"""Guards what a study may say of loads: every wrong value is refused in words, before any run."""

from __future__ import annotations

import json

import pytest

from parallel_transcription.errors import InputError
from parallel_transcription.jobs.load import ToldLoad, capacity_in, load_of
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.ladders import RATES, rungs
from parallel_transcription.study.study import build_study, grid_of
from simple_records import make_record

BLOCK = {
    "strategy": "one_model", "model": "dummy-tiny", "num_workers": 2, "arrivals": "poisson",
    "rate": 2, "requests": 40,
}  # fmt: skip


@pytest.fixture
def project(tmp_path):
    """A folder with three files of sound, as far as a study looks at them."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.wav").write_bytes(b"RIFF....WAVE")
    return tmp_path


def study(project, *blocks, **settings):
    config = {"audio": ["a.wav"], "grid": [BLOCK | block for block in blocks]} | settings
    return build_study(config, "s.yaml", project)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"rate": 2.1}, r"rate: 2\.1 is not on the ladder of rates; give 2 or 2\.24"),
        ({"rate": 0}, "rate: 0 is too small"),
        ({"rate": "fast"}, "rate: 'fast' does not fit"),
        ({"rate": ""}, "rate: poisson needs a rate"),
        ({"requests": 3}, "requests: 3 say nothing of a load"),
        ({"arrivals": "closed"}, "rate: closed says itself when requests come"),
        ({"arrivals": "at_once"}, "arrivals: rate, requests and mix say how a load is"),
        ({"arrivals": "sometimes"}, "arrivals: 'sometimes' does not fit"),
        ({"mix": "calls"}, r"mix: 'calls' is none of mixes \(none\)"),
        ({"files_in_parallel": 4}, "files_in_parallel: with arrivals: poisson files come as"),
        ({"discipline": "lifo"}, "discipline: 'lifo' is not one of fifo, shortest"),
    ],
)
def test_a_load_that_cannot_be_is_refused_with_its_key_and_a_remedy(project, block, told):
    with pytest.raises(StudyError, match=told):
        study(project, block)


@pytest.mark.parametrize(
    ("mixes", "told"),
    [
        ({"calls": "*.mp3"}, r"mixes\.calls\[0\]\.files: '\*\.mp3' matches nothing"),
        ({"calls": [{"weight": 2}]}, "missing key 'files'"),
        ({"calls": [{"files": "a.wav", "weight": 0}]}, "0 is too small"),
        ({"calls": []}, "an empty list"),
        ({"calls": [{"files": "a.wav", "wieght": 1}]}, "unknown key 'wieght'"),
    ],
)
def test_a_mix_that_cannot_be_is_refused(project, mixes, told):
    with pytest.raises(StudyError, match=told):
        study(project, {"mix": "calls"}, mixes=mixes)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (None, "does not exist; correct the name"),
        (["time,length", "1,2"], "has no column 'seconds' in its first line"),
        (["seconds,audio_seconds", "5,1", "4,1"], "line 3: 4 s is before 5 s"),
        (["seconds,audio_seconds", "5,-1"], "line 2: '5', '-1' are no moment and length"),
        (["seconds,audio_seconds", "x,1"], "line 2: 'x', '1' are no moment and length"),
        (["seconds,audio_seconds", "1,1"], "has 1 requests; give 10 to"),
    ],
)
def test_a_trace_that_cannot_be_is_refused(project, lines, told):
    if lines is not None:
        (project / "day.csv").write_text("\n".join(lines))
    block = {"arrivals": "trace:day.csv", "rate": "", "requests": 0}
    with pytest.raises(StudyError, match=told):
        study(project, block)


def test_requests_that_come_for_years_are_refused(project):
    """Of a rate, or of a trace in milliseconds; what nobody could wait for is no pass."""
    with pytest.raises(StudyError, match=r"rate: 0\.00001 per second is .* for requests: 100000"):
        study(project, {"arrivals": "poisson", "rate": "0.00001", "requests": 100000})
    moments = [f"{1_700_000_000_000 + 60_000 * k},5" for k in range(12_000)]
    (project / "day.csv").write_text("\n".join(["seconds,audio_seconds", *moments]))
    with pytest.raises(StudyError, match="milliseconds"):
        study(project, {"arrivals": "trace:day.csv", "rate": "", "requests": 0})


def test_a_quote_without_its_pair_is_one_short_line(project):
    lines = ["seconds,audio_seconds", '0,"5', *(f"{k},5" for k in range(1, 30_000))]
    (project / "day.csv").write_text("\n".join(lines))
    with pytest.raises(StudyError, match=r"day\.csv") as refused:
        study(project, {"arrivals": "trace:day.csv", "rate": "", "requests": 0})
    assert len(str(refused.value)) < 500


def test_a_rate_of_many_digits_is_refused(project):
    with pytest.raises(StudyError, match="rate"):
        study(project, {"arrivals": "poisson", "rate": "1" + "0" * 400, "requests": 40})


def test_a_slo_and_a_margin_are_checked(project):
    with pytest.raises(StudyError, match=r"slo\.p95: 0 is too small"):
        study(project, {}, slo={"p95": 0})
    with pytest.raises(StudyError, match="slo: unknown key 'p42'"):
        study(project, {}, slo={"p42": 1})
    with pytest.raises(StudyError, match="latency_margin: 1 is too large"):
        study(project, {}, latency_margin=1)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"slo": {}}, "ladder: it has no objective; say with slo"),
        ({"slo": {"p99": 3}}, "ladder: requests: 40 say nothing of the p99 of slo"),
        ({"ladder": {"minutes": 0}}, "ladder.minutes: 0 is too small"),
        ({"ladder": {"rates": [1]}}, "ladder: unknown key 'rates'"),
        ({"defaults": {"callers": 8}}, "ladder: no configuration can climb"),
    ],
)
def test_a_ladder_that_leads_nowhere_is_refused(project, more, told):
    with pytest.raises(StudyError, match=told):
        study(project, {}, **{"slo": {"p95": 3}, "ladder": {"minutes": 1}} | more)


def test_a_ladder_may_come_to_any_rate_and_measures_none_beforehand(project):
    told = {"slo": {"p95": 3}}
    without = study(project, {}, {"rate": "70%"}, **told)
    made = study(project, {}, {"rate": "70%"}, ladder={}, **told)
    assert [p.id for p, _ in made.schedule] == [p.id for p, _ in without.schedule]
    assert len(made.climbed) == len(RATES) - 1  # one is the grid's
    assert set(grid_of(made.settings)) == set(without.points)
    assert set(made.points) == set(without.points) | set(made.climbed)
    assert rungs({}, made.points.values()) == {}


def test_defaults_for_loads_say_nothing_of_files_at_once_and_the_other_way_round(project):
    config = {
        "audio": ["*.wav"],
        "defaults": {"files_in_parallel": 3, "arrivals": "poisson", "rate": 2, "requests": 20},
        "grid": [
            {"strategy": "one_model", "model": "dummy-tiny"},
            {"strategy": "one_model", "model": "dummy-tiny", "arrivals": "at_once"},
        ],
    }
    points = build_study(config, "s.yaml", project).points.values()
    load, at_once = (point.configuration for point in points)
    assert (load.requests, load.files_in_parallel, load.callers) == (20, 2, 1)
    assert (at_once.requests, at_once.rate, at_once.files_in_parallel) == (0, "", 3)


def test_a_configuration_without_a_load_keeps_its_id():
    before = complete({"strategy": "one_model", "num_workers": 2, "cpu_threads": 1})
    assert identify(before) == "one_model-mini-en-int8-cpu-i1-w2-t1-f2-" + identify(before)[-8:]
    assert "poisson2-c2" in identify(complete(BLOCK | {"rate": "2"}))


def test_a_share_of_the_capacity_is_measured_once_for_all_that_get_the_same_requests(project):
    rates = ["50%", "80%"]
    made = study(
        project,
        {"rate": rates},
        {"strategy": "multi_model", "instances": 2, "num_workers": 1, "rate": rates},
        {"rate": rates, "beam_size": 1},
    )
    closed = [p for p in made.points.values() if p.configuration.arrivals == "closed"]
    assert [point.configuration.beam_size for point in closed] == [5, 1]
    assert all(point.rounds == 1 for point in closed)
    of = made.capacity_of
    assert len(of) == 6 and set(of.values()) == {point.id for point in closed}
    assert {point.id for point, _ in made.schedule} == set(made.points)


def test_a_rate_in_per_cent_is_taken_to_the_ladder(tmp_path):
    record = make_record(1)
    for one in record["starts"][0]["passes"]:
        one["makespan_s"] = 1.0  # two files in each
    file = tmp_path / "r.json"
    file.write_text(json.dumps(record))
    assert capacity_in(file) == 2.0
    audio = [{"path": "a.wav", "sha256": "a", "seconds": 5.0}]
    wanted = complete(BLOCK | {"rate": "70%"})
    strata = [{"name": "", "weight": 1.0, "files": [0]}]
    load = load_of(wanted, ToldLoad(strata, None, file), audio, 3, 60)
    assert load.rate == 1.4 and load.round == 3
    with pytest.raises(InputError, match="share of what the machine carries"):
        load_of(wanted, None, audio, 1, 60)
    record["starts"][0]["passes"] = []
    file.write_text(json.dumps(record))
    with pytest.raises(InputError, match="served nothing"):
        capacity_in(file)


def test_files_of_a_mix_that_a_rate_uses_have_one_schedule_for_all_sides():
    audio = [{"path": f"{n}.wav", "sha256": str(n), "seconds": 5.0} for n in range(3)]
    one = load_of(complete(BLOCK | {"rate": "2"}), None, audio, 1, 60)
    many = complete(BLOCK | {"rate": "2", "strategy": "multi_model", "instances": 2})
    assert load_of(many, None, audio, 1, 60).seed == one.seed
    faster = load_of(complete(BLOCK | {"rate": "4"}), None, audio, 1, 60)
    assert faster.seed == one.seed
    assert load_of(complete(BLOCK | {"rate": "2"}), None, audio[:2], 1, 60).seed != one.seed
