"""Set-up: pins agree, nothing leaks into the repository, and make does what it says."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

import check_system

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
LOCKS = ("lock-build", "lock", "lock-test", "lock-cuda")
REPORT = "results/reports/findings.pdf"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> dict[str, str]:
    """Name → the whole entry of a lock: the pin and its hashes, continued lines joined."""
    text = (REQUIREMENTS / f"{lock}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return {
        normal(re.split(r"==|\s", line, maxsplit=1)[0]): line for line in joined if line.strip()
    }


def versions(lock: str) -> dict[str, str]:
    return {name: re.match(r"\S+==(\S+)", entry)[1] for name, entry in entries(lock).items()}


def direct(source: str) -> dict[str, str]:
    text = (REQUIREMENTS / f"{source}.in").read_text(encoding="utf-8")
    pins = (re.split("[#;]", line)[0].strip() for line in text.splitlines())
    return {normal(name): version for name, version in (pin.split("==") for pin in pins if pin)}


def repository_files() -> list[Path]:
    """What is in the repository or would be with `git add --all`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    files = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [file for file in files if file.is_file() and not file.is_symlink()]


class TestLocks:
    @pytest.mark.parametrize("lock", LOCKS)
    def test_every_entry_is_one_version_with_hashes(self, lock):
        assert entries(lock)
        for name, entry in entries(lock).items():
            assert re.fullmatch(
                r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+( ; [^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*",
                entry,
            ), f"{name} in {lock}.txt"

    @pytest.mark.parametrize("lock", LOCKS)
    def test_no_address_and_no_option_of_pip(self, lock):
        text = (REQUIREMENTS / f"{lock}.txt").read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE)

    def test_tests_run_with_what_is_measured_with(self):
        run, test = entries("lock"), entries("lock-test")
        assert {name: test.get(name) for name in run} == run

    @pytest.mark.parametrize(
        ("source", "lock"),
        [
            ("build", "lock-build"),
            ("measure", "lock"),
            ("report", "lock"),
            ("workflow", "lock"),
            ("test", "lock-test"),
            ("cuda", "lock-cuda"),
        ],
    )
    def test_a_lock_holds_what_its_sources_ask_for(self, source, lock):
        wanted = direct(source)
        assert wanted
        assert {name: versions(lock).get(name) for name in wanted} == wanted

    def test_no_package_is_skipped_on_unknown_machines(self):
        """pip must name the package that is not to be had, and not silently leave it out."""
        conditional = {name for name, entry in entries("lock-test").items() if " ; " in entry}
        assert not conditional & {*direct("measure"), *direct("report"), *direct("workflow")}
        assert len(conditional) < 10

    @pytest.mark.skipif(sys.prefix != str(ROOT / ".venv"), reason="this is not make's environment")
    def test_make_installed_these_versions(self):
        installed = {normal(each.name): each.version for each in metadata.distributions()}
        wanted = versions("lock-test")
        assert {name: version for name, version in installed.items() if name in wanted} == {
            name: version for name, version in wanted.items() if name in installed
        }
        assert {*direct("measure"), *direct("report"), *direct("workflow")} <= set(installed)

    def test_training_measures_with_the_same_engine(self):
        text = (ROOT / "training" / "requirements.txt").read_text(encoding="utf-8")
        pins = {normal(n): v for n, v in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}
        shared = pins.keys() & versions("lock").keys()
        assert {"ctranslate2", "faster-whisper"} <= shared
        assert {name: pins[name] for name in shared} == {
            name: versions("lock")[name] for name in shared
        }


class TestConda:
    # Packages that conda calls by another name, and those that are no Python packages.
    NAMES = MappingProxyType({"matplotlib-base": "matplotlib"})
    OF_CONDA_ALONE = frozenset({"python", "pip", "fontconfig", "glib", "harfbuzz", "pango"})

    def pins(self, name: str) -> dict[str, str]:
        content = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))
        pins = {}
        for entry in content["dependencies"]:
            for line in entry["pip"] if isinstance(entry, dict) else [entry]:
                package, version = re.fullmatch(
                    r"([\w.-]+)(?: ?={1,2}(\S+)| >=\S+)?", line
                ).groups()
                if package not in self.OF_CONDA_ALONE:
                    pins[normal(self.NAMES.get(package, package))] = version
        return pins

    @pytest.mark.parametrize("name", ["measure", "report", "workflow", "cuda"])
    def test_pins_are_those_of_the_lock(self, name):
        pins, locked = self.pins(name), versions("lock") | versions("lock-cuda")
        assert pins == {package: locked[package] for package in pins}

    def test_gpus_are_measured_with_what_cpus_are_and_cublas(self):
        assert self.pins("cuda") == self.pins("measure") | versions("lock-cuda")

    @pytest.mark.parametrize("name", ["measure", "report", "workflow"])
    def test_what_is_asked_for_directly_is_there(self, name):
        # contourpy is pinned for the lock's sake only: matplotlib brings it
        assert direct(name).keys() - {"contourpy"} <= self.pins(name).keys()

    @pytest.mark.parametrize("name", ["measure", "report", "workflow", "cuda"])
    def test_no_channel_but_the_free_ones(self, name):
        content = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))
        assert content["channels"][0] == "conda-forge"
        assert content["channels"][-1] == "nodefaults"
        assert set(content["channels"]) <= {"conda-forge", "bioconda", "nodefaults"}


