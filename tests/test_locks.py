"""Pins agree: locks, what they are made from, the conda environments, and what is installed."""

import re
import sys
from importlib import metadata
from types import MappingProxyType

import pytest
import yaml

from locks import LOCKS, REQUIREMENTS, direct, entries, normal, versions
from project import ROOT


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
        """Pip must name the package that is not to be had, and not silently leave it out."""
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
