"""Snakemake and its jobs are stopped and killed: nothing finished is lost, nothing stays behind."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import fastjsonschema
import pandas as pd
import psutil
import pytest

from parallel_transcription.record import check_match, match_schema, record_schema
from project import ROOT, Project, own_environment, small_study, snakemake_command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        sys.platform != "linux", reason="what ends with its parent does so on Linux"
    ),
]
STUDY = small_study(
    "interrupted",
    [
        # twice the same: a pair that no round settles, so that there are matches
        {"strategy": "one_model", "files_in_parallel": 1, "replica": [1, 2]},
        {"strategy": "multi_process", "instances": 2},
    ],
    audio=["audio/english-short.opus"],
    rounds=3,
    decide={"minutes": 10},
    equivalence_margin=0.3,  # five matches decide it
)
MARK = "PARALLEL_TRANSCRIPTION_TEST"
SNAKEMAKE, SCRIPT, MEASURED, DECIDING = "snakemake", "transcribe_", ".measure", "decide.py"
#: How long after it began something is interrupted, at most (s): a match needs some seconds.
LATEST = {SNAKEMAKE: 3.0, DECIDING: 9.0}


class Interrupted(Project):
    """A checkout whose Snakemake runs in the background, so that it can be interrupted."""

    def __init__(self, folder: Path):
        super().__init__(folder, STUDY)
        self.mark = uuid.uuid4().hex  # all that descends from this Snakemake has it
        self.life = None
        self.output = folder / "snakemake.txt"

    def start(self, *arguments: str) -> None:
        environment = own_environment() | {MARK: self.mark}
        with self.output.open("w") as output:
            self.life = subprocess.Popen(
                snakemake_command(*arguments),
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def processes(self, kind: str = "") -> list[psutil.Process]:
        """The living processes that descend from the Snakemake, whoever is their parent now."""
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.environ().get(MARK) == self.mark
                    and process.status() != psutil.STATUS_ZOMBIE
                    and kind in " ".join(process.cmdline()[1:4])
                    and not (kind and process.name() in ("bash", "sh"))
                ):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def wait_for(self, kind: str) -> psutil.Process | None:
        """A process of this kind; None if Snakemake ended before there was one."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            found = self.processes(kind)
            if found:
                return found[0]
            if self.life.poll() is not None:
                return None
            time.sleep(0.05)
        raise AssertionError(f"no {kind} in 90 s:\n{self.output.read_text()[-3000:]}")

    def all_gone(self) -> None:
        """No process may stay behind."""
        deadline = time.monotonic() + 10
        while left := self.processes():
            assert time.monotonic() < deadline, [process.cmdline() for process in left]
            time.sleep(0.05)

    def unlock(self) -> subprocess.CompletedProcess:
        """What `make` does before it starts Snakemake."""
        command = f"{sys.executable} scripts/remove_stale_lock.py --configfile config/test.yaml"
        return subprocess.run(
            ["sh", "-c", f"{command} && : snakemake --cores all"],
            cwd=self.folder,
            capture_output=True,
            text=True,
        )

    def records(self) -> dict[Path, tuple[int, float]]:
        """Every record with its inode and when its run started; each must be whole."""
        validate = fastjsonschema.compile(record_schema())
        found = {}
        for path in self.folder.glob("results/m/runs/*.json"):
            record = validate(json.loads(path.read_text(encoding="utf-8")))
            assert record["run"] == path.stem
            found[path] = (path.stat().st_ino, record["started_at"])
        return found

    def matches(self) -> dict[Path, tuple[float, int]]:
        """Every record of a match with when it began and its passes; each must be whole."""
        validate = fastjsonschema.compile(match_schema())
        found = {}
        for path in self.folder.glob("results/m/matches/*.json"):
            record = validate(json.loads(path.read_text(encoding="utf-8")))
            check_match(record)
            assert record["match"] == path.stem
            found[path] = (record["started_at"], len(record["passes"]))
        return found

    def newest(self) -> Path | None:
        """The record that was written last."""
        return max(
            self.folder.glob("results/m/runs/*.json"), key=lambda p: p.stat().st_mtime, default=None
        )


