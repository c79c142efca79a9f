"""One upload in a process of its own, so that its CPU and memory are its own.

`python -m tests.bench.upload_case WHO ENDPOINT FILE` prints what was measured as JSON.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final

import alibabacloud_oss_v2 as oss
from alibabacloud_oss_v2.client import Client
from alibabacloud_oss_v2.config import Config
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import AccessKey, BucketAddress, ConnectionLimits, OssConnection
from bot.cli.run import favour_the_loop
from bot.core.jobs import ProgressMeter
from bot.core.ports.chat import Digest
from bot.core.ports.store import ObjectMeta
from bot.sandbox.clock import SandboxClock
from bot.transfer.pool import TransferPool
from bot.transfer.uploader import Target, Uploader
from tests.bench.gauge import resident
from tests.bench.sink import BUCKET

REGION: Final = "cn-hongkong"
KEY: Final = AccessKey(access_key_id="LTAI-sandbox", access_key_secret="sandbox-secret")


class FileContent:
    """A file that is there already (fulfils the `Content` port)."""

    is_whole = True

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.size = self.largest = path.stat().st_size

    async def fill(self) -> Digest:
        """Return at once: nothing is missing."""
        return Digest(self.size, "")

    async def wait_for(self, end: int) -> int:
        """Return at once: everything is there."""
        del end
        return self.size

    def pread(self, count: int, offset: int) -> bytes:
        """Read at an offset."""
        return os.pread(self._file.fileno(), count, offset)


class NoJournal:
    """A benchmark has nothing to remember."""

    async def initiated(self, upload_id: str, part_size: int) -> None:
        """Forget it."""

    async def progressed(self) -> None:
        """Forget it."""

    async def completing(self) -> None:
        """Forget it."""

    async def completed(self) -> None:
        """Nothing is recorded."""


async def ours(endpoint: str, path: Path, connections: int, *, bucket: str = BUCKET) -> None:
    """Upload with the engine of this project."""
    address = BucketAddress(bucket=bucket, region=REGION, endpoint=endpoint)
    limits = ConnectionLimits(connections=connections + 1)
    connection = OssConnection(address, SandboxClock(), key=KEY, limits=limits)
    meta = ObjectMeta("application/octet-stream", "attachment", public=False)
    async with TransferPool(connections) as pool:
        uploader = Uploader(OssBucket(connection), pool, connections_per_file=connections)
        target = Target("bench/object", meta)
        await uploader.upload(FileContent(path), target, ProgressMeter(), NoJournal())
    connection.close()


async def sdk(endpoint: str, path: Path, **options: int) -> None:
    """Upload with the SDK's own uploader, in a thread."""
    config = Config(
        region=REGION,
        endpoint=endpoint,
        credentials_provider=StaticCredentialsProvider(KEY.access_key_id, KEY.access_key_secret),
    )
    uploader = Client(config).uploader(**options)
    request = oss.PutObjectRequest(bucket=BUCKET, key="bench/object")
    await asyncio.to_thread(uploader.upload_file, request, str(path))


LOOK_EVERY: Final = 0.005
"""Seconds between two looks at the memory; as for the rivals."""


def _measured(upload: Callable[[], Coroutine[None, None, None]]) -> dict[str, float]:
    memory = [before := resident()]

    def watch() -> None:
        while True:
            memory[0] = max(memory[0], resident())
            time.sleep(LOOK_EVERY)

    # As `relay-bot run` does at the end of its start.
    favour_the_loop()
    threading.Thread(target=watch, daemon=True).start()
    begun, cpu = time.perf_counter(), time.process_time()
    asyncio.run(upload())
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "rss": memory[0] - before,
    }


def main(who: str, endpoint: str, file: str) -> None:
    """Run one case and print it."""
    path = Path(file)
    cases: dict[str, Callable[[], Coroutine[None, None, None]]] = {
        "ours": lambda: ours(endpoint, path, 8),
        "ours16": lambda: ours(endpoint, path, 16),
        "sdk": lambda: sdk(endpoint, path),
        "sdk8": lambda: sdk(endpoint, path, parallel_num=8, part_size=8 << 20),
    }
    sys.stdout.write(json.dumps(_measured(cases[who])))


if __name__ == "__main__":
    main(*sys.argv[1:])
