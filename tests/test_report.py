"""The reports: what they say is what the tables say; nothing gets in, nothing is fetched."""

import base64
import contextlib
import dataclasses
import hashlib
import html.parser
import math
import re
import runpy
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from weasyprint import HTML

import synthetic_study as synthetic
from judging import finish
from parallel_transcription.published import scoreboard
from parallel_transcription.published.claims import read_published
from parallel_transcription.report import contents
from parallel_transcription.report import layout as report
from parallel_transcription.report.figures.draw import FIGURES, draw
from parallel_transcription.report.pages import cells, evidence
from parallel_transcription.results import summaries as tables
from parallel_transcription.results.columns import RUNS
from parallel_transcription.results.finding import Column, Effect, Kind, MoreRounds
from parallel_transcription.results.merge import runs_table
from parallel_transcription.results.read import read_results
from parallel_transcription.words import NOTHING

pytestmark = pytest.mark.slow  # lays out pages and PDFs

ROOT = Path(__file__).resolve().parents[1]
DUMMY = "dummy weights: real architecture and work, no meaningful text"
#: Configurations of a study where its size does not matter: judging takes its time.
FEW = synthetic.default_configurations((1, 2), (1,), (2,))

needs_poppler = pytest.mark.skipif(
    not shutil.which("pdftotext"), reason="looks into PDFs with pdftotext (poppler-utils)"
)


def text_of(pdf: bytes, *options: str) -> list[str]:
    """The text of each page."""
    said = subprocess.run(
        ["pdftotext", *options, "-", "-"], input=pdf, capture_output=True, check=True
    )
    return said.stdout.decode().split("\f")[:-1]


def flat(text: str) -> str:
    return " ".join(text.replace("\u202f", " ").split())


def tight(text: str) -> str:
    """Without spaces: how wide a space must be to count as one is for pdftotext to say."""
    return "".join(text.split())


def markup(made: dict) -> str:
    """The HTML without its fonts and figures, which take longest."""
    return report.render(made, {}, "", "screen")