class TestRepository:
    def test_no_address_of_a_package_index(self):
        hosts = re.compile(
            rb"pypi\.(?:or)g|files\.pythonhost(?:e)d|registry\.(?:np)mjs|deb\.(?:deb)ian\.org"
            rb"|--(?:extra-)?index-url[ =]\S*:/|--find-links[ =]\S*/"
        )
        found = [
            f"{file}: {hosts.search(file.read_bytes())[0]}"
            for file in repository_files()
            if hosts.search(file.read_bytes())
        ]
        assert not found

    def test_no_path_of_the_machine_it_was_made_on(self):
        places = [path for path in (ROOT, Path.home()) if len(path.parts) > 2]
        prefixes = [f"{path}/".encode() for path in places]
        found = [
            f"{file.relative_to(ROOT)}: {prefix.decode()}"
            for file in repository_files()
            for prefix in prefixes
            if prefix in file.read_bytes()
        ]
        assert not found

    def test_slurm_profile_is_not_ignored(self):
        """Snakemake looks for the profile in ./slurm; no pattern for logs may hide it."""
        ignored = subprocess.run(["git", "check-ignore", "-q", "slurm"], cwd=ROOT, check=False)
        if ignored.returncode > 1:
            pytest.skip("this is no git checkout")
        assert ignored.returncode == 1

    @pytest.mark.parametrize(
        "name", [".venv/x", ".venv-training/x", "results/a", "logs/a", ".snakemake/a"]
    )
    def test_what_is_made_is_ignored(self, name):
        ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
        if ignored.returncode > 1:
            pytest.skip("this is no git checkout")
        assert ignored.returncode == 0

    def test_every_installed_package_is_listed_with_its_licence(self):
        text = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
        rows = re.findall(
            r"^\| ([a-z0-9-]+) \| (\S+) \| ([^|]+) \| (?:running|tests) \|$", text, re.M
        )
        listed = {name: version for name, version, licence in rows if licence.strip()}
        assert listed == versions("lock-build") | versions("lock-test")

    def test_every_asset_that_ships_is_listed_with_its_licence(self):
        """Sound, weights, fonts, numbers: whatever is no code or prose of ours lies in a listed
        place."""
        rows = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8").split("## What set-up")[0]
        listed = [row.split("|") for row in rows.splitlines() if row.startswith("| ")][1:]
        places = {
            place.strip("*"): row[4] for row in listed for place in re.findall(r"`([^`]+)`", row[2])
        }
        assert all(re.search(r"CC0|MIT|OFL", licence) for licence in places.values())
        kinds = (".opus", ".wav", ".bin", ".otf", ".ttf", ".csv", ".parquet", ".onnx", ".jpg")
        assets = [
            str(file.relative_to(ROOT)) for file in repository_files() if file.suffix in kinds
        ]
        assert len(assets) > 20
        assert [a for a in assets if not a.startswith(tuple(places))] == []
        for place in places:
            assert any(asset.startswith(place) for asset in assets), place

    def test_citation_has_what_the_format_requires(self):
        citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
        assert citation["cff-version"] == "1.2.0"
        assert {"message", "title", "authors"} <= citation.keys()
        assert all("name" in author for author in citation["authors"])
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        assert f'version = "{citation["version"]}"' in project


