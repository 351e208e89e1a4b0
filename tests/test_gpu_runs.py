"""Runs on GPUs, in the real measured process; GPUs, engine and driver are stand-ins.

They stand at the boundary of faster-whisper, CTranslate2 and NVML (`fake_gpus`). What is asserted
is where work goes and what the record says of it, never how fast anything is.
"""

import ast
import inspect
import re
import shutil
from collections import Counter
from pathlib import Path

import faster_whisper
import pynvml
import pytest

from gpu_machine import FAKES, GpuMachine
from parallel_transcription.measure import gpu_meters
from parallel_transcription.measure.transcriber import model_options
from parallel_transcription.study.configuration import ConfigurationError, complete

LINUX_ONLY = "stand-ins need Linux's /proc"
pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason=LINUX_ONLY)


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    return GpuMachine(tmp_path, monkeypatch)


def the_pass(outcome):
    assert outcome["status"] == "ok", outcome["error"]
    ((start,),) = [outcome["starts"]]
    return start["passes"][-1]


class TestPlacements:
    def test_one_model_on_one_gpu(self, gpus):
        the_pass(gpus.run(device_index="1", num_workers=2, cpu_threads=3))
        (model,) = gpus.events("model")
        assert (model["gpus"], model["device_index"]) == ([1], 1)
        assert (model["num_workers"], model["cpu_threads"]) == (2, 3)
        assert {work["gpu"] for work in gpus.events("work")} == {1}

    @pytest.mark.slow
    @pytest.mark.parametrize("files", [2, 6, 9])
    def test_one_model_on_a_list_of_gpus_has_workers_on_each(self, gpus, files):
        """Fewer, as many and more files than the 6 workers: 2 on each of 3 GPUs."""
        one = the_pass(gpus.run(files, device_index="0,1,2", num_workers=2))
        (model,) = gpus.events("model")
        assert (model["gpus"], model["num_workers"]) == ([0, 1, 2], 2)
        work = gpus.events("work")
        assert {w["file"] for w in work} == {t["file"] for t in one["transcriptions"]}
        assert at_once(work) == min(files, 6)
        first = sorted(work, key=lambda w: w["start"])[:6]
        assert max(Counter(w["gpu"] for w in first).values()) == (1 if files == 2 else 2)

    @pytest.mark.slow
    @pytest.mark.parametrize("strategy", ["multi_model", "multi_process"])
    @pytest.mark.parametrize(
        ("instances", "files", "per_gpu"),
        [
            (3, 3, [[0], [1], [2]]),  # one per GPU
            (6, 9, [[0], [1], [2], [0], [1], [2]]),  # two per GPU, more files than models
            (3, 2, [[0], [1], [2]]),  # fewer files: the third GPU has a model and no work
        ],
    )
    def test_models_are_dealt_out_to_the_gpus(self, gpus, strategy, instances, files, per_gpu):
        outcome = gpus.run(files, strategy=strategy, device_index="0,1,2", instances=instances)
        one = the_pass(outcome)
        models = gpus.events("model")
        assert sorted(model["gpus"] for model in models) == sorted(per_gpu)
        assert all(isinstance(model["device_index"], int) for model in models)
        assert len({m["pid"] for m in models}) == (instances if strategy == "multi_process" else 1)
        for task in one["transcriptions"]:
            (work,) = [w for w in gpus.events("work") if w["file"] == task["file"]]
            assert work["gpu"] == task["caller"] % instances % 3

    def test_several_models_and_workers_on_one_gpu(self, gpus):
        the_pass(gpus.run(4, strategy="multi_model", instances=2, num_workers=2))
        assert [m["gpus"] for m in gpus.events("model")] == [[0], [0]]
        assert at_once(gpus.events("work")) == 4

    def test_gpus_that_no_model_would_use_are_refused(self, gpus):
        with pytest.raises(ConfigurationError, match="more devices than the 2 instances"):
            gpus.run(strategy="multi_model", device_index="0,1,2", instances=2)


def at_once(spans):
    """The most pieces of work at one moment."""
    return max(
        sum(other["start"] <= span["start"] < other["end"] for other in spans) for span in spans
    )