def findings_of(results, figures: Path = Path("nowhere"), lines=None) -> contents.Report:
    board = scoreboard.scoreboard(results.findings, read_published())
    return contents.findings_report(results, figures, board if lines is None else lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def results(folder):
    made = synthetic.make_tables(1, rounds=3, repeats=2)
    found = finish(folder, made)
    drawn = ["recommendation", "timeline"]
    draw(found, folder / "figures", drawn)
    return found


@pytest.fixture(scope="module")
def findings_pdf(results, folder):
    return report.to_pdf(findings_of(results, folder / "figures"))


@pytest.fixture(scope="module")
def machine_pdf(results, folder):
    return report.to_pdf(contents.machine_report(results, "synthetic-a", folder / "figures"))


@pytest.fixture(scope="module")
def findings_html(results, folder):
    return report.to_html(findings_of(results, folder / "figures"))


# ---------------------------------------------------------------- what the pages say


@needs_poppler
def test_the_first_page_says_what_the_findings_say(results, findings_pdf):
    first, second = (flat(page) for page in text_of(findings_pdf, "-layout")[:2])
    shown = [f for f in results.findings if f.number]
    assert {f.number for f in shown} == set(range(1, 9))
    for verdict in ("confirmed", "refuted", "inconclusive", "not measured"):
        count = sum(f.verdict == verdict for f in shown)
        assert len(re.findall(rf"(?<!not yet ){verdict}", first)) >= count, verdict
    for finding in shown:
        parts = cells.effect_parts(finding.effect)
        assert tight(parts["value"]) in tight(first)
        assert tight(parts["interval"]) in tight(first)
        if finding.verdict == "not measured":
            assert f"Section {finding.number} says how to measure it." in first
    # the second page starts with the first question: all of that stood on one page
    assert "Does one model transcribe several files" in second and "WhisperModel(" in first


@needs_poppler
def test_the_first_page_gives_the_recommended_settings(results, findings_pdf):
    first = text_of(findings_pdf, "-layout")[0]
    arguments = results.recommended["synthetic-a"].whisper_model
    assert f"cpu_threads={arguments.cpu_threads}," in first
    assert f"num_workers={arguments.num_workers}," in first


@needs_poppler
def test_numbers_of_the_machine_report_are_those_of_the_tables(results, machine_pdf):
    text = flat(" ".join(text_of(machine_pdf, "-layout")))
    runs, timings = results.runs, results.timings
    point = (runs["strategy"] == "one_model") & (runs["num_workers"] == 2)
    point &= (runs["cpu_threads"] == 1) & (runs["files_in_parallel"] == 2) & (runs["replica"] == 1)
    mine = runs[point & (runs["callers"] == 2)]
    assert mine["configuration"].nunique() == 1 and len(mine) == 6
    calm = mine[~mine["disturbed"]] if (~mine["disturbed"]).any() else mine
    times = timings.merge(calm[["run", "repeat"]], on=["run", "repeat"])
    cells = []
    for counter in (1, 2):
        seconds = times.loc[times["counter"] == counter, "seconds"]
        cells += [f"{seconds.min():.2f}", f"{seconds.median():.2f}"]
    cells += [f"{calm['makespan_s'].min():.2f}", f"{calm['makespan_s'].median():.2f}"]
    row = f"1 2 {calm['cores_used'].median():.2f} {' '.join(cells)}"
    assert row in text


@needs_poppler
def test_timeouts_and_failures_are_shown_as_such(machine_pdf):
    text = flat(" ".join(text_of(machine_pdf, "-layout")))
    assert "> 60 > 60" in text and "failed: RuntimeError: out of memory" in text


@needs_poppler
def test_both_reports_say_what_is_missing(results):
    """Runs that failed, and files that are no run records: how many, of each machine."""
    paths = ["results/synthetic-a/runs/x.json", "results/elsewhere/runs/y.json"]
    incomplete = replace(results, left_out=paths)
    status = results.runs["status"].value_counts()
    of_all, of_one = (
        findings_of(incomplete),
        contents.machine_report(incomplete, "synthetic-a", Path()),
    )
    for made, files in ((of_all, "2 files"), (of_one, "1 file")):
        page = flat(markup(made))
        assert f"{status['failed']} failed and {status.get('killed', 0)} were killed" in page
        assert f"Left out: {files}, named in left_out.csv with the reason." in page
    assert "Left out as no valid" not in markup(findings_of(results))


def test_every_page_says_that_the_model_is_a_dummy(findings_pdf, machine_pdf):
    for page in [*text_of(findings_pdf), *text_of(machine_pdf)]:
        assert DUMMY in flat(page)


def test_every_table_says_that_the_model_is_a_dummy(results, findings_html):
    tables_before = findings_html.split('<table class="data')
    with_evidence = [f for f in results.findings if f.evidence]
    assert findings_html.count(f'<p class="notice">{DUMMY}</p>') >= len(with_evidence)
    assert len(tables_before) > len(with_evidence)


def test_the_embedded_model_is_called_what_it_is(results):
    runs = results.runs.assign(model_kind="embedded")
    assert cells.notice(runs) == "small demonstration model"
    assert cells.notice(results.runs) == DUMMY
    assert cells.notice(results.runs.iloc[:0]) == ""


def test_the_same_results_give_the_same_bytes(results, machine_pdf, findings_html, folder):
    again = contents.machine_report(results, "synthetic-a", folder / "figures")
    assert report.to_pdf(again) == machine_pdf
    assert report.to_html(findings_of(results, folder / "figures")) == findings_html


def test_letters_without_a_font_are_noticed_and_named(results):
    from weasyprint import HTML

    with report._without_a_font() as letters:
        HTML(string="<p>a\U000f1234</p>").write_pdf()
    assert letters == {"\U000f1234"}  # for private use: no font has it
    said = report._boxes({*letters, "会"})
    assert said.startswith("2 letters stand as boxes") and "CJK" in said and "U+4F1A" in said
    made = contents.machine_report(results, "synthetic-a", Path("nowhere"))
    assert said in html.unescape(report.render(made, {}, "", "print", boxes=said))


@needs_poppler
def test_pdfs_are_sound_and_carry_no_date_and_their_fonts(findings_pdf, tmp_path):
    path = tmp_path / "findings.pdf"
    path.write_bytes(findings_pdf)
    facts = subprocess.run(["pdfinfo", path], capture_output=True, text=True, check=True)
    assert not facts.stderr and "CreationDate" not in facts.stdout
    assert "Title:           Parallel transcription: findings" in facts.stdout
    fonts = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in fonts.splitlines()[2:]]
    assert {row[0].split("+")[-1].split("-")[0] for row in rows} == {"Inter", "Fira"}
    assert all("yes yes yes" in " ".join(row) for row in rows)


