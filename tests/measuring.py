"""What tests of the measured process give to it: a task and a protocol."""

from dataclasses import replace

from parallel_transcription.inputs import models
from parallel_transcription.inputs.model_names import parse_model
from parallel_transcription.measure.messages import Protocol, Task
from parallel_transcription.study.configuration import complete
from project import ROOT

PROTOCOL = Protocol(repeats=1, warmups=1, timeout_s=60.0, load_timeout_s=60.0)
BRIEF = replace(PROTOCOL, warmups=0)
CLIP = str(ROOT / "audio" / "english-short.opus")


def task(files=(CLIP, CLIP), **values):
    """What a measured process is told: one model of the demonstration model unless said."""
    configuration = complete(
        {"strategy": "one_model", "language": "en", "cpu_threads": 1}
        | {"files_in_parallel": len(files)}
        | values
    )
    model = ROOT / models.prepare(parse_model("mini-en"), "unused")["path"]
    return Task(configuration=configuration, model_path=str(model), files=list(files))