def test_interruptions_lose_nothing(tmp_path):
    """INTERRUPTIONS=20 makes as many; the suite ends a few, of all kinds."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    chance = random.Random(seed)
    project = Interrupted(tmp_path / "checkout")
    project.run("--until", "inspect_audio", "prepare_model")
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    every = [(kind, number) for kind in (SCRIPT, MEASURED, DECIDING) for number in signals]
    plan = [(SNAKEMAKE, number) for number in (signal.SIGINT, signal.SIGKILL)]
    plan += [(chance.choice((SCRIPT, MEASURED)), chance.choice(signals))]
    chance.shuffle(plan)
    plan.append((DECIDING, chance.choice(signals)))
    more = int(os.environ.get("INTERRUPTIONS", "0")) - len(plan)
    plan += [chance.choice(every) for _ in range(more)]
    rounds = STUDY["rounds"]
    known: dict = {}
    met: dict = {}
    perhaps_unnoted: set = set()
    again = 0  # records that were there, made again
    for kind, number in plan:
        while True:
            if project.life is None or project.life.poll() is not None:
                if project.life is not None and project.life.returncode == 0:
                    rounds += 1
                    project.write_study(STUDY | {"rounds": rounds})
                project.start("--until", "decide")
            victim = project.wait_for(kind)
            if victim:
                break
        time.sleep(chance.uniform(0, LATEST.get(kind, 0.6)))
        perhaps_unnoted, unnoted_before = {project.newest()}, perhaps_unnoted
        if kind == SNAKEMAKE and number == signal.SIGINT:
            os.killpg(project.life.pid, number)  # as Ctrl-C does
        elif kind == SNAKEMAKE:
            os.kill(project.life.pid, number)
        else:
            with contextlib.suppress(psutil.NoSuchProcess):  # done already: moments are random
                victim.send_signal(number)
        if kind == SNAKEMAKE:
            project.life.wait(60)
            project.all_gone()
            assert project.unlock().returncode == 0
        perhaps_unnoted.add(project.newest())
        here = project.records()
        changed = {path for path, stamp in known.items() if here.get(path) != stamp}
        # Only a run whose record was written and not yet noted by Snakemake may be made again.
        assert changed <= perhaps_unnoted | unnoted_before, changed
        later = project.matches()
        for path, (began, passes) in met.items():
            assert later[path][0] == began, "a match is measured once"
            assert later[path][1] >= passes, "what was written stays"
        met = later
        again += len(changed)
        known = here
    project.life.wait(120)
    assert project.unlock().returncode == 0
    project.run()
    here = project.records()
    project.all_gone()
    runs = {path.stem for path in here}
    assert len(runs) == 3 * rounds
    for path, (began, passes) in met.items():
        assert project.matches()[path] == (began, passes), "a match that was cut off stays so"
    assert any(passes for _, passes in project.matches().values())
    matches = pd.read_csv(project.folder / "results" / "matches.csv")
    assert (matches["repeat"] > 0).sum() == sum(p for _, p in project.matches().values())
    results = project.folder / "results"
    assert pd.read_csv(results / "left_out.csv").empty
    assert set(pd.read_csv(results / "runs.csv")["run"]) == runs
    assert (results / "reports" / "findings.pdf").stat().st_size > 0
    assert project.planned() == {}, "all is done"
    print(
        f"{len(plan)} interruptions, {len(runs)} records, {again} of them made again, 0 lost; "
        f"{len(met)} matches"
    )


def test_two_snakemakes_on_one_checkout(tmp_path):
    """The second one ends with a clear message, and the first one's lock is not removed."""
    project = Interrupted(tmp_path / "checkout")
    project.write_study(STUDY | {"rounds": 2})
    project.start("--until", "transcribe")
    assert project.wait_for(SCRIPT)
    second = project.snakemake("--until", "transcribe")
    assert second.returncode != 0
    assert "make sure that no other Snakemake" in second.stdout + second.stderr
    unlocking = project.unlock()
    assert unlocking.returncode == 1
    assert f"Snakemake works here (process {project.life.pid})" in unlocking.stderr
    assert project.life.wait(120) == 0, project.output.read_text()[-3000:]
    assert len(project.records()) == 6
    assert project.unlock().returncode == 0, "without a lock there is nothing to do"


def test_a_lock_left_behind_says_what_to_do(tmp_path):
    project = Interrupted(tmp_path / "checkout")
    project.start("--until", "transcribe")
    assert project.wait_for(SCRIPT)
    project.life.kill()
    project.life.wait()
    project.all_gone()
    locked = project.snakemake("--until", "transcribe")
    assert locked.returncode != 0 and "--unlock" in locked.stdout + locked.stderr
    note = project.folder / ".snakemake" / "parallel_transcription" / "progress.json"
    ours = note.read_text()
    for key, value, words in (("host", "elsewhere", "elsewhere"), ("local", False, "cluster")):
        note.write_text(json.dumps(json.loads(ours) | {key: value}))
        refused = project.unlock()
        assert refused.returncode == 1 and words in refused.stderr
        assert "snakemake --unlock" in refused.stderr
    note.write_text(ours)
    unlocked = project.unlock()
    assert unlocked.returncode == 0, unlocked.stderr
    assert project.snakemake("-n").returncode == 0
    assert not any((project.folder / ".snakemake" / "locks").glob("*"))


@pytest.mark.parametrize("strategy", ["one_model", "multi_process"])
def test_no_process_outlives_its_supervisor(strategy, tmp_path):
    """Killed at any moment of its life, also while its helpers start."""
    clip = ROOT / "audio" / "english-short.opus"
    for delay in (0.4, 0.7, 1.0, 1.5):
        mark = uuid.uuid4().hex
        script = subprocess.Popen(
            [
                sys.executable, f"scripts/transcribe_{strategy}.py", "--language=en",
                "--repeats=200", clip, clip,
            ],
            cwd=ROOT,
            env={**os.environ, MARK: mark},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(delay)
        script.kill()
        script.wait()
        deadline = time.monotonic() + 5
        while left := [p for p in psutil.process_iter() if _has(p, mark)]:
            assert time.monotonic() < deadline, [process.cmdline() for process in left]
            time.sleep(0.02)


def _has(process: psutil.Process, mark: str) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and process.environ().get(MARK) == mark
    except psutil.Error:
        return False


def test_a_measured_process_whose_parent_is_gone_does_not_start():
    """Its supervisor ended before the kernel was asked to end both."""
    code = (
        "from parallel_transcription.measure.processes import die_with_parent, end_with\n"
        "import sys\n"
        "try: end_with(int(sys.argv[1]))\n"
        "except ProcessLookupError: print('gone')\n"
        "die_with_parent(int(sys.argv[1]))\n"
        "print('still here')"
    )
    ended = subprocess.Popen(["true"])
    ended.wait()
    done = subprocess.run(
        [sys.executable, "-c", code, str(ended.pid)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stdout == "gone\n"
    assert "the process that started this one has ended" in done.stderr
