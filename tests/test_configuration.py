"""Ids are short, stable, unique, and depend on nothing but the configuration."""

import json
import re
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.configuration import (
    ConfigurationError,
    check,
    compact,
    complete,
    identify,
)
from parallel_transcription.study.dimensions import DIMENSIONS, NAMES
from parallel_transcription.study.runs import match_id, match_of, round_of, run_id

small = st.integers(1, 8)
configurations = st.builds(
    lambda **values: complete(values),
    strategy=st.sampled_from(["multi_model", "multi_process"]),
    model=st.sampled_from(["mini-en", "dummy-tiny", "./Größe L", "org/name@v1.0"]),
    instances=small,
    num_workers=small,
    cpu_threads=st.integers(0, 8),
    files_in_parallel=small,
    language=st.sampled_from(["auto", "en", "de"]),
    beam_size=small,
    word_timestamps=st.booleans(),
    init_stagger_s=st.sampled_from([0, 0.1, 0.5]),
)


@given(configurations)
def test_id_survives_order_of_keys_and_explicit_defaults(configuration):
    backwards = dict(reversed(configuration.as_json().items()))
    assert identify(complete(backwards)) == identify(configuration)
    assert identify(complete(compact(configuration))) == identify(configuration)


@given(configurations, configurations)
def test_different_configurations_have_different_ids(a, b):
    assert (identify(a) == identify(b)) == (a == b)


@given(configurations)
def test_id_is_a_safe_and_short_file_name(configuration):
    assert re.fullmatch(r"[a-z0-9_.]+(-[a-z0-9_.]+)*", identify(configuration))
    assert len(run_id(identify(configuration), 1)) < 120


def test_known_ids_never_change():
    """Finished runs of users are found by these names: a change here would rerun everything."""
    published = complete({"strategy": "one_model", "num_workers": 2, "cpu_threads": 1})
    assert identify(published) == "one_model-mini-en-int8-cpu-i1-w2-t1-f2-501fb3d2"
    gpus = complete(
        {
            "strategy": "multi_model",
            "model": "org/large",
            "compute_type": "float16",
            "device": "cuda",
            "device_index": "0,1,2",
            "instances": 3,
            "files_in_parallel": 3,
            "init_stagger_s": 0.5,
        }
    )
    assert identify(gpus) == "multi_model-large-float16-cuda0.1.2-i3-w1-t0-f3-5c7432d2"


def test_defaults_never_change():
    """An id is made from what differs from the defaults, so a changed default would rename runs."""
    frozen = {
        "strategy": None,
        "model": "mini-en",
        "compute_type": "int8",
        "device": "cpu",
        "device_index": "0",
        "instances": 1,
        "num_workers": 1,
        "cpu_threads": 0,
        "files_in_parallel": 2,
        "callers": None,
        "init_stagger_s": 0.0,
        "load": "folder",
        "thread_env": "OPENBLAS_NUM_THREADS=1",
        "language": "auto",
        "beam_size": 5,
        "vad_filter": False,
        "word_timestamps": False,
        "condition_on_previous_text": True,
        "temperature_fallback": True,
        "batch_size": 0,
        "slowdown": 0.0,
        "replica": 1,
    }
    now = {d.name: d.default for d in DIMENSIONS}
    assert {name: now.get(name, "gone") for name in frozen} == frozen


def test_plain_types_only():
    """Numpy numbers would be written differently by another numpy and rerun everything."""
    import numpy as np

    configuration = complete({"strategy": "one_model", "num_workers": np.int64(2)})
    assert type(configuration.num_workers) is int
    json.dumps(configuration.as_json())


def test_the_table_of_dimensions_and_the_configuration_name_the_same():
    """The measured process and the study: the same names, in one order, with fitting types."""
    types = {"integer": int, "number": float, "boolean": bool}
    hints = get_type_hints(Configuration)
    assert tuple(hints) == NAMES
    for dimension in DIMENSIONS:
        expected = types.get(dimension.schema.get("type"), str)
        assert hints[dimension.name] is expected, dimension.name


def test_every_file_has_a_caller_unless_told_otherwise():
    assert complete({"strategy": "one_model", "files_in_parallel": 4}).callers == 4
    assert complete({"strategy": "one_model", "files_in_parallel": 0}).callers == 1
    one = complete({"strategy": "one_model", "files_in_parallel": 4, "callers": 1})
    assert one.callers == 1 and compact(one)["callers"] == 1


def test_what_is_unknown_or_missing_is_refused():
    with pytest.raises(ConfigurationError, match="strategy is missing"):
        complete({"num_workers": 2})
    with pytest.raises(ConfigurationError, match="unknown dimension 'workers'"):
        complete({"strategy": "one_model", "workers": 2})


def test_a_run_and_a_match_are_told_by_their_names():
    for number in (1, 900):
        assert round_of(run_id("one_model-x-r9", number)) == ("one_model-x-r9", number)
        assert match_of(match_id("0123456789ab", number)) == ("0123456789ab", number)


@pytest.mark.parametrize(
    ("values", "dimension"),
    [
        ({"strategy": "one_model", "instances": 2}, "instances"),
        ({"strategy": "multi_model", "device_index": "1"}, "device_index"),
        ({"strategy": "multi_model", "device_index": "0,0", "device": "cuda"}, "device_index"),
        ({"strategy": "one_model", "compute_type": "float16"}, "compute_type"),
        ({"strategy": "one_model", "callers": 3}, "callers"),
        ({"strategy": "multi_model", "init_stagger_s": 0.5}, "init_stagger_s"),
        ({"strategy": "multi_model", "instances": 2, "load": "cold"}, "load"),
        ({"strategy": "one_model", "files_in_parallel": 0, "load": "cached"}, "load"),
        ({"strategy": "one_model", "batch_size": 2}, "condition_on_previous_text"),
        (
            {"strategy": "one_model", "batch_size": 2, "condition_on_previous_text": False},
            "temperature_fallback",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_dimension(values, dimension):
    with pytest.raises(ConfigurationError) as error:
        check(complete(values))
    assert error.value.dimension == dimension


def test_workers_count_per_device_of_one_model():
    on_gpus = {"device": "cuda", "device_index": "0,1,2", "num_workers": 2}
    assert complete({"strategy": "one_model", **on_gpus}).total_workers == 6
    assert complete({"strategy": "multi_model", "instances": 3, **on_gpus}).total_workers == 6
