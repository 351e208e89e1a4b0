"""Nothing is defined that nobody uses: tests do not count as users, rules and templates do."""

import re

from vulture import Vulture

from project import ROOT

FOLDERS = ("scripts", "audio", "benchmarks", "docs")
#: Used where this test does not look.
USED_ELSEWHERE = {
    "fetch": "by WeasyPrint, for every address",
    "headers": "an argument of it",
    "last_end_s": "written into the record with all fields of its class",
    "p_not_below": "by nobody, but the p-values of one comparison come in pairs",
    "imported_files": "by tests: which files a script's fingerprint covers",
}
#: Attributes of other libraries' objects, which are set and read there.
OF_OTHERS = (
    *("alignment_heads", "encodings", "lang_ids", "scale_embeddings"),  # CTranslate2's model
    *("suppress_ids", "suppress_ids_begin"),
    *("flavor", "layout_features", "notdef_outline"),  # fontTools' options
)


def test_everything_that_is_defined_is_used():
    vulture = Vulture()
    vulture.scavenge([str(ROOT / folder) for folder in FOLDERS])
    others = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    others += (ROOT / "scripts").rglob("*.html")
    words = set(re.findall(r"\w+", " ".join(path.read_text(encoding="utf-8") for path in others)))
    unused = {
        f"{item.filename.relative_to(ROOT)}:{item.first_lineno} {item.name}"
        for item in vulture.get_unused_code(min_confidence=60)
        if item.name not in words | USED_ELSEWHERE.keys() | set(OF_OTHERS)
    }
    assert unused == set()
