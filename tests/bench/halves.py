"""The two halves of a relay, each alone: what no bot can be faster than.

The download is a plain streaming GET that keeps nothing; the upload is that of this project, from
a file that is on disk already.
"""

import resource
import time
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.stage import BenchFailed, Sandbox
from tests.bench.upload_case import ours

BLOCK = 256 << 10


@dataclass(frozen=True, slots=True)
class Half:
    """What one half took: seconds, and seconds of CPU of this process."""

    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Halves:
    """Both halves of the same bytes, measured one after the other."""

    download: Half
    upload: Half

    @property
    def slower(self) -> float:
        """Seconds of the half that sets the pace."""
        return max(self.download.seconds, self.upload.seconds)

    @property
    def together(self) -> float:
        """Seconds if the second began when the first is done."""
        return self.download.seconds + self.upload.seconds

    @property
    def cpu(self) -> float:
        """Seconds of CPU of both."""
        return self.download.cpu + self.upload.cpu


async def measure_halves(sandbox: Sandbox, path: Path, *, times: int = 1) -> Halves:
    """Download the file `times` times, then upload it as often; while no bot runs."""
    async with aiohttp.ClientSession() as session:
        url = await _address(session, sandbox, path)
        download = await _timed(lambda: _download(session, url), times)
    settings = tomllib.loads(sandbox.settings.read_text(encoding="utf-8"))
    endpoint, bucket = settings["oss"]["endpoint"], settings["oss"]["bucket"]
    upload = await _timed(lambda: ours(endpoint, path, 8, bucket=bucket), times)
    return Halves(download, upload)


async def _timed(work: Callable[[], Awaitable[None]], times: int) -> Half:
    begun, cpu = time.perf_counter(), _cpu()
    for _ in range(times):
        await work()
    return Half(time.perf_counter() - begun, _cpu() - cpu)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _address(session: aiohttp.ClientSession, sandbox: Sandbox, path: Path) -> str:
    """Send a file and find it as a bot without any comfort does; the bot never hears of it."""
    await sandbox.chat.send_file(sandbox.user, content=path, name="alone.bin")
    info = await sandbox.telegram.info()
    bot = f"{info['base_url']}{info['token']}"
    update = (await _call(session, f"{bot}/getUpdates"))[-1]
    await _call(session, f"{bot}/getUpdates", offset=update["update_id"] + 1)
    file_id = update["message"]["document"]["file_id"]
    file = await _call(session, f"{bot}/getFile", file_id=file_id)
    return f"{info['file_url']}{info['token']}/{file['file_path']}"


async def _call(session: aiohttp.ClientSession, url: str, **arguments: Any) -> Any:
    async with session.post(url, json=arguments) as answer:
        body = await answer.json()
    if not body["ok"]:
        raise BenchFailed(body["description"])
    return body["result"]


async def _download(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as answer:
        answer.raise_for_status()
        async for _ in answer.content.iter_chunked(BLOCK):
            pass
