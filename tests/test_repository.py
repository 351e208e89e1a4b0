"""Nothing leaks into the repository, and what ships has a licence."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from locks import versions
from project import ROOT


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


def test_no_address_of_a_package_index():
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


def test_no_path_of_the_machine_it_was_made_on():
    places = [path for path in (ROOT, Path.home()) if len(path.parts) > 2]
    prefixes = [f"{path}/".encode() for path in places]
    found = [
        f"{file.relative_to(ROOT)}: {prefix.decode()}"
        for file in repository_files()
        for prefix in prefixes
        if prefix in file.read_bytes()
    ]
    assert not found


def test_slurm_profile_is_not_ignored():
    """Snakemake looks for the profile in ./slurm; no pattern for logs may hide it."""
    ignored = subprocess.run(["git", "check-ignore", "-q", "slurm"], cwd=ROOT, check=False)
    if ignored.returncode > 1:
        pytest.skip("this is no git checkout")
    assert ignored.returncode == 1


@pytest.mark.parametrize(
    "name", [".venv/x", ".venv-training/x", "results/a", "logs/a", ".snakemake/a"]
)
def test_what_is_made_is_ignored(name):
    ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
    if ignored.returncode > 1:
        pytest.skip("this is no git checkout")
    assert ignored.returncode == 0


def test_every_installed_package_is_listed_with_its_licence():
    text = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (\S+) \| ([^|]+) \| (?:running|tests) \|$", text, re.M)
    listed = {name: version for name, version, licence in rows if licence.strip()}
    assert listed == versions("lock-build") | versions("lock-test")


def test_every_asset_that_ships_is_listed_with_its_licence():
    """Sound, weights, fonts, numbers: what is no code or prose of ours lies in a listed place."""
    rows = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8").split("## What set-up")[0]
    listed = [row.split("|") for row in rows.splitlines() if row.startswith("| ")][1:]
    places = {
        place.strip("*"): row[4] for row in listed for place in re.findall(r"`([^`]+)`", row[2])
    }
    assert all(re.search(r"CC0|MIT|OFL", licence) for licence in places.values())
    kinds = (".opus", ".wav", ".bin", ".otf", ".ttf", ".csv", ".parquet", ".onnx", ".jpg")
    assets = [str(file.relative_to(ROOT)) for file in repository_files() if file.suffix in kinds]
    assert len(assets) > 20
    assert [a for a in assets if not a.startswith(tuple(places))] == []
    for place in places:
        assert any(asset.startswith(place) for asset in assets), place


def test_citation_has_what_the_format_requires():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert all("name" in author for author in citation["authors"])
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{citation["version"]}"' in project