class TestWhichGpuIsWhich:
    def test_numbers_are_the_machines_on_a_machine_of_ones_own(self, gpus):
        one = the_pass(gpus.run(device_index="2"))
        assert [(gpu["device"], gpu["index"]) for gpu in one["gpus"]] == [(2, 2)]

    @pytest.mark.parametrize(
        ("grant", "expected"),
        [
            ("2,0", [2, 0]),
            ("GPU-fake-2,GPU-fake-1,GPU-fake-0", [2, 1]),
        ],
    )
    @pytest.mark.parametrize("device_index", ["0,1", "1,2"])
    def test_of_granted_gpus_the_first_ones_are_used(
        self, gpus, monkeypatch, grant, expected, device_index
    ):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", grant)
        one = the_pass(gpus.run(device_index=device_index))
        (model,) = gpus.events("model")
        assert (model["gpus"], model["device_index"]) == (expected, [0, 1])
        assert [(g["device"], g["index"]) for g in one["gpus"]] == list(enumerate(expected))

    def test_the_gpus_of_a_packing_slot_are_used(self, gpus):
        one = the_pass(gpus.run(gpus=["1", "2"], device_index="0"))
        assert gpus.events("model")[0]["gpus"] == [1]
        assert [g["index"] for g in one["gpus"]] == [1]

    def test_a_record_holds_no_serial_numbers(self, gpus, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-fake-1")
        outcome = gpus.run()
        assert outcome["environment"]["CUDA_VISIBLE_DEVICES"] == "GPU-…"
        assert "GPU-fake" not in str(outcome)


class TestMeters:
    @pytest.mark.slow
    def test_each_gpu_has_its_own_utilisation_power_and_clocks(self, gpus):
        """GPU 1 works four times as long as GPU 0."""
        gpus.change(seconds=[0.4, 1.6, 0.4])
        one = the_pass(gpus.run(2, strategy="multi_model", instances=2, device_index="0,1"))
        first, second = one["gpus"]
        assert 0.1 < first["utilisation"] < 0.45
        assert second["utilisation"] > 0.8
        assert first["power_w"] < second["power_w"] < 201
        assert first["energy_j"] == pytest.approx(first["power_w"] * first["seconds"])
        assert (first["sm_mhz"], first["memory_mhz"]) == (1980, 2619)
        assert first["energy_from"] == "counter"
        assert first["name"] == "NVIDIA Imaginary 100"

    def test_the_time_in_which_a_gpu_was_slowed_down_is_told_by_reason(self, gpus):
        gpus.change(seconds=0.5)
        (gpu,) = the_pass(gpus.run(1))["gpus"]
        assert 0.03 < gpu["throttled"]["power"] < 0.11, "planted: a tenth of the work"
        assert gpu["throttled"]["thermal"] == 0
        assert gpu["throttled"]["reliability"] is None, "not told is not zero"

    def test_memory_is_that_of_our_processes(self, gpus):
        outcome = gpus.run(strategy="multi_process", instances=2)
        (loaded,) = outcome["starts"][0]["gpus"]
        assert loaded["used_before_bytes"] == 0.5e9, "others' memory"
        assert loaded["own_bytes"] == 2 * 1.3e9
        assert the_pass(outcome)["gpus"][0]["own_bytes"] == 2 * 1.3e9

    def test_processes_that_the_driver_does_not_know_have_no_memory_of_their_own(self, gpus):
        gpus.change(knows_processes=False)
        (loaded,) = gpus.run()["starts"][0]["gpus"]
        assert loaded["own_bytes"] is None
        assert loaded["used_bytes"] - loaded["used_before_bytes"] == 1.3e9

    @pytest.mark.alone
    def test_a_buffer_shorter_than_the_window_tells_nothing(self, gpus):
        gpus.change(seconds=2, buffer_s=1)
        (gpu,) = the_pass(gpus.run(1))["gpus"]
        assert gpu["utilisation"] is None and gpu["sm_mhz"] is None
        assert 0.1 < gpu["samples_cover"] < 0.9
        assert gpu["energy_j"] > 0, "a counter does not forget"

    @pytest.mark.alone
    def test_waiting_for_the_last_sample_is_no_part_of_the_pass(self, gpus):
        """The meters wait 1.2 s for it; with the pass of 1 s that would be over the limit."""
        gpus.change(seconds=1, late_s=3)
        one = the_pass(gpus.run(1, timeout_s=2.0))
        assert one["makespan_s"] < 2
        assert one["gpus"][0]["utilisation"] is None

    @pytest.mark.slow
    def test_without_an_energy_counter_power_samples_are_added_up(self, gpus):
        gpus.change(seconds=1, energy_counter=False)
        (gpu,) = the_pass(gpus.run(1))["gpus"]
        assert gpu["energy_from"] == "samples"
        assert 150 < gpu["power_w"] < 201

    def test_what_the_driver_does_not_tell_is_none(self, gpus):
        gpus.change(energy_counter=False, samples=False)
        (gpu,) = the_pass(gpus.run(1))["gpus"]
        unknown = ("utilisation", "energy_j", "energy_from", "power_w", "sm_mhz", "memory_mhz")
        assert [gpu[name] for name in unknown] == [None] * len(unknown)

    def test_a_slice_of_a_gpu_has_memory_only(self, gpus, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-fake-1")
        (gpu,) = the_pass(gpus.run(1))["gpus"]
        assert (gpu["device"], gpu["index"], gpu["mig"]) == (0, 1, True)
        assert gpu["used_bytes"] > 0
        assert gpu["utilisation"] is None and gpu["energy_j"] is None

    def test_without_nvml_there_are_no_meters_and_the_run_is_good(self, gpus):
        gpus.fakes = shutil.copytree(gpus.fakes, gpus.folder / "fakes")
        (gpus.fakes / "pynvml.py").write_text("raise ImportError('not installed')\n")
        outcome = gpus.run()
        assert "gpus" not in the_pass(outcome)
        assert outcome["starts"][0]["gpus"] is None

    def test_a_run_on_the_cpu_asks_nothing_of_nvml(self, gpus):
        """The stand-in engine refuses the CPU; what counts is that no meter was opened."""
        gpus.run(device="cpu", compute_type="int8")
        assert gpus.events("nvml") == []
        gpus.run()
        assert len(gpus.events("nvml")) == 1


class TestChecks:
    """Before a model is loaded, with the remedy in the message."""

    def failed(self, outcome):
        assert outcome["status"] == "failed"
        assert outcome["starts"][0]["loads"] == []
        return outcome["error"]

    def test_no_gpu(self, gpus):
        gpus.change(gpus=0)
        error = self.failed(gpus.run())
        assert "the engine sees no GPU" in error and "NVIDIA's driver" in error

    def test_a_grant_that_names_no_gpu_is_named(self, gpus, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
        assert "(CUDA_VISIBLE_DEVICES is '-1')" in self.failed(gpus.run())

    def test_an_index_out_of_range(self, gpus):
        error = self.failed(gpus.run(device_index="1,3"))
        assert 'device_index: "1,3" needs GPU 3, but there are only GPUs 0 to 2' in error

    def test_a_compute_type_that_the_gpu_cannot(self, gpus):
        error = self.failed(gpus.run(compute_type="bfloat16"))
        assert "compute_type: bfloat16 does not run on GPU 0; it can do float16" in error

    def test_no_cublas(self, gpus, monkeypatch):
        (gpus.libraries / "libcublas.so.12").unlink()
        error = self.failed(gpus.run())
        assert "cuBLAS for CUDA 12 cannot be loaded" in error and "make cuda" in error


class TestStandIns:
    """They must not drift away from what they stand for."""

    def used_of_nvml(self):
        source = Path(gpu_meters.__file__).read_text(encoding="utf-8")
        return set(re.findall(r"nvml\.(\w+)", source)) | set(gpu_meters.POLICIES.values())

    def test_all_that_the_meters_ask_for_is_in_nvml(self):
        used = self.used_of_nvml()
        assert len(used) > 15
        assert {name for name in used if not hasattr(pynvml, name)} == set()

    def test_what_nvml_answers_has_the_parts_that_the_meters_read(self):
        parts = {
            pynvml.c_nvmlSample_t: ("timeStamp", "sampleValue"),
            pynvml.c_nvmlFieldValue_t: ("nvmlReturn", "valueType", "value"),
            pynvml.c_nvmlViolationTime_t: ("violationTime",),
            pynvml.c_nvmlMemory_t: ("used",),
            pynvml.c_nvmlProcessInfo_t: ("pid", "usedGpuMemory"),
            dict(pynvml.c_nvmlSample_t._fields_)["sampleValue"]: gpu_meters._MEMBERS,
        }
        for structure, names in parts.items():
            assert set(names) <= {name for name, *_ in structure._fields_}, structure
        kinds = ("DOUBLE", "UNSIGNED_INT", "UNSIGNED_LONG", "UNSIGNED_LONG_LONG",
                 "SIGNED_LONG_LONG", "SIGNED_INT", "UNSIGNED_SHORT")  # fmt: skip
        order = [getattr(pynvml, f"NVML_VALUE_TYPE_{kind}") for kind in kinds]
        assert order == list(range(len(gpu_meters._MEMBERS)))

    def test_the_stand_ins_are_called_as_the_real_ones(self):
        """The same functions with as many arguments; the model takes what ours is given."""
        tree = ast.parse((FAKES / "pynvml.py").read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("nvml"):
                real = inspect.signature(getattr(pynvml, node.name))
                real.bind(*node.args.args)
        options = model_options(complete({"strategy": "one_model", "device": "cuda"}), 0)
        inspect.signature(faster_whisper.WhisperModel).bind("a-model", **options)

    def test_the_constants_are_nvmls(self):
        source = (FAKES / "pynvml.py").read_text(encoding="utf-8")
        scope = {}
        exec("\n".join(re.findall(r"^NVML_.*$", source, re.MULTILINE)), scope)
        ours = {name: value for name, value in scope.items() if name.startswith("NVML_")}
        assert len(ours) > 8
        assert ours == {name: getattr(pynvml, name) for name in ours}
