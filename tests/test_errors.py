"""One tree of errors, shown in errors.py, and one way for every script to end."""

import importlib
import pkgutil
import re

import pytest

import parallel_transcription
from parallel_transcription import errors
from parallel_transcription.places import SCRIPTS

#: Runs before there are packages, so it can import nothing of ours.
ALONE = {"check_system.py"}


def own_errors() -> dict[str, type[Exception]]:
    """All exceptions that the library defines, by name."""
    found = {}
    for module in pkgutil.walk_packages(parallel_transcription.__path__, "parallel_transcription."):
        for name, value in vars(importlib.import_module(module.name)).items():
            is_error = isinstance(value, type) and issubclass(value, Exception)
            if is_error and value.__module__ == module.name:
                found[name] = value
    return found


def test_the_tree_in_the_docstring_is_the_tree():
    """A new error stands in the tree, or among those that never reach the end of a script."""
    shown = dict(re.findall(r"[├└]── (\w+) .*\((\w[\w.]*)\)$", errors.__doc__, re.MULTILINE))
    apart = set(re.findall(r"`(\w+)`", errors.__doc__.partition("stand apart")[2]))
    found = own_errors()
    tree = {name for name, error in found.items() if issubclass(error, errors.InputError)}
    assert tree - {"InputError"} == set(shown)
    assert set(found) - tree == apart
    for name, module in shown.items():
        assert found[name].__module__ == f"parallel_transcription.{module}", name
        assert found[name].__bases__ == (errors.InputError,), name


def test_every_script_has_the_one_ending():
    for script in sorted(SCRIPTS.glob("*.py")):
        text = script.read_text(encoding="utf-8")
        if script.name not in ALONE:
            ending = text.rpartition('if __name__ == "__main__":')[2]
            assert re.fullmatch(r"\s+run\(.*\)\s+", ending), script.name
            assert "except InputError" not in text and ".exit(" not in text, script.name


def noted(error: BaseException, *notes: str) -> BaseException:
    for note in notes:
        error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (errors.InputError("one\ntwo"), 1, "error: one\nerror: two\n"),
        (errors.TableError("a table"), 1, "error: a table\n"),
        (OSError(28, "No space left", "x"), 1, "error: x: No space left\n"),
        (OSError("odd"), 1, "error: odd\n"),
        (noted(OSError(28, "Full"), "no record"), 1, "error: Full\nerror: no record\n"),
        (noted(KeyboardInterrupt(), "no record"), 130, "error: interrupted\nerror: no record\n"),
    ],
)
def test_what_stops_a_script_is_said_in_lines(raised, status, said, capsys):
    def main():
        raise raised

    with pytest.raises(SystemExit) as stop:
        errors.run(main)
    assert stop.value.code == status and capsys.readouterr().err == said


def test_statuses_of_scripts():
    """A main's own status stays; input that a person typed ends as argparse ends."""

    def refuse():
        raise errors.InputError("no")

    for main, options, status in (
        (lambda: None, {}, None),
        (lambda: 3, {}, 3),
        (refuse, {"refused": 2}, 2),
    ):
        with pytest.raises(SystemExit) as stop:
            errors.run(main, **options)
        assert stop.value.code == status


def test_a_fault_of_ours_keeps_its_traceback():
    def main():
        raise KeyError("bug")

    with pytest.raises(KeyError):
        errors.run(main)
