"""A private Slurm on this host: munged, slurmctld and a slurmd for each of four virtual nodes.

It needs Debian's packages munge, slurm-client, slurmctld and slurmd, touches nothing outside its
folder, and uses neither systemd nor control groups. The GPUs are fake: /dev/null and /dev/zero
stand in for their device files, so that Slurm counts them and sets CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

import slurm_accounting

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
#: name → (feature, model of its two GPUs or None)
NODES = {
    "cpu1": ("epyc", None),
    "cpu2": ("xeon", None),
    "gpu1": ("a100", "a100"),
    "gpu2": ("h100", "h100-sxm5-80gb"),  # as Slurm names them where it finds them by itself
}
#: name → its nodes and, where they are not as usual, its options
PARTITIONS = {
    "cpu": "cpu1,cpu2",
    "gpu": "gpu1,gpu2",
    "brief": "cpu1,cpu2 MaxTime=3 DefaultTime=3",
    "spare": "cpu1,cpu2 PreemptMode=REQUEUE",
    "urgent": "cpu1,cpu2 PriorityTier=10",  # its jobs take the place of those of spare
}

_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
# Neither control groups nor pinning: works in any container.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
# CPUs and memory as they are written here, not as the host has them.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
DefMemPerCPU=100
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{accounting}
JobAcctGatherType=jobacct_gather/none
MinJobAge={remembers_s}
# A node that is silent for some seconds is down; a time limit is enforced soon.
SlurmdTimeout=10
SlurmctldTimeout=30
MessageTimeout=10
KillWait=2
InactiveLimit=0
ReturnToService=2
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,defer_batch=no
"""


#: squeue tells how jobs ended, for as long as it remembers them.
_NO_DATABASE = "AccountingStorageType=accounting_storage/none"


def missing(accounting: bool = False) -> list[str]:
    """The programs that a private Slurm needs, with its accounting or without, and that lack."""
    more = slurm_accounting.DAEMONS if accounting else ()
    return [name for name in (*DAEMONS, *COMMANDS, *more) if not _program(name)]


