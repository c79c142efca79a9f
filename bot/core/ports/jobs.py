"""The ledger of jobs and their objects, from acceptance to the deletion of the bytes, and the
totals of jobs that ended.

Every method is one transaction, committed when it returns. State changes name the state and the
attempt (the fence) that they expect; a method that returns `bool` says whether the row was still
as expected, and does not change the job where it was not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bot.core.files import IncomingFile
from bot.core.jobs import Job, ObjectState, Origin, Placement, StoredObject, Wishes


class JobLedger(Protocol):
    """Jobs, from acceptance to their final state."""

    async def accept(
        self, origin: Origin, file: IncomingFile, now: datetime, wishes: Wishes = ...
    ) -> Job | None:
        """Store a new job, or return `None` if this file of this message was accepted before."""

    async def knows(self, origin: Origin, file: IncomingFile) -> bool:
        """Return whether this file of this message has been accepted."""

    async def speak(self, owner_id: int, language: str) -> None:
        """Set the language of an owner's unanswered jobs and of the open status messages in their
        private chat.
        """

    async def get(self, job_id: int) -> Job | None:
        """Return a job, or `None` if there is none."""

    async def get_many(self, job_ids: Sequence[int]) -> list[Job]:
        """Return the existing jobs of these ids, in the order of their messages."""

    async def request_cancel(self, job_id: int) -> None:
        """Record that the user cancelled the job, so that a restart does not lose it."""

    async def recover(
        self, now: datetime, progress: Mapping[int, int] | None = None
    ) -> "Recovered":
        """Put jobs that a dead process left running back into the queue. End those whose user
        asked for it, those that crashed too often, and those of commands that are gone.

        The crash counts for a job that has no more than at its last crash: `progress` has the
        bytes on the disk by job, none if it is not in there, and `ObjectLedger.progressed` tells
        of parts.

        Only for the process that holds the lock of the ledger.
        """

    async def end_left_by_shells(self, now: datetime) -> list[Job]:
        """Cancel the jobs of commands that have exited, and return them. Call it only while no
        command runs.
        """

    async def claim(
        self, job_id: int, now: datetime, plan: "Callable[[Job], NewObject] | None" = None
    ) -> "Claim | None":
        """Atomically claim a queued job that is due: set it RUNNING and increment `attempt`.
        Return `None` if it is no longer claimable.

        With `plan`, which is called in another thread, find or plan its object in the same
        transaction, as `ObjectLedger.prepare` does.
        """

    async def give_back(self, job: Job) -> bool:
        """Put a running job back as it was, because the process stops; count no failure."""

    async def retry_later(
        self,
        job: Job,
        run_at: datetime,
        code: str,
        *,
        abandon_at: datetime | None = None,
        unexpected: int = 0,
    ) -> bool:
        """Put a running job back for another attempt at `run_at`, and count the failure.
        `unexpected` is the number of its unexpected errors so far.

        With `abandon_at` the object that it has planned is due at that moment, and the next
        attempt plans a new one; without it the next attempt goes on with it.
        """

    async def finish(
        self, job: Job, stored: StoredObject, result: "Finished", now: datetime
    ) -> bool:
        """Mark a job DONE and its object live, due at `result.expires_at`. If the job is not as
        expected, its object is due at `now` instead.
        """

    async def fail(self, job: Job, code: str, args: dict[str, int], now: datetime) -> bool:
        """Mark a job FAILED with a code and the variables of its sentence. Its planned object is
        due at `now`.
        """

    async def cancel(self, job: Job, now: datetime) -> bool:
        """Mark a job CANCELLED if its state and attempt are those of `job`. Its planned object is
        due at `now`.
        """

    async def cancel_waiting(self, job_id: int, now: datetime) -> Job | None:
        """Mark a queued job CANCELLED, as `cancel` does, and return it as stored then. Return
        `None` if it is not queued.
        """

    async def open_albums(self, quiet_since: datetime) -> set[tuple[int, str]]:
        """Return chat and album of the albums that may still grow (a file came after
        `quiet_since`) or have an unfinished job.
        """

    async def count_album(self, chat_id: int, album: str, since: datetime) -> int:
        """Return how many files of an album have been accepted since that moment."""

    async def unfinished(self) -> list[Job]:
        """Return all unfinished jobs, oldest first."""

    async def unfinished_of(self, owner_id: int) -> list[Job]:
        """Return the unfinished jobs of an owner, oldest first."""

    async def unfinished_in(self, chat_ids: Sequence[int]) -> list[Job]:
        """Return the unfinished jobs that came from these chats, oldest first."""


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to plan: its key, the date at which it is due if nothing else is decided, and its
    place. An earlier object with the same file is found if it lives at least until `alike_until`;
    `None` looks for none.
    """

    key: str
    due_at: datetime
    placement: Placement
    alike_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where an attempt begins: the object that an earlier attempt has `begun`, or the newest
    `earlier` job that is done, of the same bot and owner and with the same file, and its object;
    or else an object that is `planned` now.
    """

    begun: StoredObject | None = None
    earlier: tuple[Job, StoredObject] | None = None
    planned: StoredObject | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that was claimed for one attempt."""

    job: Job
    prepared: Prepared | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of a relay: size in bytes, SHA-256 in hex, the end of the link, and the earliest
    moment at which its object may have been complete.
    """

    size: int
    sha256: str
    expires_at: datetime
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recovered:
    """The result of `recover`: all unfinished jobs of chats, oldest first, and the jobs that it
    ended.
    """

    unfinished: list[Job]
    ended: list[Job]


@dataclass(frozen=True, slots=True)
class Failures:
    """Jobs that failed with one code: their number, and when the last of them did."""

    code: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of the jobs that ended in a period: the number done and their bytes, the number
    cancelled, and the failures by code, the latest first.
    """

    done: int = 0
    bytes: int = 0
    cancelled: int = 0
    failures: tuple[Failures, ...] = ()


