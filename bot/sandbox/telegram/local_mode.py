"""Files of a Bot API server in local mode: on its disk, of any size, cleaned up daily.

Sources: github tdlib/telegram-bot-api (`--local`, `HttpServer.h` for the idle cut of 500 s);
tdlib/td `FileGcParameters.cpp`, `StorageManager.h` (what its daily clean-up removes).
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bot.sandbox.clock import SandboxClock
from bot.sandbox.shaping import Bandwidth, Throttle
from bot.sandbox.telegram.errors import restarting
from bot.sandbox.telegram.files import StoredFile

CUT_OFF_AFTER: Final = timedelta(seconds=500)
"""A request that has no answer by then is cut off; the download goes on."""

IMMUNE_FOR: Final = timedelta(hours=1)
UNUSED_FOR: Final = timedelta(hours=23)
KEPT_BYTES: Final = 100 << 20
CLEAN_UP_EVERY: Final = timedelta(days=1)


class RequestCutOff(Exception):
    """The request took too long; the server closes the connection without an answer."""


@dataclass
class _Copy:
    """A file on the server's disk: `path` and when it was asked for last."""

    path: Path
    used_at: datetime


class LocalFileServer:
    """Downloads files to the server's disk, by the clock; bandwidth (`Shape.down_…`) is real.

    `delay` is how long the server downloads before it starts to copy; `hold` and `release` stop
    and continue all downloads. Paths lie below `root`, in a folder named like the token.
    `on_change` is awaited when a download has ended or a clean-up is over.
    """

    def __init__(self, root: Path, token: str, clock: SandboxClock, bandwidth: Bandwidth) -> None:
        self.root = root
        self.on_change: Callable[[], Awaitable[None]] | None = None
        self.delay = timedelta()
        self.idle_cut = CUT_OFF_AFTER
        self._folder = root / token
        self._clock = clock
        self._bandwidth = bandwidth
        self._total = Throttle()
        self._copies: dict[str, _Copy] = {}
        self._running: dict[str, asyncio.Task[Path]] = {}
        self._open = asyncio.Event()
        self._open.set()
        self._cleaner: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Make the folder, as the server does, and begin to clean up once a day."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._cleaner = asyncio.create_task(self._clean_daily())

    async def stop(self) -> None:
        """Cancel downloads and clean-up."""
        tasks: list[asyncio.Task[Path] | asyncio.Task[None]] = [*self._running.values()]
        if self._cleaner is not None:
            tasks.append(self._cleaner)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def hold(self) -> None:
        """Stop all downloads where they are, until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Continue all downloads."""
        self._open.set()

    @property
    def paths(self) -> list[Path]:
        """Return the files that are on the server's disk now."""
        return [copy.path for copy in self._copies.values() if copy.path.exists()]

    @property
    def downloading(self) -> int:
        """Return how many downloads run."""
        return len(self._running)

    def vanish(self, path: Path) -> None:
        """Delete a file, as a clean-up at a bad moment does."""
        path.unlink(missing_ok=True)

    async def fetch(self, stored: StoredFile) -> Path:
        """Return the absolute path of a file once it is whole; a second call joins the first.

        Raises:
            RequestCutOff: that took too long for one request; ask again.
            ApiError: the server stops.
        """
        task = self._running.get(stored.file_id)
        if task is None:
            task = asyncio.create_task(self._download(stored, self._clock.now() + self.delay))
            self._running[stored.file_id] = task
            task.add_done_callback(lambda _: self._running.pop(stored.file_id, None))
        cut = asyncio.create_task(self._clock.sleep_until(self._clock.now() + self.idle_cut))
        try:
            done, _ = await asyncio.wait({task, cut}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            cut.cancel()
        if task not in done:
            raise RequestCutOff
        if task.cancelled():
            raise restarting()
        return task.result()

    async def _download(self, stored: StoredFile, due: datetime) -> Path:
        path = self._folder / stored.remote_path
        if not path.exists():
            await self._clock.sleep_until(due)
            await self._open.wait()
            await self._transfer(stored.size)
            await asyncio.to_thread(_copy, stored.source, path)
        self._copies[stored.file_id] = _Copy(path, self._clock.now())
        await self._touch()
        return path

    async def _transfer(self, size: int) -> None:
        await Throttle().pass_through(size, self._bandwidth.shape.down_per_connection)
        await self._total.pass_through(size, self._bandwidth.shape.down_total)

    async def _clean_daily(self) -> None:
        due = self._clock.now()
        while True:
            due += CLEAN_UP_EVERY
            await self._clock.sleep_until(due)
            self.clean_up()
            await self._touch()

    async def _touch(self) -> None:
        if self.on_change is not None:
            await self.on_change()

    def clean_up(self) -> list[Path]:
        """Remove files unused for 23 h, and the oldest beyond 100 MiB in total, but none of the
        last hour. Return the removed paths.
        """
        now = self._clock.now()
        present = [copy for copy in self._copies.values() if copy.path.exists()]
        present.sort(key=lambda copy: copy.used_at)
        total = sum(copy.path.stat().st_size for copy in present)
        gone = []
        for copy in present:
            age = now - copy.used_at
            if age > UNUSED_FOR or (age > IMMUNE_FOR and total > KEPT_BYTES):
                total -= copy.path.stat().st_size
                copy.path.unlink()
                gone.append(copy.path)
        return gone


def _copy(source: Path, target: Path) -> None:
    """Create `target` atomically: a hard link where possible, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    partial.replace(target)