@pytest.mark.thorough
def test_several_machines_stand_side_by_side(tmp_path):
    made = synthetic.make_tables(1, rounds=2, repeats=1, machines=2, configurations=FEW)
    both = finish(tmp_path, made)
    said = markup(findings_of(both))
    first_page = said.split('<section class="chapter')[0]
    for label in ("synthetic-a", "synthetic-b"):
        assert f"Recommended settings on {label}" in first_page
    assert first_page.count('<span class="badge') == 2 * sum(
        1 for f in both.findings if f.number and f.machine == "synthetic-a"
    )
    assert "The machines of this study" in said


# ---------------------------------------------------------------- safety

NASTY = [
    '<script>alert(1)</script><img src="file:///etc/passwd" onerror="x()">',
    "javascript:alert(1)",
    "</style><style>@import url(http://evil.example/x.css); body{display:none}</style>",
    '"><a href="javascript:alert(1)">x</a><iframe src="http://evil.example">',
    "y" * 10_000,
    "\x00\x07\x1b[31mred\u202egnitset\u200b",
    "שלום עולם مرحبا 你好",
    "{{7*7}} {% raw %} ${x} %s ]]> <!-- --> &lt;b&gt; \\",
    "=HYPERLINK(\"http://evil.example\")",
]  # fmt: skip


