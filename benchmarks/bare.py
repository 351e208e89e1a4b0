"""Two files, one WhisperModel with two workers, no harness: what anyone would write.

A pass for every line on standard input; each prints its makespan and CPU time in seconds.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from faster_whisper import WhisperModel

folder, *files = sys.argv[1:]
model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1, num_workers=2)


def transcribe(path):
    segments, _ = model.transcribe(path, language="en")
    for _ in segments:
        pass


for _ in sys.stdin:
    with ThreadPoolExecutor(len(files)) as pool:
        before, begin = os.times(), time.monotonic()
        for done in [pool.submit(transcribe, file) for file in files]:
            done.result()
        makespan, after = time.monotonic() - begin, os.times()
    print(makespan, after.user - before.user + after.system - before.system, flush=True)
