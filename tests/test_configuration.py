"""Ids are short, stable, unique, and depend on nothing but the configuration."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_transcription.measure.placement import total_workers
from parallel_transcription.study.configuration import (
    ConfigurationError,
    check,
    compact,
    complete,
    identify,
    run_id,
)
from parallel_transcription.study.dimensions import DIMENSIONS

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
    backwards = dict(reversed(configuration.items()))
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
    """numpy numbers would be written differently by another numpy and rerun everything."""
    import numpy as np

    configuration = complete({"strategy": "one_model", "num_workers": np.int64(2)})
    assert type(configuration["num_workers"]) is int
    json.dumps(configuration)


@pytest.mark.parametrize(
    ("values", "dimension"),
    [
        ({"strategy": "one_model", "instances": 2}, "instances"),
        ({"strategy": "multi_model", "device_index": "1"}, "device_index"),
        ({"strategy": "multi_model", "device_index": "0,0", "device": "cuda"}, "device_index"),
        ({"strategy": "one_model", "compute_type": "float16"}, "compute_type"),
        ({"strategy": "one_model", "callers": 3}, "callers"),
        ({"strategy": "multi_model", "init_stagger_s": 0.5}, "init_stagger_s"),
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
    assert total_workers(complete({"strategy": "one_model", **on_gpus})) == 6
    assert total_workers(complete({"strategy": "multi_model", "instances": 3, **on_gpus})) == 6
