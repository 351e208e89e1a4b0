"""What is said of GPUs follows from the tables. The tables are made up: nothing was measured."""

from pathlib import Path

import pytest

import synthetic_study as synthetic
from judging import finish
from judging import judged as all_findings
from parallel_transcription.findings import at_once
from parallel_transcription.findings.paste import recommend
from parallel_transcription.report import contents
from parallel_transcription.report.figures.draw import FIGURES
from parallel_transcription.report.figures.sources import Sources
from parallel_transcription.results.finding import Finding
from parallel_transcription.results.read import read_results
from synthetic_study import as_results, gpu_configurations, make_tables

pytestmark = pytest.mark.slow  # judges whole studies

QUIET = {"init_starts": 0, "timeouts": False, "failures": False, "cpus": 16, "repeats": 2}
#: The part of the study that asks how many workers, models or processes fill one GPU.
ON_ONE_GPU = [p for p in gpu_configurations() if p["files_in_parallel"] == 8]


def judged(**more) -> dict[str, Finding]:
    """The findings of a synthetic study on up to three GPUs, by id."""
    tables = make_tables(1, **{"configurations": gpu_configurations(), "rounds": 8} | QUIET | more)
    return {finding.id: finding for finding in all_findings(tables)}


@pytest.fixture(scope="module")
def found():
    return judged(spread=0.01)


@pytest.fixture(scope="module")
def found_without_meters():
    return judged(nvml=False)


class TestSeveralGpus:
    def test_a_list_that_scales(self, found):
        finding = found["several_gpus"]
        assert finding.verdict == "confirmed"
        assert finding.effect.value == pytest.approx(1 + 2 * 0.9, rel=0.03)
        assert "works 94 % as much as the busiest" in finding.answer

    def test_each_list_is_compared_with_as_many_workers_on_one_gpu(self, found):
        rows = found["several_gpus"].evidence
        assert {(r["device_index"], r["workers_per_device"]) for r in rows} == {
            (devices, workers) for devices in ("0,1", "0,1,2") for workers in (1, 2)
        }
        for row in rows:
            assert f"-w{row['workers_per_device']}-" in row["configuration_a"]
        six = [r for r in rows if r["devices"] == 3 and r["workers_per_device"] == 2]
        assert sorted(r["files"] for r in six) == [3, 6, 9], "6 workers on 3 GPUs"

    def test_balance_host_cores_and_energy_stand_beside_the_speed(self, found):
        for row in found["several_gpus"].evidence:
            assert row["balance"] == pytest.approx(0.94, abs=0.02)
            assert 0 < row["cores_per_gpu"] < 4
            assert row["energy_ratio"] > 0

    def test_what_num_workers_means_is_said(self, found):
        assert any("counts for each GPU" in note for note in found["several_gpus"].notes)

    def test_without_meters_the_balance_is_not_told(self, found_without_meters):
        finding = found_without_meters["several_gpus"]
        assert finding.verdict == "confirmed"
        assert all(row["balance"] is None for row in finding.evidence)
        assert any("utilisation is not known" in note for note in finding.notes)

    def test_a_list_that_does_not_scale(self):
        assert judged(gpu_scaling=0.0)["several_gpus"].verdict == "refuted"

    def test_the_gain_that_files_allow_is_over_one_worker_on_each(self, monkeypatch):
        asked = []
        in_use = at_once.in_use

        def noted(machine, pair, one, arm, most):
            asked.append((arm["device_index"], arm["in_use"], one["in_use"], most))
            return in_use(machine, pair, one, arm, most)

        monkeypatch.setattr(at_once, "in_use", noted)
        lists = [p for p in gpu_configurations() if p["device_index"] == "0,1,2"]
        judged(configurations=lists, rounds=4)
        on_lists = [(arm / one, most) for devices, arm, one, most in asked if "," in devices]
        assert on_lists and all(most <= ratio + 1e-9 for ratio, most in on_lists)


