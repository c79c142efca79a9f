"""The spool: files between Telegram and OSS, within a quota and above a minimum of free disk
space.
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from bot.core.errors import DiskFull, SpoolQuotaTooSmall
from bot.transfer.spool_file import SpoolFile, disk_errors

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return an id that changes at every boot; empty if the system has none.

    Bytes that were written before a reboot may never have reached the disk, though the file's size
    includes them (source: `man 5 proc`, random/boot_id).
    """
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def free_bytes(folder: Path) -> int:
    """Return the number of free bytes on the disk of a folder, which may not exist yet. Blocks."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class SpaceReservation:
    """Divides a number of bytes among the files of the spool. Belongs to one event loop.

    The order is strict: a small file does not overtake a large one that waits, which might
    otherwise wait for ever.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._reserved = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def reserved(self) -> int:
        """Bytes that are reserved at this moment."""
        return self._reserved

    @property
    def waiting(self) -> int:
        """Number of files that wait for room."""
        return len(self._waiting)

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Wait until `size` bytes are free, and hold them inside the block.

        A cancel while waiting leaves the queue at once.

        Raises:
            SpoolQuotaTooSmall: `size` is more than all bytes together.
        """
        if size > self.total:
            raise SpoolQuotaTooSmall(f"{size} bytes, the spool may have {self.total}")
        await self._take(size)
        try:
            yield
        finally:
            self._give_back(size)

    async def _take(self, size: int) -> None:
        if not self._waiting and self._fits(size):
            self._reserved += size
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove((size, turn))
                # The next file in the queue may fit where this one did not.
                self._admit()
            else:
                # The room was granted at the same moment as the cancel.
                self._give_back(size)
            raise

    def _give_back(self, size: int) -> None:
        self._reserved -= size
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting[0]
            if turn.cancelled():
                # Its task has not run yet; it will remove itself and come back here.
                return
            self._waiting.popleft()
            self._reserved += size
            turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._reserved + size <= self.total


_NAME: Final = re.compile(r"([0-9]+)\.part")


class Spool:
    """A folder with one file `<job id>.part` per running job. Belongs to one event loop.

    `quota` is bytes for all files together, `keep_free` bytes that must stay free on the disk.
    Files of at most `in_memory` bytes are kept in memory; each counts for the quota all the same.
    `keeps` is set when the process stops: from then on files stay for the next start. A folder
    that is created here has mode 0700; an existing one keeps its mode.
    """

    def __init__(self, folder: Path, *, quota: int, keep_free: int, in_memory: int = 0) -> None:
        self.folder = folder
        self._in_memory = in_memory
        self.keep_free = keep_free
        self.keeps = False
        self._quota = SpaceReservation(quota)
        self._files: dict[int, SpoolFile] = {}

    @property
    def quota(self) -> SpaceReservation:
        """The quota of the spool and its reservations."""
        return self._quota

    @asynccontextmanager
    async def open(
        self, job_id: int, *, largest: int, resume: bool = False
    ) -> AsyncIterator[SpoolFile]:
        """Reserve `largest` bytes, and open a file of at most that size.

        Waits for room in the order of the calls. With `resume` the file of an earlier run is
        reused. On exit, with or without an error, the file is removed and the room released.

        Raises:
            SpoolQuotaTooSmall: `largest` is more than the whole quota.
            DiskFull: the disk would have less than `keep_free` left.
            DiskError: the file cannot be created or opened.
            ValueError: the job has a file open already.
        """
        if job_id in self._files:
            raise ValueError(f"job {job_id} has a file in the spool already")
        async with self._quota.reserve(largest):
            file = self._reserved(job_id, largest)
            self._files[job_id] = file
            try:
                await file.open(resume=resume)
                yield file
            finally:
                del self._files[job_id]
                await file.close(keep=self.keeps)

    def _reserved(self, job_id: int, largest: int) -> SpoolFile:
        path = self.folder / f"{job_id}.part"
        if largest <= self._in_memory:
            return SpoolFile(path, largest, in_memory=True)
        with disk_errors():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_floor(largest)
        return SpoolFile(path, largest)

    def _check_floor(self, size: int) -> None:
        # Reserved room that is not yet written looks free but is not.
        promised = sum(file.largest - file.size for file in self._files.values())
        left = free_bytes(self.folder) - promised - size
        if left < self.keep_free:
            raise DiskFull(f"{left} bytes would be left on the disk, {self.keep_free} must be")

    def require_writable(self) -> None:
        """Make the folder if needed, and a file in it that is gone at once. Blocks.

        Raises:
            DiskFull, DiskError: the disk does not let us.
        """
        with disk_errors():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with TemporaryFile(dir=self.folder):
                pass

    def missing(self) -> int:
        """Return the number of bytes that the disk has below `keep_free`, 0 if it has enough."""
        return max(0, self.keep_free - self.free())

    def free(self) -> int:
        """Return the number of free bytes on the disk."""
        return free_bytes(self.folder)

    def sizes(self) -> dict[int, int]:
        """Return how many bytes of each job are on the disk. Blocks like `sweep`.

        Raises:
            DiskError: the folder cannot be read.
        """
        with disk_errors():
            return {
                int(match[1]): path.stat().st_size
                for path in (self.folder.iterdir() if self.folder.is_dir() else ())
                if (match := _NAME.fullmatch(path.name))
            }

    def sweep(self, keep: Set[int]) -> int:
        """Remove every file of a job that is neither in `keep` nor running; return how many.

        Blocks for as long as it takes to list the folder; meant for the start. Other files are
        left alone.

        Raises:
            DiskError: a file cannot be removed.
        """
        removed = 0
        with disk_errors():
            for path in self.folder.iterdir() if self.folder.is_dir() else ():
                match = _NAME.fullmatch(path.name)
                if match and int(match[1]) not in keep and int(match[1]) not in self._files:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed
