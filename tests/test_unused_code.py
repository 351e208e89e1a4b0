"""Nothing is defined that nobody uses: tests do not count as users, rules and templates do."""

import re

import pytest
from vulture import Vulture

from parallel_transcription.findings.questions import QUESTIONS
from project import ROOT

FOLDERS = ("scripts", "audio", "benchmarks", "docs")
#: Used where this test does not look.
USED_ELSEWHERE = {
    "fetch": "by WeasyPrint, for every address",
    "do_GET": "by http.server, for each request",
    "do_HEAD": "by http.server, for each request",
    "log_message": "by http.server, to log each request",
    "check_active_jobs": "by Snakemake, to look after jobs on Slurm",
    "get_account_arg": "by its Slurm plugin, for each job",
    "imported_files": "by tests: which files a script's fingerprint covers",
}
#: Kinds that are looked at; fields of a class may be read by name, attributes by other libraries.
KINDS = ("class", "function", "import", "method", "property", "unreachable_code")


#: What they are put on is registered, and used by its name.
REGISTERING = ["@figure", "@says_of"]


@pytest.mark.slow
def test_everything_that_is_defined_is_used():
    vulture = Vulture(ignore_decorators=REGISTERING)
    vulture.scavenge([str(ROOT / folder) for folder in FOLDERS])
    others = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    others += [*(ROOT / "scripts").rglob("*.html"), *(ROOT / "profiles").rglob("*.yaml")]
    asked = {type(question).__name__ for question in QUESTIONS}  # they register themselves
    words = set(re.findall(r"\w+", " ".join(path.read_text(encoding="utf-8") for path in others)))
    unused = {
        f"{item.filename.relative_to(ROOT)}:{item.first_lineno} {item.name}"
        for item in vulture.get_unused_code(min_confidence=60)
        if item.typ in KINDS and item.name not in words | asked | USED_ELSEWHERE.keys()
    }
    assert unused == set()
