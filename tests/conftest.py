"""One small study, run once from beginning to end, for all tests that look at what comes out."""

import pytest

from project import Project

TINY_STUDY = {
    "name": "tiny",
    "machine": "test-machine",
    "audio": ["audio/english-short.opus", "audio/english-unseen-voice.opus"],
    "defaults": {"model": "mini-en", "language": "en", "cpu_threads": 1},
    "rounds": 2,
    "repeats": 2,
    "confirmation_rounds": 1,
    "grid": [
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
}


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """A checkout in which the small study has run to its reports. Look, do not touch: copy it."""
    project = Project(tmp_path_factory.mktemp("finished") / "checkout", TINY_STUDY)
    project.run()
    return project


@pytest.fixture
def checkout(finished, tmp_path) -> Project:
    """A copy of the finished checkout in another folder, to change and to plan again."""
    return Project.moved(finished, tmp_path / "elsewhere")
