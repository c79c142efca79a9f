"""Messages, files and jobs as tests need them; what a test does not name is made up."""

from datetime import UTC, datetime, timedelta
from itertools import count

from bot.core.files import FileKind, IncomingFile, LinkMode, MessageFiles
from bot.core.jobs import (
    NO_WISHES,
    Job,
    ObjectState,
    Origin,
    Placement,
    StoredObject,
    Wishes,
)
from bot.core.ports.jobs import Finished
from bot.core.ports.ledger import Ledger

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BOT_ID = 42
OWNER = 100
"""A user; also the id of the private chat with them."""
GROUP = -500
LIFETIME = timedelta(hours=23, minutes=55)
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_numbers = count(1)


def at(seconds: float) -> datetime:
    """Return a time `seconds` after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def make_origin(
    chat_id: int = OWNER,
    *,
    message_id: int | None = None,
    owner_id: int | None = None,
    thread_id: int | None = None,
    language: str = "en",
    album: str | None = None,
) -> Origin:
    """Return a message; in a private chat it is its user's own."""
    return Origin(
        bot_id=BOT_ID,
        chat_id=chat_id,
        message_id=message_id if message_id is not None else next(_numbers),
        owner_id=owner_id if owner_id is not None else abs(chat_id),
        thread_id=thread_id,
        language=language,
        album=album,
    )


def make_file(
    name: str = "report.pdf", *, unique_id: str | None = None, size: int | None = 1000
) -> IncomingFile:
    """Return a document."""
    number = next(_numbers)
    return IncomingFile(
        file_id=f"file-{number}",
        file_unique_id=unique_id or f"unique-{number}",
        kind=FileKind.DOCUMENT,
        name=name,
        mime_type="application/pdf",
        announced_size=size,
    )


def found(*files: IncomingFile) -> MessageFiles:
    """Return the files of a message that is in no album."""
    return MessageFiles(files)


def a_result(now: datetime = NOW, size: int = 1000) -> Finished:
    """Return what a relay achieved at `now`."""
    return Finished(size=size, sha256=SHA256, expires_at=now + LIFETIME)


async def accept(
    ledger: Ledger,
    *,
    chat_id: int = OWNER,
    owner_id: int | None = None,
    thread_id: int | None = None,
    name: str = "report.pdf",
    now: datetime = NOW,
    wishes: Wishes = NO_WISHES,
    album: str | None = None,
) -> Job:
    """Accept a file of a new message."""
    origin = make_origin(chat_id, owner_id=owner_id, thread_id=thread_id, album=album)
    job = await ledger.jobs.accept(origin, make_file(name), now, wishes)
    assert job is not None
    return job


async def acquire(ledger: Ledger, job: Job, now: datetime = NOW) -> Job:
    """Let a waiting job run."""
    claim = await ledger.jobs.claim(job.id, now)
    assert claim is not None
    return claim.job


async def plan(
    ledger: Ledger,
    job: Job,
    now: datetime = NOW,
    *,
    due_in: timedelta = timedelta(hours=24),
    mode: LinkMode | None = None,
) -> StoredObject:
    """Plan an object with a key of its own."""
    key = f"relay/{BOT_ID}/token-{next(_numbers)}/a"
    placement = Placement() if mode is None else Placement("bucket", "cn-hongkong", mode)
    return await ledger.objects.plan(job, key, now + due_in, placement)


async def finish(
    ledger: Ledger, job: Job, now: datetime = NOW, *, mode: LinkMode | None = None
) -> tuple[Job, StoredObject]:
    """Take a waiting job to its link; return job and object as they are then."""
    running = await acquire(ledger, job, now)
    stored = await plan(ledger, running, now, mode=mode)
    assert await ledger.jobs.finish(running, stored, a_result(now), now)
    return await get(ledger, job), (await ledger.objects.of_jobs([job.id]))[job.id]


async def cancel(ledger: Ledger, job: Job, now: datetime = NOW) -> Job:
    """Cancel a job in the state in which it was read."""
    assert await ledger.jobs.cancel(job, now)
    return await get(ledger, job)


async def get(ledger: Ledger, job: Job) -> Job:
    """Read a job again."""
    found = await ledger.jobs.get(job.id)
    assert found is not None
    return found


async def planned_for(ledger: Ledger, job_id: int) -> StoredObject | None:
    """Return the planned object with which a job continues, if there is one."""
    stored = (await ledger.objects.of_jobs([job_id])).get(job_id)
    is_planned = stored is not None and stored.state is ObjectState.PLANNED
    return stored if is_planned and stored is not None and stored.ending is None else None
