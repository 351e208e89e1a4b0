#!/usr/bin/env python3
"""A small transcription service to measure: OpenAI's POST /v1/audio/transcriptions on 127.0.0.1.

At most --at-once requests are transcribed at a time; the others wait, the oldest first or the
shortest first. Each of several --processes has a model, and a queue, of its own.
"""

import argparse
import asyncio
import io
import itertools
import os
import queue
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import uvicorn
from faster_whisper import WhisperModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

ARGUMENTS = "REFERENCE_SERVICE"  # what uvicorn's processes are told


def parser() -> argparse.ArgumentParser:
    """Its options; those of the model are called as `WhisperModel` calls them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--model", required=True, help="a CTranslate2 folder")
    options.add_argument("--device", default="cpu")
    options.add_argument("--compute-type", default="int8")
    options.add_argument("--num-workers", type=int, default=1)
    options.add_argument("--cpu-threads", type=int, default=0)
    options.add_argument("--processes", type=int, default=1)
    options.add_argument("--at-once", type=int, default=0, help="0: as many as workers")
    options.add_argument("--queue", choices=["fifo", "shortest"], default="fifo")
    return options


def application() -> Starlette:
    """The service; uvicorn calls this once in each process."""
    given = parser().parse_args(os.environ[ARGUMENTS].split("\n"))
    model = WhisperModel(given.model, given.device, compute_type=given.compute_type,
                         num_workers=given.num_workers, cpu_threads=given.cpu_threads)  # fmt: skip
    waiting: queue.PriorityQueue = queue.PriorityQueue()
    numbers = itertools.count()

    def work() -> None:
        while True:
            _, _, sound, language, done = waiting.get()
            try:
                segments, info = model.transcribe(io.BytesIO(sound), language=language)
                text = "".join(segment.text for segment in segments).strip()
                done.set_result({"text": text, "language": info.language})
            except Exception as error:
                done.set_exception(error)

    for _ in range(given.at_once or given.num_workers):
        threading.Thread(target=work, daemon=True).start()

    async def transcribe(request: Request) -> JSONResponse:
        async with request.form() as form:
            sound, language = await form["file"].read(), form.get("language")
        done: Future = Future()
        rank = len(sound) if given.queue == "shortest" else 0
        waiting.put((rank, next(numbers), sound, language, done))
        return JSONResponse(await asyncio.wrap_future(done))

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/v1/audio/transcriptions", transcribe, methods=["POST"]),
                             Route("/health", health)])  # fmt: skip


if __name__ == "__main__":
    given = parser().parse_args()
    os.environ[ARGUMENTS] = "\n".join(sys.argv[1:])
    uvicorn.run("reference_service:application", factory=True, app_dir=str(Path(__file__).parent),
                host="127.0.0.1", port=given.port, workers=given.processes, log_level="warning",
                access_log=False)  # fmt: skip