class TestOnePerGpu:
    def test_equal_is_equivalent_and_not_merely_not_different(self, found):
        finding = found["one_per_gpu"]
        assert finding.verdict == "confirmed"
        assert all(row["size"] == "within" for row in finding.evidence)
        assert all(row["p_equivalent"] < 0.05 for row in finding.evidence)

    def test_a_slower_arm_is_found(self):
        finding = judged(ratio_many=0.8, spread=0.01)["one_per_gpu"]
        assert finding.verdict == "refuted"
        assert finding.effect.value == pytest.approx(1.25, rel=0.03)

    def test_pairs_have_the_same_gpus_and_as_many_workers(self, found):
        rows = found["one_per_gpu"].evidence
        assert {(r["gpus"], r["total_workers"]) for r in rows} == {(2, 2), (2, 4), (3, 3), (3, 6)}
        for row in rows:
            assert row["instances"] == row["gpus"]

    def test_lists_of_gpus_are_no_part_of_the_question_of_one_device(self, found):
        assert {r["device_index"] for r in found["one_or_many"].evidence} == {"0"}


class TestSaturation:
    @pytest.mark.parametrize("saturation", [2, 4])
    def test_the_number_from_which_more_do_not_help(self, saturation):
        study = {"configurations": ON_ONE_GPU, "spread": 0.005}
        finding = judged(saturation=saturation, **study)["gpu_saturation"]
        assert finding.verdict == "confirmed"
        enough = {
            r["number"]
            for r in finding.evidence
            if r["enough"] and r["series"] == "workers" and r["files"] == 8
        }
        assert enough == {saturation}
        assert f"{saturation} workers, dummy-large-v3 float16, 8 files" in finding.answer

    def test_one_worker_that_fills_the_gpu(self):
        study = {"configurations": ON_ONE_GPU, "spread": 0.005}
        finding = judged(saturation=1, **study)["gpu_saturation"]
        assert finding.verdict == "refuted"
        assert finding.answer.startswith("One worker is enough")

    def test_workers_models_and_processes_stand_beside_each_other(self, found):
        rows = [r for r in found["gpu_saturation"].evidence if r["files"] == 8]
        series = {s: [r["number"] for r in rows if r["series"] == s] for s in
                  ("workers", "models", "processes")}  # fmt: skip
        assert series == {"workers": [1, 2, 4, 8], "models": [1, 2, 4], "processes": [1, 2, 4]}
        busy = [r["gpu_util"] for r in rows if r["series"] == "workers"]
        assert busy == sorted(busy) and busy[0] < 0.4 < 0.9 < busy[-1]

    def test_short_answers_fit_the_first_page(self, found):
        for name in ("several_gpus", "one_per_gpu", "gpu_saturation"):
            assert 0 < len(found[name].in_short) <= 90

    def test_unknown_utilisation_is_said_and_not_shown_as_zero(self, found_without_meters):
        finding = found_without_meters["gpu_saturation"]
        assert finding.verdict == "confirmed", "throughput needs no NVML"
        assert all(row["gpu_util"] is None for row in finding.evidence)
        assert "busy" not in finding.answer
        assert any("utilisation is not known" in note for note in finding.notes)


