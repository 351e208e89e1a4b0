"""make does what it says, in environments as unkind as those that one meets."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from locks import LOCKS, REQUIREMENTS
from project import ROOT

REPORT = "results/reports/findings.pdf"


def from_users_shell() -> dict[str, str]:
    """The environment without that of the virtual environment, pytest and make that run this."""
    ours = ("MAKE", "MFLAGS", "STUDY", "TESTS", "VIRTUAL_ENV", "PYTEST", "SNAKEMAKE", "PYTHON")
    environment = {name: v for name, v in os.environ.items() if not name.startswith(ours)}
    here = str(Path(sys.prefix) / "bin")
    path = [part for part in environment["PATH"].split(os.pathsep) if part != here]
    return {**environment, "PATH": os.pathsep.join(path)}


def make(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=tree,
        env=from_users_shell() | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def new_tree(folder: Path) -> Path:
    """A copy of what set-up needs, locked to nothing, under a name that needs quotes."""
    tree = folder / "a tree & its study"
    (tree / "scripts").mkdir(parents=True)
    shutil.copytree(REQUIREMENTS, tree / "requirements")
    shutil.copy(ROOT / "Makefile", tree)
    (tree / "scripts" / "check_system.py").write_text("print('libraries are checked')\n")
    (tree / "scripts" / "list_configurations.py").write_text(
        "import sys; sys.exit('error: bad.yaml: bad' if 'bad.yaml' in sys.argv else 0)\n"
    )
    for lock in LOCKS:
        (tree / "requirements" / f"{lock}.txt").write_text("# nothing\n")
    return tree


def pretend_snakemake(tree: Path, script: str) -> None:
    program = tree / ".venv" / "bin" / "snakemake"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


HOSTILE = MappingProxyType(
    {
        "PYTHONPATH": "/nowhere",
        "PYTHONHOME": "/nowhere",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONOPTIMIZE": "2",
        "PYTHONWARNINGS": "error",
        "PIP_USER": "1",
        "PIP_TARGET": "elsewhere",
        "PIP_REQUIRE_VIRTUALENV": "1",
    }
)
# An index that cannot be reached: what is set up must not be touched again.
OFFLINE = MappingProxyType(
    {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
    }
)


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
class TestPlans:
    def test_default_is_the_main_job(self):
        plan = make(ROOT, "-n")
        assert plan.returncode == 0, plan.stderr
        lines = plan.stdout.splitlines()
        assert ". .venv/bin/activate && snakemake --cores all" in plan.stdout
        assert lines[-1] == f"echo {REPORT}"
        assert "python scripts/remove_stale_lock.py" in plan.stdout, "a killed study can go on"
        assert any("set_up.sh .venv lock" in line for line in lines)

    def test_study_can_be_chosen(self):
        plan = make(ROOT, "-n", "STUDY=config/cpu.yaml").stdout
        assert 'snakemake --cores all --configfile "config/cpu.yaml"' in plan

    def test_tests_lint_and_check_run_everything(self):
        command = "pytest --numprocesses 3 --dist worksteal"
        for target, ends in (("test", f'{command} -m "not thorough"'), ("test-all", command)):
            plan = make(ROOT, "-n", target).stdout
            assert plan.splitlines()[-1].strip().endswith(ends)
        lint = make(ROOT, "-n", "lint").stdout
        for tool in (
            "ruff check .",
            "ruff format --check .",
            "snakefmt --check",
            "snakemake --quiet --lint",
            "lint-imports",
            "mypy",
        ):
            assert tool in lint
        check = make(ROOT, "-n", "check").stdout
        assert check.startswith(lint)
        assert '-m "not slow and not slurm and not alone and not thorough"' in check.removeprefix(
            lint
        )

    def test_help_lists_every_target(self):
        targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
        listed = [line.split()[0] for line in make(ROOT, "help").stdout.splitlines()]
        assert listed == [target for target in targets if target != "libraries"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Set up, in an environment as unkind as those that one meets."""
    tree = new_tree(tmp_path_factory.mktemp("set-up"))
    done = make(tree, "setup", **HOSTILE)
    assert done.returncode == 0, done.stderr
    assert "Making .venv with Python 3." in done.stdout
    assert "libraries are checked" in done.stdout
    return tree