class SlurmCluster:
    """A running Slurm; `environment` makes its commands, and Snakemake, talk to it.

    Args:
        folder: Takes all that it writes.
        accounting: Whether it has an accounting database, and enforces the limits in it.
        remembers_s: How long it remembers jobs that ended.
    """

    def __init__(self, folder: Path, accounting: bool = False, remembers_s: int = 3600):
        self.folder = folder
        self._database_port = 0
        self._processes: dict[str, subprocess.Popen] = {}
        for part in ("bin", "etc", "run", "log", "state", "spool"):
            (folder / part).mkdir(parents=True, mode=0o755)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))},
            "SLURM_CONF": str(folder / "etc" / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }
        self._write_configuration(accounting, remembers_s)

    def _write_configuration(self, accounting: bool, remembers_s: int) -> None:
        etc, host, user = self.folder / "etc", socket.gethostname().split(".")[0], getpass.getuser()
        port, accounting_port, database_port, *ports = _free_ports(3 + len(NODES))
        told = _NO_DATABASE
        if accounting:
            self._database_port = database_port
            told = slurm_accounting.configuration(
                self.folder, host, user, accounting_port, database_port
            )
        lines = [
            _CONFIGURATION.format(
                host=host, port=port, user=user, folder=self.folder, accounting=told,
                remembers_s=remembers_s,
            )
        ]  # fmt: skip
        gres = []
        for (name, (feature, gpu)), port in zip(NODES.items(), ports, strict=True):
            lines.append(
                f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=16 "
                f"Sockets=1 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=64000 Feature={feature}"
                + (f" Gres=gpu:{gpu}:2" if gpu else "")
            )
            for device in ("/dev/null", "/dev/zero") if gpu else ():
                gres.append(f"NodeName={name} Name=gpu Type={gpu} File={device}")
        for name, nodes in PARTITIONS.items():
            default = "YES" if name == "cpu" else "NO"
            lines.append(
                f"PartitionName={name} Default={default} Nodes={nodes}"
                + ("" if "MaxTime" in nodes else " MaxTime=600 DefaultTime=10")
            )
        (etc / "slurm.conf").write_text("\n".join(lines) + "\n")
        (etc / "gres.conf").write_text("\n".join(gres) + "\n")
        (etc / "cgroup.conf").write_text("CgroupPlugin=autodetect\n")
        key = etc / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        # Snakemake's job step starts srun without any SLURM variable; a site has its configuration
        # in /etc, where we write nothing.
        wrapper = self.folder / "bin" / "srun"
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={etc}/slurm.conf exec {_program("srun")} "$@"\n')
        wrapper.chmod(0o755)

    # ------------------------------------------------------------------------------ daemons

    def start(self) -> None:
        """Start all daemons and wait until every node is idle.

        Raises:
            RuntimeError: with the ends of the logs, if they are not after 30 s.
        """
        run, log = self.folder / "run", self.folder / "log"
        self._daemon(
            "munged",
            *("--foreground", "--force", f"--key-file={self.folder}/etc/munge.key"),
            *(f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid"),
            *(f"--log-file={log}/munged.log", f"--seed-file={run}/munged.seed"),
        )
        if self._database_port:
            self._start_accounting()
        self._daemon("slurmctld", "-D", "-c")
        for name in NODES:
            self.start_node(name)
        if not self.wait_for(lambda: set(self.node_states().values()) == {"idle"}):
            tails = "\n".join(
                f"{path.name}: {path.read_text(errors='replace')[-800:]}"
                for path in sorted(log.iterdir())
            )
            raise RuntimeError(f"Slurm did not come up: {self.node_states()}\n{tails}")

    def _start_accounting(self) -> None:
        user = getpass.getuser()
        arguments = slurm_accounting.make_database(_program("mariadbd"), self.folder, user)
        self._daemon("mariadbd", *arguments, f"--port={self._database_port}")
        self.wait_for((self.folder / "run" / "db.sock").exists)
        self._daemon("slurmdbd", "-D")
        first, *others = slurm_accounting.first_entries(user)
        self.wait_for(lambda: self._is_taken(first))
        for command in others:
            self.command(*command)

    def allow_qos(self, name: str, *limits: str) -> None:
        """Make a quality of service with limits, and let this user ask for it."""
        manager = ["sacctmgr", "--immediate", "--quiet"]
        self.command(*manager, "add", "qos", name, *limits)
        self.command(*manager, "modify", "user", getpass.getuser(), "set", f"QOS+={name}")

    def _is_taken(self, command: list[str]) -> bool:
        return not subprocess.run(command, env=self.environment, capture_output=True).returncode

    def start_node(self, name: str) -> None:
        """Start a node's slurmd."""
        (self.folder / "spool" / name).mkdir(exist_ok=True)
        self._daemon(name, "-D", "-N", name, program="slurmd")

    def kill_node(self, name: str) -> None:
        """What a power failure does.

        The node's slurmd and all that its jobs run die at once, and the controller learns that the
        node is down.
        """
        processes = list(self._processes_of_jobs(name))
        daemon = self._processes.pop(name)
        daemon.kill()
        daemon.wait()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.command("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=power")

    def _processes_of_jobs(self, node: str) -> Iterator[psutil.Process]:
        """What a node's jobs run, each after the slurmstepd that would report its end."""
        mine = {"SLURM_CONF": self.environment["SLURM_CONF"], "SLURMD_NODENAME": node}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if mine.items() <= process.environ().items():
                    parent = process.parent()
                    if parent and parent.name() == "slurmstepd":
                        yield parent
                    yield process

    def stop(self) -> None:
        """Cancel all jobs and end the daemons that were started here."""
        if "slurmctld" in self._processes:
            with contextlib.suppress(subprocess.SubprocessError):
                self.command("scancel", "--quiet", "--user", getpass.getuser(), check=False)
                self.wait_for(lambda: not self.jobs(), 15)
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _daemon(self, name: str, *arguments: str, program: str | None = None) -> None:
        with (self.folder / "log" / f"{name}.out").open("a") as output:
            self._processes[name] = subprocess.Popen(
                [_program(program or name), *arguments],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    # ------------------------------------------------------------------------------- looking

    def command(self, *arguments: str, check: bool = True, timeout: float = 20) -> str:
        """What a Slurm command prints."""
        done = subprocess.run(
            arguments,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{arguments}: {done.stderr}")
        return done.stdout

    def node_states(self) -> dict[str, str]:
        """Node → state ("idle", "allocated", "down*", …)."""
        lines = self.command("sinfo", "-h", "-N", "-o", "%N %T", check=False).splitlines()
        return dict(line.split() for line in lines)

    def jobs(self, *states: str) -> list[dict[str, str]]:
        """Jobs that are there now (or in these states, "all" for ended ones too), oldest first."""
        fields = {"id": "%A", "state": "%T", "name": "%j", "comment": "%k", "node": "%N",
                  "cpus": "%C", "shared": "%h", "folder": "%Z", "reason": "%r"}  # fmt: skip
        arguments = ["squeue", "-h", "-o", "\t".join(fields.values()), "-S", "i"]
        if states:
            arguments.append(f"--states={','.join(states)}")
        lines = self.command(*arguments).splitlines()
        return [dict(zip(fields, line.split("\t"), strict=True)) for line in lines]

    def details(self, job: str) -> dict[str, str]:
        """All that Slurm tells of a job."""
        text = self.command("scontrol", "-o", "show", "job", job)
        return dict(re.findall(r"(\S+?)=(\S*)", text))

    def wait_for(self, condition, seconds: float = 30) -> bool:
        """Whether a condition comes true in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if condition():
                return True
            time.sleep(0.2)
        return False


@contextlib.contextmanager
def running_slurm(folder: Path, **options) -> Iterator[SlurmCluster]:
    """A Slurm that is there inside the `with` and gone after it; options of `SlurmCluster`."""
    cluster = SlurmCluster(folder, **options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _program(name: str) -> str | None:
    """A program's path; Debian has daemons where a user's PATH does not look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
