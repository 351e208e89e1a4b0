"""An accounting database for the private Slurm of the tests: slurmdbd on a MariaDB of its own.

It needs Debian's packages mariadb-server-core and slurmdbd (17 s to install), and nothing outside
its folder. Up within 3 s; MariaDB takes 110 MB.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

DAEMONS = ("mariadbd", "slurmdbd")
ACCOUNT = "speech"

_SLURMDBD = """\
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=root
StorageLoc=slurm
"""
_SLURM = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/run/munge.sock
AccountingStorageEnforce=associations,limits,qos
"""


def configuration(folder: Path, host: str, user: str, port: int, database_port: int) -> str:
    """Write slurmdbd's configuration; returns what slurm.conf says of it."""
    file = folder / "etc" / "slurmdbd.conf"
    file.write_text(
        _SLURMDBD.format(
            folder=folder, host=host, user=user, port=port, database_port=database_port
        )
    )
    file.chmod(0o600)
    (folder / "database").mkdir()
    return _SLURM.format(folder=folder, port=port)


def make_database(program: str, folder: Path, user: str) -> list[str]:
    """Make an empty MariaDB, without users; returns the arguments to start it on the loopback.

    Its system tables hold the procedures that slurmdbd keeps there.
    """
    common = [
        *("--no-defaults", f"--datadir={folder}/database", f"--user={user}"),
        *("--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0"),
    ]
    tables = Path("/usr/share/mysql/mysql_system_tables.sql").read_text()
    subprocess.run(
        [program, *common, "--bootstrap"],
        input=f"create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n{tables}",
        text=True, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return [
        *(*common, "--skip-grant-tables", "--bind-address=127.0.0.1"),
        *(f"--socket={folder}/run/db.sock", f"--pid-file={folder}/run/db.pid"),
    ]


def first_entries(user: str) -> list[list[str]]:
    """Commands that tell the database of the cluster, an account and the user."""
    manager = ["sacctmgr", "--immediate", "--quiet"]
    return [
        [*manager, "add", "cluster", "test"],
        [*manager, "add", "account", ACCOUNT, "Cluster=test"],
        [*manager, "add", "user", user, f"Account={ACCOUNT}", "Cluster=test", "AdminLevel=Admin"],
        [*manager, "modify", "user", user, "set", f"DefaultAccount={ACCOUNT}", "QOS=normal"],
    ]
