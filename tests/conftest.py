"""What all tests share: a finished small study, and the rule of who runs beside whom."""

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from parallel_transcription.measure import supervise
from planted_faults import sitecustomize
from project import Project, small_study

TINY_STUDY = small_study(
    "tiny",
    [
        {"strategy": "one_model", "num_workers": [1, 2]},
        {"strategy": "one_model", "callers": 1, "rounds": 1},
        {"strategy": ["multi_model", "multi_process"], "instances": 2},
        {
            "strategy": "multi_model",
            "instances": 2,
            "files_in_parallel": 0,
            "init_stagger_s": [0, 0.1],
            "rounds": 1,
            "repeats": 2,
        },
    ],
    machine="test-machine",
    rounds=2,
    repeats=2,
    warmups=1,
)


def pytest_addoption(parser):
    parser.addoption(
        "--golden", action="store_true", help="write tests/golden/ anew (see test_wording.py)"
    )


def pytest_configure():
    """No figure fails unseen; and what a background shell ignores, no test ignores as well."""
    os.environ["STRICT_FIGURES"] = "1"  # draw.STRICT, whose module takes long to load
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Put tests of Slurm first and tests that run alone last.

    Those of Slurm mostly wait, while others run; for those that run alone little is left to wait.
    """

    def place(item):
        if item.get_closest_marker("alone"):
            return 2
        return 0 if item.get_closest_marker("slurm") else 1

    items.sort(key=place)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside pytest-timeout: waiting is no test's time
def pytest_runtest_protocol(item):
    """All processes of pytest-xdist share a lock; a test marked `alone` has it for itself."""
    alone = item.get_closest_marker("alone") is not None
    with (item.config.cache.mkdir("turns") / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            return (yield)
        finally:  # said, not left to close(): a forked child that lives on has the file open, too
            fcntl.flock(lock, fcntl.LOCK_UN)


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that the processes of pytest-xdist share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def remembered(shared):
    """No clip is inspected, no model tried and no module parsed in each checkout anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "shared", shared / "remembered")
        yield


@pytest.fixture(scope="session")
def made_once(shared) -> Callable[[str, Callable[[Path], object]], Path]:
    """Make a folder by its name, unless another process of pytest-xdist has: it waits for that."""

    def make(name: str, content: Callable[[Path], object]) -> Path:
        folder = shared / name
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "done").exists():
                shutil.rmtree(folder / "made", ignore_errors=True)  # left by one that failed
                content(folder / "made")
                (folder / "done").touch()
        return folder / "made"

    return make


@pytest.fixture(scope="session")
def finished(made_once) -> Project:
    """A checkout in which the small study has run to its reports. Look, do not touch: copy it."""
    return Project.at(made_once("finished", lambda folder: Project(folder, TINY_STUDY).run()))


@pytest.fixture
def checkout(finished, tmp_path) -> Project:
    """A copy of the finished checkout in another folder, to change and to plan again."""
    return Project.moved(finished, tmp_path / "elsewhere")


@pytest.fixture
def plant(tmp_path, monkeypatch) -> Callable[..., None]:
    """Give measured processes a fault, by code before each load or call of a model."""

    def plant(**code: str) -> None:
        folder = tmp_path / "planted"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(sitecustomize(**code))
        clean = supervise.clean_environment

        def environment(thread_env: str) -> dict[str, str]:
            found = clean(thread_env)
            return found | {"PYTHONPATH": f"{folder}{os.pathsep}{found['PYTHONPATH']}"}

        monkeypatch.setattr(supervise, "clean_environment", environment)

    return plant


@pytest.fixture
def no_process_left():
    """Fails a test that leaves a process behind."""
    before = set(psutil.Process().children(recursive=True))
    yield
    deadline = time.monotonic() + 10
    while set(psutil.Process().children(recursive=True)) - before:
        assert time.monotonic() < deadline, "a measured process is still there"
        time.sleep(0.05)
