"""Guards the report on a screen, in headless Chromium: nothing overflows, links lead, tables sort.

Skipped where there is no Chromium (Debian: chromium).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import synthetic_study as synthetic
from project import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (apt-get install chromium)"),
]


class Page:
    """A page in a browser, spoken to by the DevTools protocol."""

    def __init__(self, socket: Any):
        self._socket, self._number = socket, 0
        self.complaints: list[str] = []

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv(timeout=120))
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]
            self._listen(told)

    def _listen(self, told: dict[str, Any]) -> None:
        if told["method"] == "Log.entryAdded":
            self.complaints.append(told["params"]["entry"]["text"])
        elif told["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(told["params"]["exceptionDetails"]))

    def value(self, script: str) -> Any:
        """What a script gives, or what its promise does."""
        told = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def size(self, width: int) -> None:
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900,
                 deviceScaleFactor=1, mobile=False)  # fmt: skip


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> Path:
    """The findings of a study with all there is, as a file."""
    folder = tmp_path_factory.mktemp("browser")
    results = folder / "results"
    synthetic.write_tables(synthetic.make_tables(1, rounds=4), results)
    found = ["--findings", results / "findings.json", "--scoreboard", results / "scoreboard.json"]
    run("judge_findings", results, *found)
    run("recommend_settings", results, "--out", results / "recommended.yaml")
    (results / "sizing.yaml").write_text("[]\n")
    out = folder / "findings.html"
    run("write_report", results, "--figures", folder / "none", "--out-html", out, first="findings")
    return out


def run(script: str, results: Path, *more: Any, first: str = "") -> None:
    command = [sys.executable, ROOT / "scripts" / f"{script}.py", *filter(None, [first])]
    subprocess.run([*command, "--results", results, *more], check=True, capture_output=True)


@pytest.fixture(scope="module")
def page(html, tmp_path_factory) -> Iterator[Page]:
    from websockets.sync.client import connect

    profile = tmp_path_factory.mktemp("profile")
    browser = subprocess.Popen(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
         f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = profile / "DevToolsActivePort"
        until = time.monotonic() + 30
        while not (port.exists() and port.read_text().count("\n")):
            assert time.monotonic() < until and browser.poll() is None
            time.sleep(0.05)
        number, path = port.read_text().split("\n")[:2]
        with connect(f"ws://127.0.0.1:{number}{path}", max_size=None, proxy=None) as socket:
            target = Page(socket).ask("Target.createTarget", url="about:blank")["targetId"]
        address = f"ws://127.0.0.1:{number}/devtools/page/{target}"
        with connect(address, max_size=None, proxy=None) as socket:
            page = Page(socket)
            for domain in ("Log", "Runtime", "Page"):
                page.ask(f"{domain}.enable")
            page.ask("Page.navigate", url=html.as_uri())
            while page.value("document.readyState") != "complete":
                time.sleep(0.05)
            yield page
    finally:
        browser.kill()
        browser.wait()


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows(page, width, scheme):
    page.size(width)
    page.ask("Emulation.setEmulatedMedia",
             features=[{"name": "prefers-color-scheme", "value": scheme}])  # fmt: skip
    assert page.value("document.documentElement.scrollWidth") <= width
    assert page.complaints == []


def axe() -> Path | None:
    """axe-core, from a package that ships it."""
    for package in ("axe_core_python", "axe_playwright_python"):
        if (found := find_spec(package)) and found.origin:
            return Path(found.origin).with_name("axe.min.js")
    return None


@pytest.mark.skipif(axe() is None, reason="no axe-core (pip install axe-core-python)")
def test_axe_finds_no_fault(page):
    """On a narrow screen, where tables scroll; contrast has a test of its own, in both schemes."""
    page.size(390)
    page.value(f"{axe().read_text(encoding='utf-8')};0")
    faults = page.value("""axe.run(document, {rules: {'color-contrast': {enabled: false}}})
      .then(told => told.violations.flatMap(fault => fault.nodes.map(
        node => `${fault.impact} ${fault.id}: ${node.target.join(' ')}`)))""")
    assert faults == []
    assert page.value("axe.run('nav').then(told => told.passes.length)") > 5
    page.complaints.clear()


def test_every_link_leads_somewhere_and_every_answer_has_one(page):
    links = page.value("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert all(link.startswith("#") for link in links) and len(links) > 30
    lost = page.value(
        "[...document.querySelectorAll('a')].map(a => a.hash.slice(1))"
        ".filter(id => !document.getElementById(id))"
    )
    assert lost == []
    assert page.value("document.querySelectorAll('table.answers a').length") > 12
    twice = page.value(
        "[...document.querySelectorAll('[id]')].map(e => e.id)"
        ".filter((id, k, all) => all.indexOf(id) != k)"
    )
    assert twice == []


def test_tables_sort_by_what_their_cells_say(page):
    sort = """(() => {
      const table = [...document.querySelectorAll('table.data')].find(t =>
        t.tBodies[0].rows.length > 6 && t.querySelectorAll('th.number button.sort').length);
      const button = table.querySelector('th.number button.sort');
      const place = button.closest('th').cellIndex;
      const rows = table.tBodies[0].rows;
      const read = () => [...rows].map(r => parseFloat(r.cells[place].textContent));
      button.click(); const up = read();
      button.click(); const down = read();
      return {up, down, sort: button.closest('th').getAttribute('aria-sort')};
    })()"""
    told = page.value(sort)
    up = [one for one in told["up"] if one is not None]
    down = [one for one in told["down"] if one is not None]
    assert up == sorted(up) and down == sorted(up, reverse=True)
    assert told["sort"] == "descending"


def test_what_is_to_be_pasted_has_a_button_and_tables_fold(page):
    codes, buttons = page.value(
        "[document.querySelectorAll('pre').length, document.querySelectorAll('button.copy').length]"
    )
    assert codes == buttons > 0
    assert page.value("document.querySelectorAll('details summary').length") > 3
    assert page.complaints == []


def test_no_other_script_may_run(page):
    page.value("""(() => { const s = document.createElement('script');
      s.textContent = 'window.intruder = 1'; document.body.append(s); })()""")
    assert page.value("window.intruder === undefined")
    page.complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_its_ground(page, scheme):
    """Contrast of at least 4.5 (WCAG 2.2, 1.4.3), for all text on plain grounds."""
    page.ask("Emulation.setEmulatedMedia",
             features=[{"name": "prefers-color-scheme", "value": scheme}])  # fmt: skip
    bad = page.value("""(() => {
      const rgb = text => text.match(/[\\d.]+/g).map(Number);
      const light = c => { const [r, g, b] = c.map(v => { v /= 255;
        return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = e => { for (; e; e = e.parentElement) {
        const c = rgb(getComputedStyle(e).backgroundColor);
        if (c[3] !== 0) return c.slice(0, 3); }
        return [255, 255, 255]; };
      const found = new Set();
      for (const e of document.querySelectorAll('main *, nav *')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
        const [a, b] = [rgb(getComputedStyle(e).color).slice(0, 3), ground(e)].map(light);
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) found.add(`${e.tagName}.${e.className} ${contrast.toFixed(1)}`);
      }
      return [...found];
    })()""")
    assert bad == []