class Tags(html.parser.HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.seen: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """Results in which everything that a stranger can name is hostile."""
    made = synthetic.make_tables(
        3, rounds=2, repeats=1, init_starts=2,
        configurations=synthetic.default_configurations((1, 2), (1,), (2, 4)),
    )  # fmt: skip
    label = NASTY[3]
    for name in ("runs", "timings"):
        made[name].machine = label
        made[name]["model"] = NASTY[0]
    timings = made["timings"]
    for name, shift in (("file", 0), ("text", 2), ("reference", 4)):
        timings[name] = [NASTY[(int(c) + shift) % len(NASTY)] for c in timings["counter"]]
    timings["text"] = timings["text"] + NASTY[2] + NASTY[4]
    failed = made["runs"]["status"] == "failed"
    assert failed.any()
    made["runs"].loc[failed, "error"] = NASTY[2]
    facts = {"cpu_model": NASTY[0], "os": NASTY[5], "versions": {NASTY[1]: NASTY[7]}}
    facts |= {"gpus": [{NASTY[6]: NASTY[4]}], "engine": {NASTY[3]: NASTY[8]}}
    made["machines"] = {label: made["machines"]["synthetic-a"] | facts}
    made["study"] |= {"name": NASTY[2], "file": NASTY[3]}
    folder = tmp_path_factory.mktemp("nasty")
    found = finish(folder, made)
    hostile = {"notes": NASTY, "change": NASTY[3], "answer": f"{NASTY[0]} {NASTY[7]}"}
    hostile |= {"more_rounds": MoreRounds(3, NASTY[2]), "claim": NASTY[3], "in_short": NASTY[0]}
    found = replace(found, findings=[replace(f, **hostile) for f in found.findings])
    return found, label, folder


def hostile_board(found) -> list[scoreboard.Line]:
    return [
        replace(line, claim=NASTY[0], published=NASTY[2], ours_in_short=NASTY[3])
        for line in scoreboard.scoreboard(found.findings, read_published())
    ]


@pytest.fixture
def refused(monkeypatch):
    """Addresses that a report asked for and did not get."""
    asked: list[str] = []
    fetch = report.OnlySupplies.fetch

    def noting(self, url, headers=None):
        try:
            return fetch(self, url, headers)
        except report.Refused:
            asked.append(url)
            raise

    monkeypatch.setattr(report.OnlySupplies, "fetch", noting)
    return asked


def test_untrusted_text_stays_text_in_html(nasty):
    found, label, _ = nasty
    findings = findings_of(found, lines=hostile_board(found))
    for made in (findings, contents.machine_report(found, label, Path("nowhere"))):
        said = markup(made)
        tags = Tags(said).seen
        assert {t for t, _ in tags} <= {
            "html", "head", "meta", "title", "style", "body", "div", "section", "header", "p", "h1",
            "h2", "h3", "h4", "table", "colgroup", "col", "thead", "tbody", "tr", "th", "td", "br",
            "span", "b", "pre", "ul", "ol", "li", "article", "figure", "img", "figcaption", "main",
            "nav", "a", "details", "summary", "script",
        }  # fmt: skip
        assert sum(t == "style" for t, _ in tags) == 1
        ours = (report.TEMPLATES / "report.js").read_text()
        assert sum(t == "script" for t, _ in tags) == said.count(ours)
        for _, attributes in tags:
            assert not {"onerror", "onload", "srcset"} & set(attributes)
            assert attributes.get("href", "#").startswith("#")
            assert attributes.get("src", "data:").startswith("data:")
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in said
        assert "{{7*7}} {% raw %}" in said
        assert not re.search(r"[\x00-\x08\x0e-\x1f\u202e\u200b]", said)


def test_untrusted_text_makes_the_pdf_fetch_nothing(nasty, refused):
    found, label, _ = nasty
    made = report.to_pdf(contents.machine_report(found, label, Path("nowhere")))
    assert made.startswith(b"%PDF-") and refused == []
    assert b"/JavaScript" not in made and b"/URI" not in made and b"/Launch" not in made


@needs_poppler
def test_untrusted_text_is_readable_in_the_pdf(nasty, refused):
    found, _, _ = nasty
    first = flat(text_of(report.to_pdf(findings_of(found)))[0])
    assert refused == []
    assert "<script>alert(1)</script>" in first and "root:" not in first


def test_nothing_but_the_supplies_is_handed_out(tmp_path):
    secret = tmp_path / "secret.css"
    secret.write_text("body { color: red }")
    supplies = report.Supplies()
    mine = supplies.add("fonts/x.otf", b"font", "font/otf")
    fetcher = report.OnlySupplies(supplies)
    assert fetcher.fetch(mine).read() == b"font"
    for url in (
        secret.as_uri(), "file:///etc/passwd", "http://localhost/", "https://evil.example/x.png",
        "ftp://evil.example/", "data:text/plain,x", "report:", "report:fonts/../fonts/x.otf",
        "/etc/passwd", "report:fonts/x.otf?x", "REPORT:fonts/x.otf",
    ):  # fmt: skip
        with pytest.raises(report.Refused):
            fetcher.fetch(url)
        with pytest.raises(report.Refused):
            fetcher.open(url)


def test_a_document_that_asks_for_files_gets_none(refused):
    document = (
        '<img src="file:///etc/passwd"><link rel=stylesheet href="http://evil.example/x.css">'
    )
    HTML(string=document, url_fetcher=report.OnlySupplies(report.Supplies())).write_pdf()
    assert sorted(refused) == ["file:///etc/passwd", "http://evil.example/x.css"]


@pytest.fixture
def listener():
    """A server on this machine's loopback; how often somebody came to it."""
    came: list[tuple] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):  # closed
            while True:
                visitor, address = server.accept()
                came.append(address)
                visitor.close()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", came
    server.close()