@dataclass(frozen=True, slots=True)
class EverTotals:
    """The number of jobs that were ever done, and their bytes."""

    done: int
    bytes: int


class TotalsLedger(Protocol):
    """Totals of ended jobs, and of what was given up, and how long rows are kept."""

    async def ever(self) -> EverTotals:
        """Sum up all jobs that were ever done, those without rows included."""

    async def remove_ended(self, before: datetime, now: datetime, limit: int) -> bool:
        """Remove at most `limit` jobs that ended before `before` and have nothing left to do, and
        at most as many sent messages that no redelivered update can ask for again. Return whether
        there may be more.
        """

    async def since(self, moment: datetime) -> Totals:
        """Sum up the jobs that ended after `moment`."""

    async def set_aside(self) -> dict[str, int]:
        """Count what was given up after unexpected errors, by kind of unit: "update" for updates
        set aside, "update_failing" for those that are tried again. Kinds without any are left out.
        """


class OffsetLedger(Protocol):
    """What is known of the store's clock, for the next process."""

    async def oss_offset(self) -> timedelta:
        """Return how much the store's clock was ahead; zero if that was never stored."""

    async def set_oss_offset(self, offset: timedelta) -> None:
        """Store how much the store's clock is ahead."""


class ObjectLedger(Protocol):
    """Objects and their due dates."""

    async def plan(
        self, job: Job, key: str, due_at: datetime, placement: Placement = ...
    ) -> StoredObject:
        """Store the intention to create `key` there, before any request that names it."""

    async def initiated(self, object_id: int, upload_id: str, part_size: int) -> None:
        """Record the upload id and the part size, before the first part is sent."""

    async def progressed(self, object_id: int) -> None:
        """Record that a part was stored, so that the next crash does not count for the job: see
        `JobLedger.recover`.
        """

    async def completing(self, object_id: int, at: datetime) -> datetime:
        """Store that the store may have completed the object at `at`, before the first request
        that does so, or when the store tells a time; return the earliest of these moments.
        """

    async def completed(self, object_id: int, at: datetime) -> None:
        """Store that the store completed the object at `at` and not before."""

    async def prepare(self, job: Job, new: "NewObject") -> "Prepared":
        """Return what a running job continues with; if that is nothing, store the intention to
        create `new`, before any request that names it.
        """

    async def of_jobs(self, job_ids: Sequence[int]) -> dict[int, StoredObject]:
        """Return the newest object of each of these jobs."""

    async def live_of(self, owner_id: int) -> list[tuple[Job, StoredObject]]:
        """Return the live objects of an owner with their jobs, the newest first."""

    async def live_in(self, chat_ids: Sequence[int]) -> list[tuple[Job, StoredObject]]:
        """Return the live objects that came from these chats with their jobs, the newest first."""

    async def revoke(self, job_id: int, now: datetime) -> bool:
        """Make the live object of a job due now, because its owner deleted it."""

    async def abandon(self, object_id: int, now: datetime) -> None:
        """Make a planned object due now; the reaper removes what exists of it."""

    async def due(self, now: datetime, limit: int) -> list[StoredObject]:
        """Return objects that are due, live ones before planned ones, the longest overdue first;
        none that a running job still uses.
        """

    async def live(self) -> list[StoredObject]:
        """Return all live objects."""

    async def of_keys(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that are in the ledger, gone ones included."""

    async def of_unfinished_jobs(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that a queued or running job continues with."""

    async def take_due(self, now: datetime, state: ObjectState, limit: int) -> list[StoredObject]:
        """Return objects in this state that are due, as `due` does, to the process that removes
        them. Where several do, others get others for a while.
        """

    async def release(self) -> None:
        """Let others have at once what `take_due` returned and was neither removed nor postponed.
        Call it when nothing here removes any more.

        Raises:
            LedgerError: it cannot be noted now; others have it after a while.
        """

    async def overdue(self, now: datetime) -> list[StoredObject]:
        """Return live objects that should be gone, postponed ones included."""

    async def next_due_at(self) -> datetime | None:
        """Return when the next object falls due."""

    async def gone(self, object_ids: Sequence[int], now: datetime) -> None:
        """Record that objects and uploads are gone; answers that show them become stale."""

    async def swept(self, object_ids: Sequence[int], again_at: datetime) -> None:
        """Record that these planned objects were removed once and must be removed again: a request
        that was in flight may have been applied after the removal.
        """

    async def removing(self, object_ids: Sequence[int]) -> None:
        """Count an attempt to remove these, before the call."""

    async def postpone(self, object_ids: Sequence[int], until: datetime, code: str) -> None:
        """Do not return these from `due` before `until`: they could not be removed, with the error
        `code`.
        """

    async def owners_of_keys(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return the rows of those keys that are in the ledger and not gone."""
