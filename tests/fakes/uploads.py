"""An uploader that follows a script, for tests of what is built around one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from bot.core.jobs import Phase, ProgressMeter
from bot.core.ports.chat import Content
from bot.transfer.body import crc64
from bot.transfer.multipart import Uploaded
from bot.transfer.uploader import Target, UploadJournal

PART_SIZE = 1 << 20


class FakeUploads:
    """Fulfils the `UploadEngine` protocol of the relay. Waits for the whole content, like a real
    upload for its last byte.
    """

    def __init__(self) -> None:
        self.targets: list[Target] = []
        """What was to be uploaded, in the order of the calls."""
        self.failures: list[BaseException] = []
        """Raised one by one, after the upload id is in the journal."""
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        """Held back by clearing it; set from the start."""
        self.may_end.set()
        self.result_wins = False
        """Whether a cancel that comes while it is held back loses, as one after Complete does."""
        self.uploaded_size: int | None = None
        """Told instead of the real size, to play a file that was cut on its way."""
        self.last_modified: datetime | None = None
        """Told as the time of the object at OSS."""
        self.on_begin: Callable[[Target], Awaitable[None]] | None = None

    async def upload(
        self, content: Content, target: Target, meter: ProgressMeter, journal: UploadJournal
    ) -> Uploaded:
        """Upload by the script."""
        self.targets.append(target)
        if self.on_begin is not None:
            await self.on_begin(target)
        if target.upload_id is None:
            await journal.initiated(f"upload-{len(self.targets)}", PART_SIZE)
        self.began.set()
        if self.failures:
            raise self.failures.pop(0)
        await self._wait()
        size = await content.wait_for(content.largest + 1)
        await journal.progressed()
        meter.phase = Phase.FINISHING
        meter.set_part(1, size)
        told = self.uploaded_size if self.uploaded_size is not None else size
        return Uploaded(told, crc64(content.pread(size, 0)), self.last_modified)

    async def _wait(self) -> None:
        if not self.result_wins:
            await self.may_end.wait()
            return
        while not self.may_end.is_set():
            with suppress(asyncio.CancelledError):
                await self.may_end.wait()
