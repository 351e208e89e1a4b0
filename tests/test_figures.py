"""The figures: one for each question, drawn from any results, the same from the same results."""

import json
import math
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import jinja2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthetic_study as synthetic
from judging import finish
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.report.figures import registry, style
from parallel_transcription.report.figures.draw import FIGURES, STRICT, draw
from parallel_transcription.report.figures.forest import ratio_breaks
from parallel_transcription.report.figures.names import CAPTIONS, file_stem
from parallel_transcription.report.figures.sources import Sources
from parallel_transcription.study.dimensions import STRATEGIES
from parallel_transcription.words import STRATEGY_NAMES
from planted_matches import decided

pytestmark = pytest.mark.slow  # draws

ROOT = Path(__file__).resolve().parents[1]
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert(1)</script><img src="file:///etc/passwd">'


def make_study(folder: Path):
    """A study in which all but GPUs was measured."""
    points = synthetic.default_configurations()
    points.append(synthetic.configuration("one_model", workers=2, batch_size=4))
    made = synthetic.make_tables(1, rounds=3, repeats=2, configurations=points)
    return finish(folder, decided(made))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study(folder):
    return make_study(folder)


@pytest.fixture(scope="module")
def drawn(study, tmp_path_factory):
    return draw(study, tmp_path_factory.mktemp("figures"))


def test_every_question_has_its_figure_and_no_figure_is_of_nothing():
    wanted = {question.id if question.figure == "" else question.figure for question in QUESTIONS}
    assert wanted - {None} <= set(FIGURES)
    of_tables = {"timeline", "throughput", "published", "matches", "load_ecdf", "load_system",
                 "search_map", "search_path", "scaling"}  # fmt: skip
    assert set(FIGURES) - wanted == of_tables


def test_the_captions_beside_the_figures_are_those_of_snakemakes_report(drawn):
    captions = json.loads((drawn[0].parent / CAPTIONS).read_text(encoding="utf-8"))
    template = jinja2.Environment().from_string((ROOT / "report/figures.rst").read_text())
    for name, one in FIGURES.items():
        job = {"wildcards": {"figure": name}, "params": {"captions": captions}}
        assert template.render(snakemake=job).strip() == one.caption.caption, name
        assert one.caption.caption.endswith(".")


def test_two_figures_of_one_id_are_refused():
    with pytest.raises(TypeError, match="two figures 'memory'"):
        registry.figure("memory", "", "")(FIGURES["memory"].make)


def test_every_figure_is_drawn(drawn, caplog):
    assert [p.name for p in drawn] == [f"synthetic-a-{name}.svg" for name in FIGURES]
    assert all(p.with_suffix(".png").read_bytes().startswith(b"\x89PNG") for p in drawn)
    assert not caplog.records


def test_only_what_was_not_measured_is_not_drawn(study):
    sources = Sources(study)
    empty = {name for name, figure in FIGURES.items() if figure.make(sources) is None}
    loads = {"load_latency", "load_ecdf", "load_system", "load_explained"}
    search = {"search_map", "search_path"}
    gpus = {"several_gpus", "one_per_gpu", "gpu_saturation", "init_race_by_name"}
    assert empty == gpus | loads | search | {"scaling"}


def test_the_best_case_stands_at_every_number_of_workers_and_never_falls(study):
    plot = FIGURES["parallel_or_queue"].make(Sources(study))
    (line,) = [one._data for one in plot.layers if type(one.geom).__name__ == "geom_line"]
    assert line["x"].notna().all() and line["x"].nunique() > 1
    for _, own in line.groupby("panel", observed=True):
        values = own.sort_values("x")["value"]
        assert values.is_monotonic_increasing and values.iloc[0] >= 1


def test_an_svg_stands_alone_and_holds_no_script(drawn):
    for path in drawn:
        text = path.read_text()
        assert "<!DOCTYPE" not in text and "<!--" not in text and "<metadata" not in text
        for element in ET.fromstring(text).iter():
            assert element.tag not in (f"{SVG}script", f"{SVG}image", f"{SVG}foreignObject")
            for name, value in element.attrib.items():
                assert not name.lower().startswith("on")
                if name.endswith("href"):
                    assert value.startswith("#")
                assert "url(" not in value or "url(#" in value


def test_an_svg_is_as_wide_as_the_text_of_a_page_and_has_a_title(drawn):
    for path in drawn:
        root = ET.fromstring(path.read_text())
        assert float(root.get("width").removesuffix("pt")) == pytest.approx(style.WIDTH * 72)
        title = FIGURES[path.stem.removeprefix("synthetic-a-")].caption.title
        assert root.find(f"{SVG}title").text == f"{title}, synthetic-a"


