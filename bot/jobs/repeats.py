"""A file that its owner has sent before, and whose link still lives, is copied instead of moved
again.
"""

from datetime import timedelta
from typing import Protocol

import structlog

from bot.core.errors import StoreError
from bot.core.jobs import Job
from bot.core.objects import StoredObject
from bot.core.ports.clock import Clock
from bot.core.ports.ledger import ObjectLedger
from bot.core.ports.source import Digest
from bot.transfer.completion import Uploaded
from bot.transfer.uploader import Target, UploadJournal

log = structlog.stdlib.get_logger(__name__)

STILL_LIVES_FOR = timedelta(minutes=1)
"""A source that ends sooner may go while it is copied."""


class CopyEngine(Protocol):
    """What is needed of the copier."""

    async def copy(self, source: str, target: Target, journal: UploadJournal) -> Uploaded:
        """Copy an object inside OSS; see `Copier.copy`."""


class Deduplicator:
    """Finds what the same owner has already; never across owners, since the speed would tell."""

    def __init__(self, objects: ObjectLedger, copies: CopyEngine, clock: Clock) -> None:
        self._objects = objects
        self._copies = copies
        self._clock = clock

    async def find(self, job: Job) -> tuple[Job, StoredObject] | None:
        """Return an earlier job with the same file and owner, and its live object, if any."""
        return await self._objects.same_file(job, self._clock.now() + STILL_LIVES_FOR)

    async def copy(
        self, earlier: tuple[Job, StoredObject], target: Target, journal: UploadJournal
    ) -> Digest | None:
        """Copy the earlier object; `None` if it cannot be done, then the file is
        relayed as usual.
        """
        before, source = earlier
        try:
            copied = await self._copies.copy(source.key, target, journal)
        except StoreError as error:
            log.info("not copied, relaying", job=before.id, code=error.code)
            return None
        return Digest(copied.size, before.sha256 or "")