def lures(address: str, secret: Path) -> list[str]:
    """Texts that ask for an address or a file in the ways that HTML, CSS and SVG know."""
    file = secret.as_uri()
    return [
        f'<img src="{address}/a"><img src="{file}"><object data="{file}"></object>',
        f"</style><style>@import url({address}/b); p {{ background: url({address}/c) }}</style>",
        f'"><link rel=stylesheet href={address}/d><link rel=attachment href="{file}">',
        f"<svg><image href='{address}/e'/><use href='{file}#x'/></svg><iframe src='{address}/f'>",
        f"]]><meta http-equiv=refresh content='0; {address}/g'><base href='{address}/h'>",
    ]


def luring_figures(address: str, secret: Path) -> list[str]:
    file = secret.as_uri()
    return [
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="100" height="100">{inner}<rect width="9" height="9"/></svg>'
        for inner in (
            f'<image href="{address}/image.png" width="9" height="9"/>',
            f'<image xlink:href="{file}" width="9" height="9"/>',
            f'<use href="{file}#x"/><use href="{address}/use#x"/>',
            f"<style>@import url({address}/import); rect {{ fill: url({address}/fill#x) }}</style>",
            f'<?xml-stylesheet href="{address}/sheet"?><foreignObject><img src="{file}"/>'
            "</foreignObject>",
        )
    ]


@pytest.mark.thorough
def test_the_pdf_of_hostile_results_reaches_neither_network_nor_files(
    nasty, listener, tmp_path, refused
):
    """A real socket and a real file; the same page without our fetcher does reach both."""
    found, label, _ = nasty
    address, came = listener
    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg"><text id="x">PLANTED</text></svg>')
    baits = lures(address, secret)
    texts = found.timings.assign(
        text=[baits[i % len(baits)] for i in range(len(found.timings))],
        file=baits[3],
        model=baits[2],
    )
    runs = found.runs.assign(error=baits[1], model=baits[2])
    lured = dataclasses.replace(found, runs=runs, timings=texts, study={"name": baits[4]})
    figures = []
    for number, text in enumerate(luring_figures(address, secret)):
        figures.append(tmp_path / f"{number}.svg")
        figures[-1].write_text(text)
    for made in (contents.machine_report(lured, label, tmp_path), findings_of(lured)):
        shown = dict(zip([(label, n) for n in FIGURES], cycle(figures), strict=False))
        pdf = report.to_pdf(replace(made, figures=shown))
        assert pdf.startswith(b"%PDF-") and b"PLANTED" not in pdf and b"/EmbeddedFile" not in pdf
        if shutil.which("pdftotext"):
            assert "PLANTED" not in "".join(text_of(pdf))
    assert came == []
    assert {f"{address}/image.png", secret.as_uri()} <= set(refused)
    HTML(string=baits[0]).write_pdf()  # the lures do lure: WeasyPrint's own fetcher follows them
    deadline = time.monotonic() + 5
    while not came and time.monotonic() < deadline:
        time.sleep(0.01)
    assert came


def test_a_figure_with_a_bomb_of_entities_ends_nothing(nasty, tmp_path):
    found, label, _ = nasty
    entities = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghij"))
    figure = tmp_path / "figure.svg"
    figure.write_text(
        f'<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY out SYSTEM "/etc/passwd">{entities}]>'
        '<svg xmlns="http://www.w3.org/2000/svg"><text>&j;&out;</text></svg>'
    )
    made = contents.machine_report(found, label, tmp_path)
    made = replace(made, figures={(label, "timeline"): figure})
    pdf = report.to_pdf(made)
    assert pdf.startswith(b"%PDF-") and len(pdf) < 5_000_000