@needs_make
@pytest.mark.slow
class TestSetUp:
    def test_main_job_runs_in_the_environment_and_ends_with_the_path(self, tree):
        seen = "$VIRTUAL_ENV|$(command -v python)|$*|${PYTHONPATH-none}"
        pretend_snakemake(tree, f'mkdir -p results/reports && echo "{seen}" > {REPORT}')
        done = make(tree, **HOSTILE)
        assert done.returncode == 0, done.stderr
        assert "Making" not in done.stdout
        assert "Installing" not in done.stdout
        assert done.stdout.splitlines()[-1] == REPORT
        venv = tree / ".venv"
        assert (tree / REPORT).read_text().strip() == f"{venv}|{venv}/bin/python|--cores all|none"
        shutil.rmtree(tree / "results")

    def test_failed_study_fails_make(self, tree):
        pretend_snakemake(tree, "exit 3")
        done = make(tree)
        assert done.returncode != 0
        assert REPORT not in done.stdout
        pretend_snakemake(tree, "exit 0")  # says it is done, but there is no report
        done = make(tree)
        assert done.returncode != 0
        assert f"{REPORT} was not made" in done.stderr

    def test_a_bad_study_ends_make_before_snakemake_reads_it(self, tree):
        """Snakemake runs the code of a study that is a template; our own reader refuses it."""
        pretend_snakemake(tree, "touch was-started; exit 0")
        done = make(tree, "STUDY=bad.yaml")
        assert done.returncode != 0
        assert "error: bad.yaml: bad" in done.stderr
        assert not (tree / "was-started").exists()

    def test_second_set_up_touches_nothing(self, tree):
        os.utime(tree / "requirements" / "lock.txt")  # as a checkout does
        done = make(tree, "setup", **OFFLINE)
        assert (done.returncode, done.stdout) == (0, "libraries are checked\n")

    def test_changed_lock_is_installed_and_failure_is_not_forgotten(self, tree):
        lock = tree / "requirements" / "lock.txt"
        before = lock.read_text()
        lock.write_text(f"no-such-package-at-all==1.0 --hash=sha256:{'0' * 64}\n")
        for _ in range(2):
            done = make(tree, "setup", **OFFLINE)
            assert done.returncode != 0
            assert "Installing 1 packages" in done.stdout
            assert "no-such-package-at-all" in done.stderr
            assert "The packages could not be installed" in done.stderr
        lock.write_text(before)
        assert "Installing" not in make(tree, "setup", **OFFLINE).stdout

    def test_copied_tree_gets_an_environment_of_its_own(self, tree, tmp_path):
        copy = shutil.copytree(tree, tmp_path / "copy", symlinks=True)
        done = make(copy, "setup", **OFFLINE)
        assert done.returncode == 0, done.stderr
        assert "Making .venv" in done.stdout
        pip = subprocess.run(
            ["sh", "-c", ". .venv/bin/activate; command -v pip; pip --version"],
            cwd=copy,
            env=from_users_shell(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert pip.returncode == 0, pip.stderr
        assert pip.stdout.startswith(f"{copy}/.venv/bin/pip\n")

    @pytest.mark.parametrize(
        ("answers", "fault"),
        [
            ('case "$*" in *%d*) echo 3.9.2;; *) exit 1;; esac', "is Python 3.9.2."),
            (
                'case "$*" in *%d*) echo 3.12.1;; *ensurepip*) exit 1;; esac',
                "(Python 3.12.1) has no venv module",
            ),
        ],
    )
    def test_unsuitable_python_is_named(self, tmp_path, answers, fault):
        tree = new_tree(tmp_path)
        python = tmp_path / "some python"
        python.write_text(f"#!/bin/sh\n{answers}\n")
        python.chmod(0o755)
        done = make(tree, "setup", f"PYTHON={python}")
        assert done.returncode != 0
        assert f"Python 3.11 or newer is needed to make .venv. {python} {fault}" in done.stderr
        assert "make PYTHON=/path/to/python" in done.stderr
        assert not (tree / ".venv").exists()

    def test_no_python_at_all(self, tmp_path):
        done = make(new_tree(tmp_path), "setup", "PYTHON=no-such-python")
        assert done.returncode != 0
        assert "None was found." in done.stderr