class TestCheckSystem:
    PANGO = next(library for library in check_system.LIBRARIES if library.name == "Pango")
    SUBSET = next(library for library in check_system.LIBRARIES if not library.required)

    @pytest.fixture
    def machine(self, monkeypatch):
        """A machine on which libraries are missing; says what was installed on it."""

        def make(missing, *, manager=None, root=False, conda=False, installs=True):
            state = {"missing": list(missing), "installed": 0}

            def install():
                state["installed"] += 1
                if installs:
                    state["missing"].clear()
                return installs

            monkeypatch.setattr(check_system, "missing_libraries", lambda: list(state["missing"]))
            monkeypatch.setattr(check_system, "package_manager", lambda: manager)
            monkeypatch.setattr(check_system, "is_root", lambda: root)
            monkeypatch.setattr(check_system, "in_conda", lambda: conda)
            monkeypatch.setattr(check_system, "install_with_apt", install)
            return state

        return make

    def test_all_there_says_nothing(self, machine, capsys):
        machine([])
        assert check_system.main([]) == 0
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("manager", "command"),
        [
            ("apt-get", "libpangoft2-1.0-0 libharfbuzz-subset0"),
            ("dnf", "sudo sh -c 'dnf install -y pango'"),
            ("pacman", "pacman -S --needed pango"),
            ("brew", "    brew install pango\n"),
            (None, "conda install -c conda-forge pango"),
        ],
    )
    def test_names_what_is_missing_and_the_command(self, machine, capsys, manager, command):
        machine([self.PANGO], manager=manager)
        assert check_system.main(["--install"]) == 1
        message = capsys.readouterr().err
        assert "Missing system libraries, without which no PDF can be made: Pango.\n" in message
        assert command in message

    def test_root_needs_no_sudo(self, machine, capsys):
        machine([self.PANGO], manager="dnf", root=True)
        assert check_system.main(["--install"]) == 1
        assert "    dnf install -y pango\n" in capsys.readouterr().err

    def test_conda_python_gets_conda_libraries(self, machine, capsys):
        state = machine([self.PANGO], manager="apt-get", root=True, conda=True)
        assert check_system.main(["--install"]) == 1
        assert state["installed"] == 0
        message = capsys.readouterr().err
        assert "conda install" in message
        assert "apt-get" not in message

    def test_installs_only_when_asked_as_root_on_debian(self, machine):
        state = machine([self.PANGO], manager="apt-get", root=True)
        assert check_system.main([]) == 1
        assert state["installed"] == 0
        assert check_system.main(["--install"]) == 0
        assert state["installed"] == 1

    def test_failed_installation_is_reported(self, machine, capsys):
        machine([self.PANGO], manager="apt-get", root=True, installs=False)
        assert check_system.main(["--install"]) == 1
        assert "apt-get update && apt-get install" in capsys.readouterr().err

    def test_works_without_the_library_that_weasyprint_can_do_without(self, machine):
        machine([self.SUBSET], manager="dnf")
        assert check_system.main([]) == 0

    def test_looks_for_what_weasyprint_loads(self):
        """Every library is one that WeasyPrint tries, and none that it needs is forgotten."""
        source = Path(pytest.importorskip("weasyprint.text.ffi").__file__).read_text()
        for library in check_system.LIBRARIES:
            assert any(f"'{name}'" in source for name in library.names), library.name
        needed = len(re.findall(r"= _dlopen\(", source)) - source.count("allow_fail=True)")
        assert sum(library.required for library in check_system.LIBRARIES) == needed

    def test_missing_library_is_seen(self):
        assert not check_system.can_load(check_system.Library("none", ("libno-such-thing.so.7",)))


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

    def test_tests_and_lint_run_everything(self):
        plan = make(ROOT, "-n", "test").stdout
        assert plan.splitlines()[-1].strip().endswith("pytest --numprocesses 2 --dist worksteal")
        plan = make(ROOT, "-n", "lint").stdout
        for tool in (
            "ruff check .",
            "ruff format --check .",
            "snakefmt --check",
            "snakemake --lint",
        ):
            assert tool in plan

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
