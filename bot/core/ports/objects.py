"""The ledger of objects and their due dates. Every method is one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.core.jobs import Job
from bot.core.objects import StoredObject


class ObjectLedger(Protocol):
    """Objects and their due dates."""

    async def plan(self, job: Job, key: str, due_at: datetime) -> StoredObject:
        """Store the intention to create `key`, before any request that names it."""

    async def initiated(self, object_id: int, upload_id: str, part_size: int) -> None:
        """Store the upload id and the part size, before the first part is sent."""

    async def planned_for(self, job_id: int) -> StoredObject | None:
        """Return the newest planned object of a job, to go on with it."""

    async def of_jobs(self, job_ids: Sequence[int]) -> dict[int, StoredObject]:
        """Return the newest object of each of these jobs."""

    async def live_of(self, owner_id: int) -> list[tuple[Job, StoredObject]]:
        """Return the live objects of an owner with their jobs, the newest first."""

    async def live_in(self, chat_ids: Sequence[int]) -> list[tuple[Job, StoredObject]]:
        """Return the live objects that came from these chats with their jobs, the newest first."""

    async def same_file(self, job: Job, live_until: datetime) -> tuple[Job, StoredObject] | None:
        """Return the newest done job of the same bot and owner with the same `file_unique_id`
        whose object lives at least until then, with that object.
        """

    async def revoke(self, job_id: int, now: datetime) -> bool:
        """Make the live object of a job due now, because its owner said so."""

    async def abandon(self, object_id: int, now: datetime) -> None:
        """Make a planned object due now: what exists of it must go."""

    async def due(self, now: datetime, limit: int) -> list[StoredObject]:
        """Return objects that must go now, links before leftovers, the longest overdue first; none
        that a running job still works on.
        """

    async def live(self) -> list[StoredObject]:
        """Return all live objects."""

    async def of_keys(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that the ledger knows, gone ones included."""

    async def of_unfinished_jobs(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that a queued or running job goes on with."""

    async def overdue(self, now: datetime) -> list[StoredObject]:
        """Return live objects that should be gone, postponed ones included."""

    async def next_due_at(self) -> datetime | None:
        """Return when the next object falls due."""

    async def gone(self, object_ids: Sequence[int], now: datetime) -> None:
        """Store that objects and uploads are gone; answers that showed them become stale."""

    async def swept(self, object_ids: Sequence[int], again_at: datetime) -> None:
        """Store that these planned objects were removed once, and that they must be again: a
        request that was under way may have been applied after the removal.
        """

    async def postpone(self, object_ids: Sequence[int], until: datetime) -> None:
        """Do not return these from `due` before `until`: OSS could not be reached."""

    async def owners_of_keys(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that the ledger knows and that are not gone."""