class TestMemoryOnTheGpu:
    def test_the_law_is_that_of_the_gpus_memory(self, found):
        """Planted: context 450 MB, models of 3,100 MB, 130 MB for each further worker."""
        workers, instances = found["memory_workers"], found["memory_instances"]
        assert workers.verdict == "confirmed" and instances.verdict == "refuted"
        (row,) = [r for r in workers.evidence if r["kind"] == "threads"]
        assert row["base_mb"] == pytest.approx(3550, rel=0.01)
        assert row["worker_mb"] == pytest.approx(130, rel=0.02)
        assert row["instance_mb"] == pytest.approx(3100, rel=0.01)
        assert "of GPU memory" in instances.answer

    def test_a_model_that_the_context_hides_is_left_open(self):
        """75 MB beside 450 MB of context: a copy adds 14 % of what the first one took."""
        tables = make_tables(1, configurations=ON_ONE_GPU, rounds=4, **QUIET)
        runs = tables["runs"]
        runs["gpu_model_mb"] = 450 + 75 * runs["instances"] + runs["round"] * 0.1
        found = {finding.id: finding for finding in all_findings(tables)}
        assert found["memory_instances"].verdict == "inconclusive"

    def test_without_nvml_the_hosts_memory_is_not_taken_for_the_gpus(self, found_without_meters):
        finding = found_without_meters["memory_workers"]
        assert finding.verdict == "not measured"
        assert finding.evidence == []


class TestRecommendation:
    """On GPUs their memory is scarce. Planted: what needs less of it needs more of the host's."""

    def recommended(self, limits=None, known=True):
        tables = make_tables(1, configurations=ON_ONE_GPU, rounds=8, spread=0.005, **QUIET)
        runs = tables["runs"]
        runs["pss_mb"] = runs["uss_mb"] = runs["rss_peak_mb"] = 40_000 - runs["gpu_mem_mb"]
        if not known:
            runs["gpu_mem_mb"] = None
        study = {**tables["study"], "limits": limits or {}}
        return recommend(as_results(tables | {"study": study}))["synthetic-a"]

    def test_of_those_as_fast_the_one_with_the_least_gpu_memory_is_taken(self):
        block = self.recommended()
        assert block.strategy == "one_model" and block.evidence.gpu_memory_mb < 6000
        assert any(name.startswith("multi_process") for name in block.as_good)

    def test_where_it_is_unknown_the_hosts_memory_decides(self):
        block = self.recommended(known=False)
        assert block.strategy == "multi_process"
        assert block.evidence.gpu_memory_mb is None

    def test_the_study_can_limit_it(self):
        free = self.recommended().evidence
        block = self.recommended(limits={"max_gpu_memory_mb": free.gpu_memory_mb - 100})
        assert block.evidence.gpu_memory_mb <= block.limits["max_gpu_memory_mb"]
        assert block.evidence.rtfx < free.rtfx
        unknown = self.recommended(limits={"max_gpu_memory_mb": 1e6}, known=False)
        assert unknown.reason == "no configuration keeps the limits"


class TestFiguresAndReport:
    @pytest.fixture(scope="class")
    @classmethod
    def results(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("gpus")
        tables = make_tables(1, configurations=gpu_configurations(), rounds=4, **QUIET)
        return finish(folder, tables)

    @pytest.mark.parametrize(
        "name", ["several_gpus", "one_per_gpu", "gpu_saturation", "memory", "recommendation"]
    )
    def test_figures_have_something_to_show(self, results, name):
        plot = FIGURES[name].make(Sources(results))
        assert plot is not None
        assert plot.draw() is not None

    def test_published_times_have_ours_of_the_same_form_beside_them(self, results):
        made = contents.findings_report(results, Path("nowhere"), [])
        rows = [[c.text for c in row] for row in made.content["published"]["gpu"].rows]
        where = [row[0] for row in rows]
        assert where.count("published, one run") == 4
        assert where.count("synthetic-a") == 3, "all but three models on one GPU for three files"
        ours = [row for row in rows if row[0] == "synthetic-a" and row[4:6] == ["3", "3"]]
        assert ours and ours[0][3] == "many models"

    def test_without_ours_the_command_is_told(self, tmp_path):
        synthetic.write_tables(make_tables(1, rounds=2, repeats=1), tmp_path)
        made = contents.findings_report(read_results(tmp_path), Path("nowhere"), [])
        assert len(made.content["published"]["gpu"].rows) == 4
        assert "config/multi_gpu.yaml" in made.content["published"]["gpu"].note