def test_the_html_needs_no_other_file(findings_html):
    tags = Tags(findings_html).seen
    sources = [a["src"] for _, a in tags if "src" in a]
    assert sources and all(s.startswith("data:image/svg+xml;base64,") for s in sources)
    assert all(a.get("href", "#").startswith("#") for _, a in tags)
    for url in re.findall(r"url\(([^)]*)\)", findings_html):
        assert url.startswith("data:font/woff2;base64,")
    assert not re.search(r"https?://|file:|@import", findings_html)
    policy = next(a["content"] for t, a in tags if a.get("http-equiv"))
    script = re.search(r"<script>(.*)</script>", findings_html, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert policy.endswith(f"script-src 'sha256-{digest}'")  # that one, and no other
    assert len(findings_html) < 3_000_000


def test_no_report_names_the_user_the_host_or_a_folder(results, findings_html):
    machine = markup(contents.machine_report(results, "synthetic-a", Path("nowhere")))
    for said in (findings_html, machine):
        visible = re.sub(r"base64,[A-Za-z0-9+/=]+", "", said)
        for secret in (str(Path.home()) + "/", str(ROOT), socket.gethostname()):
            assert secret not in visible


# ---------------------------------------------------------------- whatever the results


def test_nothing_measured_gives_reports_that_say_so(tmp_path):
    nothing = synthetic.make_tables(1, configurations=[], init_starts=0, timeouts=False,
                                    failures=False)  # fmt: skip
    empty = synthetic.as_results(nothing | {"machines": {}})
    assert "There are no findings yet" in markup(findings_of(empty))
    assert report.to_pdf(contents.machine_report(empty, "none", tmp_path)).startswith(b"%PDF-")


def test_a_machine_on_which_all_failed_has_a_report(tmp_path):
    points = [synthetic.configuration("one_model", workers=w) for w in (1, 2)]
    made = synthetic.make_tables(
        1, configurations=points, rounds=1, repeats=1, init_starts=0, timeouts=False, failures=False
    )
    made["runs"]["status"], made["runs"]["error"] = "killed", "out of memory"
    made["runs"]["makespan_s"] = np.nan
    made["timings"] = made["timings"].iloc[:0]
    found = finish(tmp_path, made)
    said = markup(contents.machine_report(found, "synthetic-a", tmp_path))
    assert said.count("killed: out of memory") == 2
    assert "not measured" in markup(findings_of(found))


def test_a_machine_that_is_not_there_is_named(folder, results, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    command = "write_report.py machine --machine elsewhere --results . --figures . --out x.pdf"
    monkeypatch.setattr(sys, "argv", command.split())
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "scripts" / "write_report.py"), run_name="__main__")
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert "'elsewhere'" in said and "synthetic-a" in said and said.count("\n") == 1
    assert not (folder / "x.pdf").exists()


def test_the_script_writes_the_html(folder, results, tmp_path):
    command = [sys.executable, ROOT / "scripts/write_report.py", "findings", "--results", folder]
    out = tmp_path / "new/findings.html"
    command += ["--figures", folder / "figures", "--out-html", out]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(out)] and not done.stderr
    assert out.read_text().startswith("<!DOCTYPE html>")


# ---------------------------------------------------------------- tables


def test_labels_and_devices_stay_text(tmp_path):
    made = synthetic.make_tables(
        1, configurations=[synthetic.configuration("one_model")], rounds=1, repeats=1,
        init_starts=0, timeouts=False, failures=False,
    )  # fmt: skip
    for name in ("runs", "timings"):
        made[name].machine = "007"
    made["timings"]["file"] = "nan"
    synthetic.write_tables(made | {"machines": {}}, tmp_path)
    found = read_results(tmp_path)
    assert found.labels == ["007"] and set(found.timings["file"]) == {"nan"}
    assert set(found.runs["device_index"]) == {"0"}
    assert found.runs["disturbed"].dtype == bool


def rows(**columns) -> pd.DataFrame:
    count = len(columns["makespan_s"])
    empty = {"text": "", "flag": False}
    filled = {c.name: [empty.get(c.kind, 0.0)] * count for c in RUNS}
    filled |= {"status": ["ok"] * count, "timeout_s": [60.0] * count, "round": [1] * count}
    filled |= {"audio_total_s": [120.0] * count, "replica": [1] * count}
    return runs_table(pd.DataFrame(filled | columns))


