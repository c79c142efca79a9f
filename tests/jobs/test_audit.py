"""The findings of an audit, and the cases that it leaves to a running bot."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.core.files import LinkMode, key_prefix
from bot.core.jobs import Job, Placement
from bot.core.jobs import StoredObject as Row
from bot.core.ports.store import ObjectMeta
from bot.jobs.audit import Auditor, Finding, FindingKind
from bot.sandbox.clock import SandboxClock
from tests.fakes.samples import (
    BOT_ID,
    LIFETIME,
    NOW,
    a_result,
    accept,
    acquire,
    cancel,
    finish,
    plan,
)
from tests.fakes.store import FakeStore, StoredObject

T = TypeVar("T")
META = ObjectMeta("application/octet-stream", "attachment", public=False)
PREFIX = key_prefix(BOT_ID)
STRANGE = f"{PREFIX}token/strange"


class Inline:
    """Runs calls at once, and what is to happen right behind the call number n."""

    def __init__(self) -> None:
        self.calls = 0
        self.behind: dict[int, Callable[[], Awaitable[object]]] = {}

    async def call(self, work: Callable[[], T]) -> T:
        """Run `work`, then let happen what is planned."""
        self.calls += 1
        result = work()
        if self.calls in self.behind:
            await self.behind[self.calls]()
        return result


LIST_OBJECTS, LIST_UPLOADS = 1, 2
"""The first two calls of an audit."""


class Desk:
    """A ledger, a bucket and an auditor."""

    def __init__(self, database: Database) -> None:
        self.clock = SandboxClock(NOW, running=False)
        self.ledger = SqlLedger(database)
        self.store = FakeStore()
        self.threads = Inline()
        self.auditor = Auditor(
            self.ledger.objects, self.store, self.threads, self.clock, bucket="here"
        )

    async def audit(self, *, fix: bool = False) -> list[tuple[FindingKind, str]]:
        """Return kinds and subjects of what is found."""
        return [(found.kind, found.subject) for found in await self.findings(fix=fix)]

    async def findings(self, *, fix: bool = False) -> list[Finding]:
        """Return what is found."""
        return await self.auditor.audit(PREFIX, fix=fix)

    def put(self, key: str) -> None:
        """Let an object exist; all are old."""
        self.store.objects[key] = StoredObject(b"x", META)

    async def live(self) -> tuple[Job, Row]:
        """Let a link live."""
        job, stored = await finish(self.ledger, await accept(self.ledger))
        self.put(stored.key)
        return job, stored

    async def uploading(self) -> tuple[Job, Row]:
        """Let a job run that has initiated its upload long ago."""
        job = await acquire(self.ledger, await accept(self.ledger))
        stored = await plan(self.ledger, job)
        upload_id = self.store.initiate(stored.key, META)
        await self.ledger.objects.initiated(stored.id, upload_id, 1 << 20)
        return job, stored


@pytest.fixture
def desk(database: Database) -> Desk:
    """Everything empty."""
    return Desk(database)


async def test_nothing_to_find(desk: Desk) -> None:
    """Live links and running uploads are as they should be."""
    await desk.live()
    await desk.uploading()

    assert await desk.audit() == []


async def test_overdue(desk: Desk) -> None:
    """An object is overdue more than a minute after its end."""
    _, stored = await desk.live()
    desk.clock.advance(LIFETIME + timedelta(seconds=60))
    before = await desk.audit()
    desk.clock.advance(timedelta(seconds=1))

    assert before == []
    assert await desk.audit() == [(FindingKind.OVERDUE, stored.key)]


async def test_overdue_is_removed(desk: Desk) -> None:
    """The object goes, and the ledger knows that it has gone."""
    _, stored = await desk.live()
    desk.clock.advance(LIFETIME + timedelta(minutes=2))
    (finding,) = await desk.findings(fix=True)

    assert (stored.key, True) == (finding.subject, finding.fixed)
    assert desk.store.objects == {}
    assert await desk.ledger.objects.live() == []
    assert await desk.audit() == []


async def test_gone_in_the_ledger_only(desk: Desk) -> None:
    """An object that the ledger believes gone is overdue, because no sweep will find it."""
    _, stored = await desk.live()
    desk.clock.advance(LIFETIME)
    await desk.ledger.objects.gone([stored.id], desk.clock.now())
    desk.clock.advance(timedelta(minutes=2))

    assert await desk.audit(fix=True) == [(FindingKind.OVERDUE, stored.key)]
    assert desk.store.objects == {}


async def test_unknown(desk: Desk) -> None:
    """An old object below the prefix that is not in the ledger is found and removed; one outside
    of it is left alone.
    """
    desk.put(STRANGE)
    desk.put("holiday/photo.jpg")

    assert await desk.audit(fix=True) == [(FindingKind.UNKNOWN, STRANGE)]
    assert list(desk.store.objects) == ["holiday/photo.jpg"]


async def test_missing(desk: Desk) -> None:
    """A live link without its object is found; the ledger stops to promise it."""
    _, stored = await desk.live()
    desk.store.objects.clear()

    assert await desk.audit(fix=True) == [(FindingKind.MISSING, stored.key)]
    assert await desk.ledger.objects.live() == []
    assert await desk.audit() == []


async def test_orphan(desk: Desk) -> None:
    """An old upload with a key that is not in the ledger is found and aborted."""
    desk.store.initiate(STRANGE, META)

    assert await desk.audit(fix=True) == [(FindingKind.ORPHAN_UPLOAD, STRANGE)]
    assert desk.store.upload_ids == []


async def test_orphan_of_a_job_that_has_ended(desk: Desk) -> None:
    """The upload of a cancelled job is the reaper's for a minute, and a finding afterwards."""
    job, stored = await desk.uploading()
    await cancel(desk.ledger, job)
    await desk.ledger.objects.abandon(stored.id, desk.clock.now())
    desk.clock.advance(timedelta(seconds=60))
    before = await desk.audit()
    desk.clock.advance(timedelta(seconds=1))

    assert before == []
    assert await desk.audit() == [(FindingKind.ORPHAN_UPLOAD, stored.key)]