def test_the_same_results_give_the_same_files(folder, drawn, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    names = ("one_or_many", "init_race")
    script = (
        "import sys; from pathlib import Path;"
        "from parallel_transcription.report.figures.draw import draw;"
        "from parallel_transcription.results.read import read_results;"
        "folder = Path(sys.argv[1]); results = read_results(folder).of('synthetic-a');"
        "draw(results, folder / 'figures', only=sys.argv[2:])"
    )
    subprocess.run(
        [sys.executable, "-c", script, tmp_path, *names],
        check=True,
        env={"PYTHONHASHSEED": "1", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
    )
    for name in names:
        for ending in (".svg", ".png"):
            again = tmp_path / "figures" / f"synthetic-a-{name}{ending}"
            assert again.read_bytes() == (drawn[0].parent / again.name).read_bytes()


# ---------------------------------------------------------------- whatever the results


def small(points, **more):
    more = {
        "rounds": 2,
        "repeats": 1,
        "init_starts": 0,
        "timeouts": False,
        "failures": False,
    } | more
    return synthetic.make_tables(1, configurations=points, **more)


SOME = synthetic.default_configurations(workers=(1, 2), threads=(1, 2), files=(2,), processes=False)


def nothing_measured():
    tables = small([synthetic.configuration("one_model")])
    return tables | {name: tables[name].iloc[:0] for name in ("runs", "timings")}


def all_of_status(status):
    tables = small([synthetic.configuration("one_model", workers=w) for w in (1, 2)])
    tables["runs"]["status"] = status
    tables["runs"]["error"] = "RuntimeError: no"
    tables["runs"]["makespan_s"] = np.nan
    return tables | {"timings": tables["timings"].iloc[:0]}


def no_meters():
    tables = small(SOME[:6])
    for name in ("cpu_s", "cores_used", "model_mb", "uss_mb", "pss_mb", "rss_peak_mb", "load_s",
                 "context_switches_involuntary", "affinity_cpus", "logical_cpus"):  # fmt: skip
        tables["runs"][name] = np.nan
    return tables | {"machines": {}, "study": {}}


def gpus(**more):
    points = synthetic.gpu_configurations(workers=(1, 2, 8), instances=(2,), files=(3,))
    return small(points, cpus=16, **more)


def gpus_without_meters():
    return gpus(nvml=False)


def odd_names():
    tables = small(SOME)
    for name in ("runs", "timings"):
        tables[name]["model"] = HOSTILE
    timings = tables["timings"]
    odd = [
        "a" * 10_000, "\u202e\x00\x1b[31m", "שלום 你好 ä $x^2$ {{7}}", "../../etc/passwd",
        "$\\frac{1}$ $\\nonsense{ _^ $", "]]> <![CDATA[ &lol; url(http://127.0.0.1:9/x)",
    ]  # fmt: skip
    timings["file"] = [odd[int(c) % len(odd)] for c in timings["counter"]]
    return tables


CASES = {
    "nothing": nothing_measured,
    "one point": lambda: small([synthetic.configuration("one_model")], rounds=1),
    "timeouts only": lambda: all_of_status("timeout"),
    "failures only": lambda: all_of_status("failed"),
    "cold starts only": lambda: small([], init_starts=5),
    "no meters": no_meters,
    "GPUs": gpus,
    "GPUs without NVML": gpus_without_meters,
    "odd names": odd_names,
}


#: What the other cases show as well.
SIMILAR = {"timeouts only", "cold starts only", "no meters", "GPUs", "GPUs without NVML"}


@pytest.mark.parametrize(
    "case",
    [pytest.param(one, marks=pytest.mark.thorough) if one in SIMILAR else one for one in CASES],
)
def test_figures_survive(case, tmp_path, caplog):
    results = finish(tmp_path, CASES[case]())
    label = results.labels[0] if results.labels else "nothing"
    written = draw(results.of(label), tmp_path / "figures")
    assert len(written) == len(FIGURES)
    for path in written:
        ET.fromstring(path.read_text())
    assert not caplog.records, caplog.text


def test_a_label_cannot_lead_out_of_the_folder():
    assert "/" not in file_stem("../../etc/passwd", "memory")
    assert file_stem("..", "memory") == "machine-memory"
    assert file_stem("epyc-2-vcpu", "memory") == "epyc-2-vcpu-memory"
    assert len(file_stem("x" * 5000, "memory")) < 200


def test_the_title_of_an_svg_is_escaped():
    text = style.tidy_svg("<?xml version='1.0'?><svg width='1'><g/></svg>", f"<b>{HOSTILE}")
    assert "<script" not in text and "&lt;script" in text
    ET.fromstring(text)


def test_a_figure_that_fails_ends_tests_but_no_study(study, tmp_path, monkeypatch, caplog):
    def fails(sources):
        raise KeyError("a column")

    monkeypatch.setitem(FIGURES, "memory", replace(FIGURES["memory"], make=fails))
    with pytest.raises(KeyError):
        draw(study, tmp_path, only=["memory"])
    monkeypatch.delenv(STRICT)
    written = draw(study, tmp_path, only=["memory", "init_race"])
    assert len(written) == 2 and all(p.stat().st_size for p in written)
    assert "memory of synthetic-a could not be drawn" in caplog.text


# ---------------------------------------------------------------- readable without colour


def test_strategies_differ_in_colour_shape_and_line():
    assert set(STRATEGIES) <= set(STRATEGY_NAMES)
    names = [STRATEGY_NAMES[s] for s in STRATEGIES]
    for table in (style.STRATEGY_COLOURS, style.STRATEGY_SHAPES, style.STRATEGY_LINES):
        assert len({table[n] for n in names}) == len(names)
    assert len(set(style.SERIES_SHAPES)) == len(style.SERIES_SHAPES)


def test_runs_beyond_the_limit_are_shown_as_bounds(study):
    for name in ("best_threads", "oversubscription"):
        labels = [
            layer.geom.aes_params.get("label")
            for layer in FIGURES[name].make(Sources(study)).layers
        ]
        assert any(isinstance(text, str) and text.strip() in ("↓", "↑") for text in labels), name


@given(st.floats(0.02, 0.99), st.floats(1.01, 60))
def test_ratios_have_readable_breaks(low, high):
    breaks = ratio_breaks(low, high)
    assert len(breaks) >= 1 and len(breaks) <= 9
    assert breaks == sorted(set(breaks)) and 1 in breaks
    assert all(math.isfinite(b) for b in breaks)