def test_statuses_in_words():
    table = rows(
        makespan_s=[1.0, math.nan, math.nan],
        status=["ok", "timeout", "failed"],
        error=["", "over 60 s", "RuntimeError:\nno memory"],
    )
    assert tables.status_text(table) == "1 of 3 > 60 s; 1 of 3 failed: RuntimeError: no memory"
    assert tables.status_text(table[table["status"] == "timeout"]) == "> 60 s"
    assert tables.status_text(table[table["status"] == "ok"]) == "ok"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", 3.0, "3"),
        ("decimals", 1.2345, "1.23"),
        ("digits", 1316.4, "1\u202f316"),
        ("seconds", 100.04, "100.0"),
        ("percent", 0.125, "12.5 %"),
        ("as_written", 0.5, "0.5"),
        ("threads", 0, "auto"),
        ("p_value", 0.0004, "< 0.001"),
        ("interval", 1.5, "1.50 (1.40 to 1.60)"),
        ("text", "a_faster", "one model faster; of 2"),
        ("strategy", "multi_model", "many models"),
        ("mark", True, "yes"),
        ("mark", False, ""),
        ("integer", None, "\u2013"),
    ],
)
def test_each_kind_of_column_has_its_form(kind, value, expected):
    said = {"a_faster": "one model faster"}
    column = Column("x", "x", Kind(kind), low="low", high="high", more="more", words=said)
    row = {"x": value, "low": 1.4, "high": 1.6, "more": "of 2"}
    assert evidence.shown(row, column) == expected


def test_every_kind_of_column_can_be_shown():
    assert set(evidence.NUMBERS) | set(evidence.OTHERS) == set(Kind)


# ---------------------------------------------------------------- small pieces


def test_an_effect_is_its_parts():
    effect = Effect("speed", 1.003, 0.991, 1.017, "×", 0.95)
    assert cells.effect_parts(effect) == {"value": "1.003\u202f×", "interval": "0.991 to 1.017"}
    assert cells.effect_text(effect) == "1.003\u202f× (0.991 to 1.017)"
    assert cells.effect_text(Effect("speed", 5, None, None, "×", 0.95)) == "5\u202f×"
    assert cells.effect_text(None) == NOTHING


@pytest.mark.thorough
def test_unlike_nodes_under_one_label_are_told_in_both_reports(tmp_path):
    made = synthetic.make_tables(2, rounds=2, repeats=1, configurations=FEW)
    (label,) = made["machines"]
    plain = finish(tmp_path / "plain", made)
    made["machines"][label]["mixed_hardware"] = True
    mixed = finish(tmp_path / "mixed", made)
    for text, write in (
        ("more than one kind of hardware", lambda r: contents.machine_report(r, label, tmp_path)),
        ("more than one kind of machine", findings_of),
    ):
        assert text in flat(markup(write(mixed)))
        assert text not in flat(markup(write(plain)))


def test_a_kernel_that_saturates_is_told_beside_word_error_rates_in_int8(tmp_path):
    made = synthetic.make_tables(2, rounds=2, repeats=1, references=True, configurations=FEW)
    (label,) = made["machines"]
    remark = "int8 products saturate on this CPU"
    said = {}
    for exact in (True, False):
        kernel = {"backend": "DNNL", "isa": "AVX2", "vnni": exact, "saturates": not exact}
        made["machines"][label]["int8_kernels"] = [kernel]
        for compute_type in ("int8", "float32"):
            made["timings"]["compute_type"] = compute_type
            results = finish(tmp_path / f"{exact}-{compute_type}", made)
            written = flat(markup(contents.machine_report(results, label, tmp_path)))
            said[exact, compute_type] = remark in written
            assert ("AVX2 without VNNI, sums saturate in 16 bits" in written) is not exact
    assert [key for key, there in said.items() if there] == [(False, "int8")]


@pytest.mark.thorough
def test_passes_of_dummy_weights_that_lost_their_text_are_told(tmp_path):
    made = synthetic.make_tables(2, rounds=2, repeats=1, configurations=FEW)
    warning = "dummy weights did not give their planted text"
    assert warning not in flat(markup(findings_of(finish(tmp_path / "kept", made))))
    made["runs"]["walk_lost"] = [True, True, *[False] * (len(made["runs"]) - 2)]
    lost = flat(markup(findings_of(finish(tmp_path / "lost", made))))
    assert f"In 2 repeats, {warning}" in lost
