"""The check of system libraries names what is missing and the command that installs it."""

import re
from pathlib import Path

import pytest

import check_system

PANGO = next(library for library in check_system.LIBRARIES if library.name == "Pango")
SUBSET = next(library for library in check_system.LIBRARIES if not library.required)


@pytest.fixture
def machine(monkeypatch):
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


def test_all_there_says_nothing(machine, capsys):
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
def test_names_what_is_missing_and_the_command(machine, capsys, manager, command):
    machine([PANGO], manager=manager)
    assert check_system.main(["--install"]) == 1
    message = capsys.readouterr().err
    assert "Missing system libraries, without which no PDF can be made: Pango.\n" in message
    assert command in message


def test_root_needs_no_sudo(machine, capsys):
    machine([PANGO], manager="dnf", root=True)
    assert check_system.main(["--install"]) == 1
    assert "    dnf install -y pango\n" in capsys.readouterr().err


def test_conda_python_gets_conda_libraries(machine, capsys):
    state = machine([PANGO], manager="apt-get", root=True, conda=True)
    assert check_system.main(["--install"]) == 1
    assert state["installed"] == 0
    message = capsys.readouterr().err
    assert "conda install" in message
    assert "apt-get" not in message


def test_installs_only_when_asked_as_root_on_debian(machine):
    state = machine([PANGO], manager="apt-get", root=True)
    assert check_system.main([]) == 1
    assert state["installed"] == 0
    assert check_system.main(["--install"]) == 0
    assert state["installed"] == 1


def test_failed_installation_is_reported(machine, capsys):
    machine([PANGO], manager="apt-get", root=True, installs=False)
    assert check_system.main(["--install"]) == 1
    assert "apt-get update && apt-get install" in capsys.readouterr().err


def test_works_without_the_library_that_weasyprint_can_do_without(machine):
    machine([SUBSET], manager="dnf")
    assert check_system.main([]) == 0


def test_looks_for_what_weasyprint_loads():
    """Every library is one that WeasyPrint tries, and none that it needs is forgotten."""
    source = Path(pytest.importorskip("weasyprint.text.ffi").__file__).read_text()
    for library in check_system.LIBRARIES:
        assert any(f"'{name}'" in source for name in library.names), library.name
    needed = len(re.findall(r"= _dlopen\(", source)) - source.count("allow_fail=True)")
    assert sum(library.required for library in check_system.LIBRARIES) == needed


def test_missing_library_is_seen():
    assert not check_system.can_load(check_system.Library("none", ("libno-such-thing.so.7",)))
