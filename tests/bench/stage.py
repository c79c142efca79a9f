"""Three processes: both stand-ins in one, the bot in another, and a person here.

Nothing that is measured shares an event loop or an interpreter's lock with what it is measured
against. All of them share the processors, which is why figures come with a reference.
"""

import asyncio
import json
import os
import re
import sys
import tomllib
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.sandbox.oss.remote import RemoteOss
from bot.sandbox.telegram import VisibleMessage
from bot.sandbox.telegram.remote import RemoteChat, RemoteTelegram
from bot.sandbox.telegram.users import User
from tests.bench.gauge import Window

FILE_SIZE: Final = 20_000_000
START_TIMEOUT: Final = 60.0
"""Real seconds for a process to be there, or to be gone."""
PATIENCE: Final = 60.0
"""Real seconds for the slowest thing that is waited for."""

_LINK: Final = re.compile(r'href="([^"]+)"')


class BenchFailed(Exception):
    """A process to be measured did not work at all; the text says why."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Both stand-ins, as a process `pid` beside this one; `settings` is the file that fits
    them.
    """

    settings: Path
    telegram: RemoteTelegram
    oss: RemoteOss
    bucket: str
    user: User
    pid: int

    @property
    def chat(self) -> RemoteChat:
        """The private chat of the user with the bot."""
        return self.telegram.private_chat(self.user)

    async def shape(self, rate: float | None) -> None:
        """Let downloads have `rate` bytes per second in total, and uploads as much; `None` for as
        fast as it goes.
        """
        await self.telegram.set_shape(down_total=rate)
        await self.oss.set_shape(up_total=rate)


class WatchedBot:
    """The bot in its own process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def window(self) -> Window:
        """End an interval of measuring and return it; the next one begins."""
        return Window(**await self._exchange())

    async def _exchange(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        answer: dict[str, Any] = json.loads(await _line(self._process))
        return answer


@asynccontextmanager
async def running_sandbox(folder: Path, *options: str) -> AsyncIterator[Sandbox]:
    """Run both stand-ins with their data below `folder`; `options` are those of the command.

    Raises:
        BenchFailed: they did not start.
    """
    async with _running("bot", "sandbox", "--folder", str(folder), *options) as process:
        while not (await _line(process)).startswith(b"settings"):
            pass
        path = folder / "settings.toml"
        settings = tomllib.loads(await asyncio.to_thread(path.read_text, encoding="utf-8"))
        telegram = RemoteTelegram(settings["telegram"]["base_url"])
        oss = RemoteOss(settings["oss"]["endpoint"])
        user = User(id=settings["access"]["users"][0], first_name="Alice")
        async with telegram, oss:
            yield Sandbox(path, telegram, oss, settings["oss"]["bucket"], user, process.pid)


@asynccontextmanager
async def running_bot(
    sandbox: Sandbox, more: Mapping[str, str] | None = None
) -> AsyncIterator[WatchedBot]:
    """Run the bot against the stand-ins; `more` are further settings as variables.

    Raises:
        BenchFailed: it did not start.
    """
    log = sandbox.settings.with_name("bot.log")
    variables = {"RELAY_SPOOL__KEEP_FREE": "0", **(more or {})}
    module = ("tests.bench.watched", str(sandbox.settings), str(log))
    async with _running(*module, variables=variables) as process:
        await _line(process)
        yield WatchedBot(process)


@asynccontextmanager
async def _running(
    *module: str, variables: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    # What the caller's own bot is set to is none of the benchmark's business.
    own = {name: text for name, text in os.environ.items() if not name.startswith("RELAY_")}
    environment = {**own, **(variables or {})}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module, stdin=PIPE, stdout=PIPE, env=environment
    )
    try:
        yield process
    finally:
        await _end(process, gently=module[0].endswith("watched"))


async def _end(process: Process, *, gently: bool) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        if not gently:
            process.terminate()
        async with asyncio.timeout(START_TIMEOUT):
            await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _line(process: Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(START_TIMEOUT):
        line = await process.stdout.readline()
    if not line:
        raise BenchFailed(f"process {process.pid} ended before it should")
    return line


async def answers(chat: RemoteChat, count: int, *, after: int) -> Sequence[VisibleMessage]:
    """Wait until `count` files have their links in messages behind the one with id `after`.

    Raises:
        TimeoutError: they had not in time.
    """
    found: list[VisibleMessage] = []
    async with asyncio.timeout(PATIENCE):
        while sum(len(links(answer)) for answer in found) < count:
            found = await chat.wait_for(
                _LINK.pattern, count=len(found) + 1, after=after, timeout=PATIENCE
            )
    return found


def links(answer: VisibleMessage) -> Sequence[str]:
    """Return the links of an answer."""
    return _LINK.findall(answer.html)


def make_file(folder: Path) -> Path:
    """Write a file of random bytes of the size that is measured."""
    path = folder / "sent.bin"
    path.write_bytes(os.urandom(FILE_SIZE))
    return path
