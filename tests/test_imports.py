"""Every package that the code imports is declared, also in the environment of its rule."""

import ast
import re
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from locks import direct, normal
from parallel_transcription.fingerprint import imported_files
from project import ROOT

LIBRARY = "parallel_transcription"
OURS = ("scripts", "audio", "benchmarks", "tests", "docs", "training")
SOURCES = ("measure", "report", "workflow", "cuda", "build")
#: Names that conda gives to packages of the index.
OF_CONDA = {"matplotlib-base": "matplotlib"}


def imports_of(file: Path, nodes: Callable = ast.walk) -> set[str]:
    """Full names of what a Python file imports, in functions as well unless `nodes` skips them."""
    found = set()
    for node in nodes(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def distributions(modules: Iterable[str]) -> set[str]:
    """The packages of an index that modules come from; neither Python's own nor ours."""
    known = metadata.packages_distributions()
    ours = {LIBRARY, *(path.stem for name in OURS for path in (ROOT / name).rglob("*.py"))}
    tops = {name.split(".")[0] for name in modules} - ours - set(OURS) - sys.stdlib_module_names
    return {normal(known[top][0]) if top in known else top for top in tops}


def needed_by(script: Path, nodes: Callable = ast.walk) -> set[str]:
    """The packages that a script needs, itself or through the library."""
    files = [path for path in imported_files([script]) if path.suffix == ".py"]
    return distributions(set().union(*(imports_of(file, nodes) for file in files)))


def rules() -> list[tuple[str, str, str]]:
    """Each rule with its conda environment and the script that it runs."""
    found = []
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for name, body in re.findall(
            r"^(?:rule|checkpoint) (\w+):\n((?:    .*\n|\n)+)", file.read_text(), re.M
        ):
            environment = re.search(r'conda:\s+(?:"../envs/(\w+)\.yaml"|MEASURE_ENV)', body)
            for script in sorted(set(re.findall(r"scripts/(\w+)\.py", body))):
                found.append((name, environment[1] or "measure", script))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "environment", "script"), rules())
def test_a_rules_environment_has_what_its_script_imports(rule, environment, script):
    content = yaml.safe_load((ROOT / "envs" / f"{environment}.yaml").read_text(encoding="utf-8"))
    pins = set()
    for entry in content["dependencies"]:
        for line in entry["pip"] if isinstance(entry, dict) else [entry]:
            name = re.match(r"[\w.-]+", line)[0]
            pins.add(normal(OF_CONDA.get(name, name)))
    file = ROOT / "scripts" / f"{script}.py"
    assert needed_by(file, ast.iter_child_nodes) <= pins, "imported when the script starts"
    # functions that this step never calls may import what other steps have
    other = {name for source in SOURCES if source != environment for name in direct(source)}
    assert needed_by(file) <= pins | other - {name for name in direct(environment)}


def test_every_rule_that_runs_a_script_is_looked_at():
    assert len({rule for rule, *_ in rules()}) >= 9


def test_the_requirements_name_every_package_that_is_imported():
    files = [
        path for name in ("scripts", "audio", "benchmarks") for path in (ROOT / name).rglob("*.py")
    ]
    imported = distributions(set().union(*map(imports_of, files)))
    declared = {name for source in (*SOURCES, "benchmark") for name in direct(source)}
    assert imported - declared == set()


def test_tests_and_tools_need_only_what_is_locked_for_them():
    files = [path for name in ("tests", "docs") for path in (ROOT / name).rglob("*.py")]
    declared = {name for source in (*SOURCES, "test") for name in direct(source)}
    assert distributions(set().union(*map(imports_of, files))) - declared == set()
