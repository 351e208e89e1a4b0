"""What tests do with studies: run a script on a results folder, build the results of a study."""

from __future__ import annotations

import contextlib
import io
import runpy
import subprocess
import sys

from project import ROOT


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script in this process: importing pandas anew takes longer than all the rest.

    Args:
        name: The script's file name in scripts/.
        arguments: Its command line.

    Returns:
        Exit status, standard output and standard error, as of a process.
    """
    out, err = io.StringIO(), io.StringIO()
    code: int | str = 0
    before = sys.argv
    sys.argv = [name, *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            runpy.run_path(str(ROOT / "scripts" / name), run_name="__main__")
    except SystemExit as error:
        code = error.code or 0
        if isinstance(code, str):  # the interpreter would print it and exit with 1
            err.write(f"{code}\n")
            code = 1
    finally:
        sys.argv = before
    return subprocess.CompletedProcess(sys.argv, code, out.getvalue(), err.getvalue())
