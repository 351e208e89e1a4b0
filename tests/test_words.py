"""Words for numbers, intervals and configurations: true to the value, alike everywhere."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from parallel_transcription import words
from parallel_transcription.study.dimensions import DIMENSIONS, STRATEGIES
from parallel_transcription.words import MINUS, NOTHING, THIN_SPACE, TIMES, UNKNOWN

AMOUNTS = st.floats(1e-6, 1e9)
SIGNED = st.one_of(AMOUNTS, AMOUNTS.map(lambda v: -v), st.just(0.0))
SHOWS = [words.number, words.integer, words.as_written, words.seconds, words.times]
MISSING = [None, math.nan, np.float64("nan"), pd.NaT, pd.NA]


def typeset(text: str) -> str:
    """What is written here with a hyphen for the minus and an underscore between thousands."""
    return text.replace("-", MINUS).replace("_", THIN_SPACE)


def read(text: str) -> float:
    """The number that a reader sees."""
    return float(text.replace(THIN_SPACE, "").replace(MINUS, "-"))


# ---------------------------------------------------------------- one style


@given(SIGNED, st.sampled_from(SHOWS))
def test_a_number_has_no_exponent_a_true_minus_and_thousands_apart(value, show):
    text = show(value)
    assert not set(text) & set("eE,-+"), text
    whole = text.lstrip(MINUS).partition(".")[0].split(THIN_SPACE)
    assert len(whole[0]) <= 3 and all(len(group) == 3 for group in whole[1:])
    assert text.startswith(MINUS) == (read(text) < 0), "no zero has a sign"


@pytest.mark.parametrize("value", MISSING)
@pytest.mark.parametrize("show", [*SHOWS, words.percent])
def test_what_is_missing_is_said_in_one_word(value, show):
    assert words.is_missing(value)
    assert show(value) == UNKNOWN != NOTHING


@pytest.mark.parametrize("show", SHOWS)
def test_what_has_no_end_is_said(show):
    assert show(math.inf) == "∞" and show(-math.inf) == f"{MINUS}∞"


# ---------------------------------------------------------------- true to the value


@given(SIGNED, st.integers(1, 6))
def test_a_number_is_right_to_its_digits(value, digits):
    text = words.number(value, digits)
    assert math.isclose(read(text), value, rel_tol=0.5001 * 10.0 ** (1 - digits), abs_tol=1e-12)


@given(AMOUNTS, st.integers(1, 6))
def test_a_number_has_its_digits_and_no_more(value, digits):
    text = words.number(value, digits).replace(THIN_SPACE, "")
    significant = text.replace(".", "").lstrip("0")
    assert len(significant) == digits or ("." not in text and len(significant) > digits)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.9149, "1.91"), (9.996, "10.0"), (99.96, "100"), (999.6, "1_000"), (0.09996, "0.100"),
     (0.05234, "0.0523"), (1316, "1_316"), (0, "0"), (-1.5, "-1.50"), (1e-12, "0")],
)  # fmt: skip
def test_numbers(value, expected):
    assert words.number(value) == typeset(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0.00"), (0.05, "0.05"), (9.996, "10.00"), (99.996, "100.0"), (999.96, "1_000")],
)
def test_seconds(value, expected):
    assert words.seconds(value) == typeset(expected)


@given(SIGNED, st.integers(0, 4))
def test_fixed_is_right_to_its_decimals(value, decimals):
    assert math.isclose(read(words.fixed(value, decimals)), value, abs_tol=0.5001 * 0.1**decimals)


@given(st.integers(-(10**5), 10**5), st.integers(0, 5))
def test_a_number_is_written_as_someone_wrote_it(count, decimals):
    value = count / 10**decimals
    text = words.as_written(value)
    assert math.isclose(read(text), value, rel_tol=1e-9)
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize(
    ("share", "options", "expected"),
    [(0.0312, {}, "3.1 %"), (0.95, {}, "95 %"), (0.00452, {}, "0.45 %"), (0, {}, "0 %"),
     (0.9964, {"decimals": 1}, "99.6 %"), (0.05, {"decimals": 0}, "5 %")],
)  # fmt: skip
def test_shares(share, options, expected):
    assert words.percent(share, **options) == expected


def test_counts_and_lists():
    assert words.plural(1, "process", "processes") == "1 process"
    assert words.plural(1500, "file") == f"1{THIN_SPACE}500 files"
    assert [words.listing("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


# ---------------------------------------------------------------- intervals

#: value, low, high and how they stand in a table
INTERVALS = [
    ((1.003, 0.991, 1.017), "1.003 (0.991 to 1.017)"),
    ((57.01, 56.968, 57.053), "57.01 (56.97 to 57.05)"),
    ((9.9, 9.4, 9.9996), "9.90 (9.40 to 10.00)"),
    ((1.35, 0.962, 1.9), "1.35 (0.96 to 1.90)"),
    ((1.4, 0.962, 2.13), "1.4 (0.96 to 2.1)"),  # 1 lies in it, and the reader sees it
    ((0.05, 0.011, 0.29), "0.050 (0.011 to 0.29)"),
    ((0.076, 0.0001, 76.2), "0.076 (0.00010 to 76)"),
    ((0.98, 0.842, 1.149), "0.98 (0.84 to 1.15)"),
    ((1_316_000, 1_310_000, 1_322_000), "1_316_000 (1_310_000 to 1_322_000)"),
    ((-0.02, -0.51, 0.493), "0.0 (-0.5 to 0.5)"),
    ((0.0, 0.0, 11.57), "0 (0 to 12)"),
    ((5, 3, 8), "5 (3 to 8)"),
    ((5, None, None), "5"),
    ((19.2, 18.7, None), "≥ 18.7"),
    ((19.2, math.nan, 20.1), "≤ 20.1"),
    ((19.2, 18.7, math.inf), "≥ 18.7"),
]


@pytest.mark.parametrize(("case", "expected"), INTERVALS)
def test_an_estimate_in_a_table(case, expected):
    assert words.with_interval(*case) == typeset(expected)


@given(AMOUNTS, st.floats(0.01, 1), st.floats(1, 100))
def test_an_interval_says_the_same_in_a_sentence_a_table_and_beside_its_estimate(value, down, up):
    low, high = value * down, value * up
    text, beside = words.value_and_interval(value, low, high)
    assert words.with_interval(value, low, high) == f"{text} ({beside})"
    assert words.estimate(value, low, high, 0.9) == f"{text} (90 % interval {beside})"
    assert words.estimate(value, low, high, of="MB").startswith(f"{text} MB (95 % interval")


@given(AMOUNTS, st.floats(0.0, 1), st.floats(0.0, 1))
def test_the_ends_of_an_interval_round_by_little_of_its_width(top, share, place):
    low = top * share
    assume(top - low > 1e-3 * top)
    value = low + place * (top - low)
    text, beside = words.value_and_interval(value, low, top)
    ends = [read(end) for end in beside.split(" to ")]
    slack = 0.06 * (top - low) + 0.0006 * top  # two digits of the width, four digits in all
    for said, meant in zip([*ends, read(text)], [low, top, value], strict=True):
        assert abs(said - meant) <= slack
    assert ends[0] <= read(text) <= ends[1]


def test_an_open_interval_says_where_it_is_open():
    assert words.interval(1.85, 1.97) == "95 % interval 1.85 to 1.97"
    assert words.interval(1.85, math.inf, 0.9, "MB") == "90 % interval from 1.85 MB, no upper end"
    assert words.interval(5.0, math.nan) == "95 % interval from 5.00, no upper end"
    assert words.interval(None, 1.97) == "95 % interval up to 1.97"
    assert words.interval(math.nan, None) == "no interval"
    assert words.value_and_interval(19.2, 18.7, None, "s") == (
        f"19.2{THIN_SPACE}s",
        "at least 18.7",
    )
    assert words.value_and_interval(19.2, None, 20.1) == ("19.2", "at most 20.1")
    assert words.estimate(math.nan, 1, 2) == words.estimate(None, 1, 2) == UNKNOWN


# ---------------------------------------------------------------- configurations

DEFAULTS = {d.name: d.default for d in DIMENSIONS}
ROW = DEFAULTS | {
    "strategy": "one_model", "device": "cpu", "device_index": "0", "instances": 1,
    "num_workers": 2, "cpu_threads": 1, "files_in_parallel": 2, "callers": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "one model, 2 workers, 1 thread"),
        ({"cpu_threads": 0}, "one model, 2 workers, automatic threads"),
        ({"strategy": "multi_model", "instances": 3, "num_workers": 1},
         "3 models, 1 worker each, 1 thread"),
        ({"strategy": "multi_process", "instances": 1}, "1 process, 2 workers, 1 thread"),
        ({"device": "cuda", "device_index": "0,1"}, "one model, 2 workers, 1 thread, cuda 0,1"),
        ({"callers": 1, "batch_size": 4},
         "one model, 2 workers, 1 thread, files one after another, batches of 4"),
    ],
)  # fmt: skip
def test_a_configuration_in_words(change, expected):
    assert words.name_of(ROW | change) == expected


def test_a_setting_in_words():
    row = {"workers": 2.0, "total_workers": 4, "cpu_threads": 1.0}
    assert words.setting(row) == f"2 workers {TIMES} 1 thread"
    assert words.setting(row, "total_workers") == f"4 workers {TIMES} 1 thread"
    assert words.setting({"workers": 1, "cpu_threads": 0}) == f"1 worker {TIMES} automatic threads"
    assert words.setting({"workers": 1, "cpu_threads": math.nan}) == "1 worker"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ""),
        ({"callers": 1}, "one after another"),
        ({"callers": 3}, "3 callers"),
        ({"files_in_parallel": 0, "init_stagger_s": 0.5}, "stagger 0.5 s"),
        ({"replica": 2, "slowdown": 0.1}, "same again, slowed by 10 %"),
        ({"batch_size": 8, "beam_size": 1.0}, "batches of 8, beam 1"),
        ({"vad_filter": True}, "VAD True"),
        ({"thread_env": f"{DEFAULTS['thread_env']} KMP_BLOCKTIME=\u202e0".strip()},
         "KMP_BLOCKTIME=0"),
    ],
)  # fmt: skip
def test_what_a_configuration_has_that_others_have_not(change, expected):
    assert words.variant(ROW | change, DEFAULTS) == expected


def test_strategies_have_names_in_the_order_of_tables():
    assert [words.strategy_place(s) for s in STRATEGIES] == list(range(len(STRATEGIES)))
    assert len({words.strategy_name(s) for s in STRATEGIES}) == len(STRATEGIES)
    assert words.strategy_name("\u202eother" * 20).startswith("other")
    assert words.strategy_place("other") == len(STRATEGIES)


@pytest.mark.parametrize(
    ("confidence", "said"),
    [(0.95, "95 %"), (1 - 2 * 0.05 * 2 / 3, "93.3 %"), (0.998788, "99.88 %"), (0.99, "99 %"),
     (0.9, "90 %"), (0.9999995, "99.99995 %")],
)  # fmt: skip
def test_a_level_of_confidence_is_never_rounded_up_to_certainty(confidence, said):
    assert words.level(confidence) == said
