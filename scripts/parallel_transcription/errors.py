"""Errors that end a step with a one-line message: one tree, and how every script ends.

    InputError                 something given cannot be used; a person can mend it
    ├── AudioError             an audio file or a pattern (inputs.patterns)
    ├── Broken                 a model that breaks the engine (jobs.trial)
    ├── ClusterError           what stands in the way of submitting jobs (jobs.cluster)
    ├── ConfigurationError     a combination of dimensions that cannot exist (study.configuration)
    ├── FingerprintError       a file that cannot be read, or no valid Python (fingerprint)
    ├── MatchError             sides that cannot be one match (jobs.match)
    ├── ModelError             a model: not there, damaged, not to be had (inputs.model_names)
    ├── PackingError           a slot that does not fit on this machine (jobs.packing)
    ├── StudyError             a study: file, key, value and remedy (study.file)
    ├── TableError             a table or another result (errors)
    ├── TraceError             a trace of arrivals (inputs.traces)
    ├── Unreadable             what is no regular file, or cannot be read (inputs.regular_file)
    └── WalkLost               dummy weights that do not say their text here (jobs.trial)

Their messages begin with a lower-case letter, have no full stop, hold one fault a line, and name
what is wrong and the remedy.

Eight errors stand apart. `NotFilled` (a cache that a run needs) is an OSError and ends a script as
one: the measuring code knows nothing of ours. The others never reach the end of a script.
`CudaError`, `ProcessEnded` and `ServiceEnded` belong to the measured process: its supervisor writes
their texts into the run record. `NoAnswer` is kept with the request that a service did not answer.
`_Failed` ends a match inside of it. `DummyError` is a fault of the caller (a study can only name
what there is), and the code of dummy weights, which is a part of their identity, imports nothing
that may change. `Refused` is said to WeasyPrint, which asks for what a report does not bring along.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something given to us cannot be used; the message names it, the fault and a remedy."""


class TableError(InputError):
    """A table or another result is missing or cannot be used; the message says which and why."""


def reason(error: BaseException) -> str:
    """Why the system refused something, in its own words."""
    return getattr(error, "strerror", None) or str(error)


def run(main: Callable[[], int | None], refused: int = 1) -> None:
    """Run a script's main and end with its status.

    What stops it is said on standard error, a line `error: …` each, without a traceback. Statuses:
    0 done; 1 not done: the disk, the network, a run that is not ok; `refused` for input that cannot
    be used, 2 where a person names it on the command line (as argparse does); 130 interrupted.
    """
    try:
        sys.exit(main())
    except InputError as error:
        status, lines = refused, str(error).splitlines()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        status, lines = 1, [where + reason(error), *getattr(error, "__notes__", [])]
    except KeyboardInterrupt as error:
        status, lines = 130, ["interrupted", *getattr(error, "__notes__", [])]
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(status)
