"""Lay the results out as pages: HTML from templates, PDF from the HTML. Nothing is computed here.

Safety: the templates escape every value; WeasyPrint gets only what this module hands it (fonts and
figures, under `report:`) and refuses every other address.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import logging
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from weasyprint import HTML
from weasyprint.document import Document
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from parallel_transcription.places import FONTS
from parallel_transcription.report.contents import Report
from parallel_transcription.report.figures.names import Caption
from parallel_transcription.untrusted import clean
from parallel_transcription.words import plural

TEMPLATES = Path(__file__).with_name("templates")

#: Family, style, weight and file of the fonts of a page.
FACES = (
    ("Inter", "normal", 400, "Inter-Regular.otf"),
    ("Inter", "italic", 400, "Inter-Italic.otf"),
    ("Inter", "normal", 600, "Inter-SemiBold.otf"),
    ("Fira Code", "normal", 400, "FiraCode-Regular.ttf"),
)
SCHEME = "report:"
NO_CAPTION = Caption("", "")

logger = logging.getLogger(__name__)


class Refused(ValueError):
    """The report asked for something that it does not bring along."""


@dataclass
class Supplies:
    """The files a report may use, by address. WeasyPrint can reach nothing else."""

    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def add(self, name: str, content: bytes, kind: str) -> str:
        """Put in a file of a media type (`kind`); returns the address to use it by."""
        self.files[SCHEME + name] = (content, kind)
        return SCHEME + name


class OnlySupplies(URLFetcher):
    """Hands out the supplies of a report and refuses all other addresses, whatever their scheme."""

    def __init__(self, supplies: Supplies):
        super().__init__(timeout=1, allowed_protocols=(), allow_redirects=False)
        self._supplies = supplies

    def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
        """The file of an address.

        Raises:
            Refused: It is not among the supplies.
        """
        found = self._supplies.files.get(url)
        if found is None:
            raise Refused(f"refused to fetch {clean(url, 80)!r}: not a part of this report")
        content, kind = found
        return URLFetcherResponse(url, content, {"Content-Type": kind})


# ---------------------------------------------------------------- rendering


def environment() -> jinja2.Environment:
    """Templates that escape every value and refuse undefined ones."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def to_html(report: Report) -> str:
    """One file that needs no other: styles, fonts (only their used letters) and figures inside."""
    sources = {
        key: "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
        for key, path in report.figures.items()
    }
    without_fonts = render(report, sources, "", "screen")
    letters = "".join(sorted(set(without_fonts)))
    faces = []
    for family, style, weight, name in FACES:
        data = base64.b64encode(_subset(FONTS / name, letters)).decode()
        faces.append(_face(family, style, weight, f"data:font/woff2;base64,{data}"))
    return render(report, sources, "\n".join(faces), "screen")


def to_pdf(report: Report) -> bytes:
    """The pages, with a line on letters for which there is no font. Equal reports: equal bytes."""
    with _without_a_font() as letters:
        pages = _pages(report, "")
    return _pages(report, _boxes(letters)) if letters else pages


@contextlib.contextmanager
def _without_a_font() -> Iterator[set[str]]:
    """Collect the letters that WeasyPrint draws as boxes, of which it tells in its log alone."""
    letters: set[str] = set()
    log = logging.getLogger("weasyprint")
    level = log.getEffectiveLevel()

    def collect(record: logging.LogRecord) -> bool:
        if str(record.msg).startswith(".notdef") and isinstance(record.args, tuple):
            letters.add(str(record.args[0]))
            return False
        return record.levelno >= level

    log.addFilter(collect)
    log.setLevel(logging.WARNING)
    try:
        yield letters
    finally:
        log.removeFilter(collect)
        log.setLevel(level)


def _boxes(letters: Collection[str]) -> str:
    """What to say of letters without a font: how many, of which scripts, and what to install."""
    scripts = {
        "signs and emoji"
        if unicodedata.category(letter).startswith("S")
        else unicodedata.name(letter, "unknown").split()[0]
        for letter in letters
    }
    codes = ", ".join(f"U+{ord(letter):04X}" for letter in sorted(letters)[:5])
    return (
        f"{plural(len(letters), 'letter')} stand as boxes on these pages, since no font of the "
        f"machine that made them has them ({', '.join(sorted(scripts)[:5])}; {codes}). Install one "
        "there, for instance the packages fonts-noto-cjk and fonts-noto-color-emoji; the HTML "
        "report takes the fonts of whoever reads it."
    )


def _pages(report: Report, boxes: str) -> bytes:
    supplies = Supplies()
    sources = {}
    for number, (key, path) in enumerate(sorted(report.figures.items())):
        sources[key] = supplies.add(f"figures/{number}.svg", path.read_bytes(), "image/svg+xml")
    faces = []
    for family, style, weight, name in FACES:
        kind = "font/otf" if name.endswith(".otf") else "font/ttf"
        url = supplies.add(f"fonts/{name}", (FONTS / name).read_bytes(), kind)
        faces.append(_face(family, style, weight, url))
    fetcher, style = OnlySupplies(supplies), "\n".join(faces)

    def document(**more: Any) -> Document:
        html = render(report, sources, style, "print", boxes=boxes, **more)
        page = HTML(string=html, url_fetcher=fetcher, base_url=None)
        return page.render(font_config=FontConfiguration())

    if report.template != "findings.html":
        return _bytes(document())
    # the first page is one page: without its figure where that does not fit
    fits = len(document(only_first=True).pages) <= 1
    return _bytes(document(figure_on_first=fits))


def _bytes(document: Document) -> bytes:
    pdf: bytes = document.write_pdf(pdf_tags=True)
    return pdf


def render(
    report: Report,
    sources: dict[tuple[str, str], str],
    faces: str,
    media: str,
    figure_on_first: bool = True,
    only_first: bool = False,
    boxes: str = "",
) -> str:
    """The HTML of a report.

    Args:
        report: What to lay out.
        sources: Addresses of the figures, by machine and id.
        faces: CSS that names the fonts.
        media: `screen` or `print`.
        figure_on_first: The first page has its figure.
        only_first: Nothing but the first page.
        boxes: What to say of letters without a font.
    """

    def figure(machine: str, name: str) -> dict[str, str] | None:
        source = sources.get((machine, name))
        if source is None:
            return None
        caption = report.captions.get(name, NO_CAPTION)
        return {"source": source, "title": caption.title, "caption": caption.caption}

    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    template = environment().get_template(report.template)
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # the style sheet and the script are ours; Markup tells the template so
    text: str = template.render(
        **report.content,
        style=Markup(faces + "\n" + style),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        figure=figure,
        media=media,
        figure_on_first=figure_on_first,
        only_first=only_first,
        boxes=boxes,
    )
    return text


def _face(family: str, style: str, weight: int, url: str) -> str:
    return (
        f"@font-face {{ font-family: '{family}'; font-style: {style}; font-weight: {weight}; "
        f"src: url({url}); }}"
    )


@lru_cache(maxsize=16)
def _subset(path: Path, letters: str) -> bytes:
    """The font with only these letters, as WOFF2."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options()
    options.flavor = "woff2"
    options.layout_features = ["kern", "liga", "tnum", "calt", "case", "mark", "mkmk", "ccmp"]
    options.notdef_outline = True
    font = TTFont(path, recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(text=letters)
    cutter.subset(font)
    font.flavor = "woff2"
    out = io.BytesIO()
    font.save(out)
    return out.getvalue()
