"""The spool: files on their way from Telegram to OSS, below a quota and above a floor."""

import os
import re
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bot.core.errors import DiskFull
from bot.transfer.disk import disk_errors
from bot.transfer.quota import SpaceReservation
from bot.transfer.spool_file import SpoolFile

_NAME: Final = re.compile(r"([0-9]+)\.part")


class Spool:
    """A folder with one file `<job id>.part` per running job. Lives in one event loop.

    `quota` is bytes for all files together, `keep_free` bytes that must stay free on the disk.
    `keeps` is set when the process stops: from then on files stay for the next start. A folder
    that is made here has mode 0700; one that exists keeps the mode that its owner gave it.
    """

    def __init__(self, folder: Path, *, quota: int, keep_free: int) -> None:
        self.folder = folder
        self.keep_free = keep_free
        self.keeps = False
        self._quota = SpaceReservation(quota)
        self._files: dict[int, SpoolFile] = {}

    @property
    def quota(self) -> SpaceReservation:
        """The room of the spool."""
        return self._quota

    @asynccontextmanager
    async def open(
        self, job_id: int, *, largest: int, resume: bool = False
    ) -> AsyncIterator[SpoolFile]:
        """Reserve `largest` bytes, and open a file that may become so large.

        Waits for room in the order of the calls. With `resume` what an earlier run has left is
        taken over. On the way out the file is removed and the room given back, whatever happened.

        Raises:
            SpoolQuotaTooSmall: `largest` is more than the whole quota.
            DiskFull: the disk would have less than `keep_free` left.
            DiskError: the disk does not let us.
            ValueError: the job has a file open already.
        """
        if job_id in self._files:
            raise ValueError(f"job {job_id} has a file in the spool already")
        async with self._quota.reserve(largest):
            with disk_errors():
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._check_floor(largest)
            file = SpoolFile(self.folder / f"{job_id}.part", largest)
            self._files[job_id] = file
            try:
                await file.open(resume=resume)
                yield file
            finally:
                del self._files[job_id]
                await file.close(keep=self.keeps)

    def _check_floor(self, size: int) -> None:
        disk = os.statvfs(self.folder)
        # Room that others have reserved and not yet written looks free and is not.
        promised = sum(file.largest - file.size for file in self._files.values())
        left = disk.f_bavail * disk.f_frsize - promised - size
        if left < self.keep_free:
            raise DiskFull(f"{left} bytes would be left on the disk, {self.keep_free} must be")

    def missing(self) -> int:
        """Return how many bytes the disk has less than `keep_free`, 0 where it has enough."""
        return max(0, self.keep_free - self.free())

    def free(self) -> int:
        """Return how many bytes are free on the disk."""
        folder = self.folder.absolute()
        while not folder.exists():
            folder = folder.parent
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize

    def sweep(self, keep: Set[int]) -> int:
        """Remove every file of a job that is neither in `keep` nor running; return how many.

        Blocks for as long as it takes to list the folder; meant for the start. What does not look
        like a file of the spool is left alone.

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