async def test_job_that_ends_meanwhile(desk: Desk) -> None:
    """An upload that is completed between the two looks is no orphan, however old it is."""
    job, stored = await desk.uploading()

    async def complete() -> None:
        desk.store.forget_upload(desk.store.upload_ids[0])
        desk.put(stored.key)
        await desk.ledger.jobs.finish(job, stored, a_result(), desk.clock.now())

    desk.threads.behind[LIST_UPLOADS] = complete

    assert await desk.audit() == []


async def test_link_that_ends_meanwhile(desk: Desk) -> None:
    """An object that a late reaper deletes between the two looks is not overdue any more."""
    _, stored = await desk.live()
    desk.clock.advance(LIFETIME + timedelta(minutes=2))

    async def reap() -> None:
        desk.store.delete([stored.key])
        await desk.ledger.objects.gone([stored.id], desk.clock.now())

    desk.threads.behind[LIST_OBJECTS] = reap

    assert await desk.audit() == []


async def test_link_that_begins_meanwhile(desk: Desk) -> None:
    """A link that is new since the bucket was listed is not missing."""

    async def begin() -> None:
        await desk.live()

    desk.threads.behind[LIST_OBJECTS] = begin

    assert await desk.audit() == []


async def test_link_that_is_deleted_meanwhile(desk: Desk) -> None:
    """A link that its owner deletes while the bucket is listed is not missing."""
    job, stored = await desk.live()
    desk.store.objects.clear()

    async def delete() -> None:
        await desk.ledger.objects.revoke(job.id, desk.clock.now())
        await desk.ledger.objects.gone([stored.id], desk.clock.now())

    desk.threads.behind[LIST_OBJECTS] = delete

    assert await desk.audit() == []


async def test_more_than_a_statement_can_name(desk: Desk) -> None:
    """Any number of objects can be compared."""
    count = 40_000
    for number in range(count):
        desk.put(f"{PREFIX}{number}")

    assert len(await desk.audit()) == count


async def test_object_of_an_earlier_bucket(desk: Desk) -> None:
    """It is not missing here; a minute after its end it is reported as left there, with why."""
    running = await acquire(desk.ledger, await accept(desk.ledger))
    key, earlier = f"{PREFIX}token/a", Placement("earlier", "cn-hongkong", LinkMode.PUBLIC)
    stored = await desk.ledger.objects.plan(running, key, NOW + LIFETIME, earlier)
    assert await desk.ledger.jobs.finish(running, stored, a_result(NOW), NOW)
    alive = await desk.audit()
    desk.clock.advance(LIFETIME + timedelta(minutes=2))
    await desk.ledger.objects.postpone([stored.id], desk.clock.now(), "store_forbidden")
    [finding] = await desk.findings(fix=True)

    assert alive == []
    assert (finding.kind, finding.subject) == (FindingKind.LEFT_ELSEWHERE, key)
    assert finding.detail.endswith("in the bucket earlier (store_forbidden)")
    assert not finding.fixed
