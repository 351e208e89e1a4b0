"""Guards the pages: each is in the navigation of the site, and each link between them leads on."""

import re
import runpy

import yaml

from project import ROOT

LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(text: str) -> set[str]:
    """What headings are linked by, as GitHub and MkDocs make it of words without markup."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    plain = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings]
    return {re.sub(r"\s+", "-", heading) for heading in plain}


def pages_of(navigation: list) -> list[str]:
    found = []
    for entry in navigation:
        for where in entry.values():
            found += pages_of(where) if isinstance(where, list) else [where]
    return found


def test_every_page_is_in_the_navigation_and_every_link_leads_somewhere(tmp_path):
    laid_out = runpy.run_path(str(ROOT / "docs" / "make_site.py"))["lay_out"](tmp_path)
    pages = {str(one) for one in laid_out if one.suffix == ".md"}
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert sorted(pages_of(settings["nav"])) == sorted(pages)
    links = 0
    for page in pages:
        file = tmp_path / page
        for target, anchor in LINK.findall(file.read_text(encoding="utf-8")):
            other = (file.parent / target).resolve() if target else file
            assert other.exists(), f"{page} links to {target}, which is not laid out"
            if anchor:
                assert anchor in anchors(other.read_text(encoding="utf-8")), f"{page}: #{anchor}"
            links += 1
    assert links > 30
