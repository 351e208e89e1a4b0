"""Two files, one WhisperModel with two workers, no harness: what anyone would write."""

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


for _ in range(4):
    with ThreadPoolExecutor(len(files)) as pool:
        begin = time.monotonic()
        for done in [pool.submit(transcribe, file) for file in files]:
            done.result()
        makespan = time.monotonic() - begin
    print(makespan, flush=True)
