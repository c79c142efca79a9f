"""The links that the bot shows in its messages, opened as strangers open them."""

import asyncio
import hashlib
import html
import re
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp

from bot.sandbox.telegram.flood import FloodMode
from tests.bench.stage import Sandbox

SAYING: Final = frozenset({"sendMessage", "editMessageText"})
LOOK_EVERY: Final = 0.3
LOOKS: Final = 15
"""So often a call that has no answer is looked at: that of a process that was killed gets none."""
AT_ONCE: Final = 4
"""Links that are opened at the same time."""
SOON: Final = timedelta(minutes=2)
"""A link that ends within it is opened once more after its end."""
AFTER_END: Final = 1.5
"""Seconds after the end of a link at which it is opened once more."""
_LINK: Final = re.compile(r'href="([^"]+)"')


class NotOpenedError(Exception):
    """A link did not give its file; says why."""


@dataclass(frozen=True, slots=True)
class Saying:
    """A message that shows a link: when the call came, and its status, 0 where the caller was
    gone before the answer.
    """

    at: float
    chat_id: int
    status: int
    is_new: bool
    """Of a new message, not of an edit."""


class LinkWatch:
    """Reads the calls of the bot as they come."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._read = 0
        self._looked = asyncio.Event()
        self._opening = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._urls: dict[str, str] = {}
        self.shown: dict[str, list[Saying]] = {}
        """What was said about each object, by its key."""
        self.digests: dict[str, str] = {}
        """SHA-256 in hex of what the link of an object gave."""
        self.unopened: dict[str, str] = {}
        """Why the link of an object did not open, by its key."""
        self.past_end: list[str] = []
        """Keys of objects whose link opened after its end."""

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch inside the block."""
        await self._sandbox.telegram.set_flood(FloodMode.OFF)
        timeout = aiohttp.ClientTimeout(total=60)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            watching = group.create_task(self._watch(session))
            try:
                yield
            finally:
                for task in (watching, *self._tasks):
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Wait until every link shown so far was opened, and those that end soon once more after
        their ends.
        """
        shown = self._read + len(await self._sandbox.telegram.log(since=self._read))
        while self._read < shown:
            self._looked.clear()
            await self._looked.wait()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        looks = 0
        while True:
            entries = await self._sandbox.telegram.log(since=self._read)
            # One that has no answer yet is read again for a while, and with it those behind it.
            waiting = [n for n, entry in enumerate(entries) if _is_open(entry)]
            if waiting and looks < LOOKS:
                entries, looks = entries[: waiting[0]], looks + 1
            else:
                looks = 0
            self._read += len(entries)
            for entry in entries:
                if entry["operation"] in SAYING:
                    self._note(session, entry)
            self._looked.set()
            await asyncio.sleep(LOOK_EVERY)

    def _note(self, session: aiohttp.ClientSession, entry: Mapping[str, Any]) -> None:
        params = entry["params"]
        saying = Saying(
            datetime.fromisoformat(entry["at"]).timestamp(),
            int(params["chat_id"]),
            entry["status"],
            entry["operation"] == "sendMessage",
        )
        for found in _LINK.findall(str(params.get("text", ""))):
            url = html.unescape(found)
            key = key_of(url)
            self.shown.setdefault(key, []).append(saying)
            if key not in self._urls:
                self._urls[key] = url
                self._do(self._open(session, key, url))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, session: aiohttp.ClientSession, key: str, url: str) -> None:
        async with self._opening:
            try:
                self.digests[key] = await _digest(session, url)
            except NotOpenedError as error:
                self.unopened[key] = str(error)
        left = end_of(url) - time.time()
        if left < SOON.total_seconds():
            await asyncio.sleep(max(left, 0) + AFTER_END)
            await self._open_ended(session, key, url)

    async def open_all(self) -> None:
        """Open all links once more, after the end of all of them."""
        async with aiohttp.ClientSession() as session:
            for key, url in self._urls.items():
                await self._open_ended(session, key, url)

    async def _open_ended(self, session: aiohttp.ClientSession, key: str, url: str) -> None:
        with suppress(NotOpenedError):
            await _digest(session, url)
            self.past_end.append(key)


def _is_open(entry: Mapping[str, Any]) -> bool:
    """Return whether a call has no answer. A poll waits for updates, and is none of those that
    matter.
    """
    return entry["operation"] in SAYING and not entry["status"]


def key_of(url: str) -> str:
    """Return the key of the object of a link, in path style."""
    return unquote(urlsplit(url).path).lstrip("/").partition("/")[2]


def end_of(url: str) -> float:
    """Return when a signed link ends, in POSIX seconds."""
    query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    if "expires" in query:
        return float(query["expires"])
    signed = datetime.strptime(query["x-oss-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return signed.timestamp() + float(query["x-oss-expires"])


async def _digest(session: aiohttp.ClientSession, url: str) -> str:
    """Return the digest of what a link gives.

    Raises:
        NotOpenedError: it is refused, or broken off.
    """
    digest = hashlib.sha256()
    try:
        async with session.get(url) as answer:
            if answer.status != 200:
                raise NotOpenedError(f"{answer.status} {(await answer.text())[:200]}")
            async for block in answer.content.iter_chunked(1 << 16):
                digest.update(block)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NotOpenedError(repr(error)) from error
    return digest.hexdigest()
