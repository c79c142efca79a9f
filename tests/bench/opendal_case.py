"""One upload with opendal in a process of its own, in the environment of the OSS clients.

`python opendal_case.py ENDPOINT BUCKET FILE CONCURRENT CHUNK` prints what was measured as JSON: as
`tests.bench.upload_case` does, which this environment cannot import.
"""

import json
import os
import sys
import threading
import time
from typing import Any

import opendal  # type: ignore[import-not-found]  # lives in an environment of its own.

LOOK_EVERY = 0.005
"""Seconds."""


def resident() -> int:
    """Return how many bytes of memory this process has now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- read often.
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def connect(endpoint: str, bucket: str) -> Any:
    """Return an operator of opendal; the sink checks no keys."""
    return opendal.Operator(
        "oss",
        bucket=bucket,
        endpoint=endpoint,
        access_key_id="LTAI-sandbox",
        access_key_secret="sandbox-secret",
        addressing_style="path",
        root="/",
    )


def upload(operator: Any, path: str, concurrent: int, chunk: int) -> None:
    """Upload a file in parts of `chunk` bytes, so many at once."""
    with (
        open(path, "rb", buffering=0) as source,  # noqa: PTH123 -- unbuffered.
        operator.open("bench/object", "wb", chunk=chunk, concurrent=concurrent) as target,
    ):
        while block := source.read(chunk):
            target.write(block)


def main(endpoint: str, bucket: str, path: str, concurrent: str, chunk: str) -> None:
    """Upload, and print what it took."""
    operator = connect(endpoint, bucket)
    operator.write("bench/warm", b"x")
    memory = [before := resident()]

    def watch() -> None:
        while True:
            memory[0] = max(memory[0], resident())
            time.sleep(LOOK_EVERY)

    threading.Thread(target=watch, daemon=True).start()
    begun, cpu = time.perf_counter(), time.process_time()
    upload(operator, path, int(concurrent), int(chunk))
    figures = {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "rss": memory[0] - before,
    }
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
