"""The steps of one file, and the order in which they are recorded."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import SizeMismatch, SourceUnavailable, StoreForbidden
from bot.core.files import LinkMode, key_prefix
from bot.core.jobs import Ending, JobState, ObjectState, Placement, ProgressMeter
from bot.core.ports.chat import Content
from bot.transfer.multipart import Uploaded
from bot.transfer.pool import TransferPool
from bot.transfer.uploader import Target, Uploader, UploadJournal
from tests.fakes.content import FakeContent
from tests.fakes.samples import BOT_ID, LIFETIME, NOW, acquire, cancel, get, plan
from tests.fakes.store import FakeStore, Trouble
from tests.jobs.runner_fixture import PLACEMENT, RunnerFixture


@pytest.fixture
def shop(database: Database) -> RunnerFixture:
    """Return a relay with fakes around it."""
    return RunnerFixture(database)


class Stubborn:
    """An upload that answers a cancel with an error of its own."""

    async def upload(
        self,
        content: Content,  # noqa: ARG002 -- the signature of the protocol.
        target: Target,  # noqa: ARG002 -- the same.
        meter: ProgressMeter,  # noqa: ARG002 -- the same.
        journal: UploadJournal,  # noqa: ARG002 -- the same.
    ) -> Uploaded:
        """Wait for the cancel."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise StoreForbidden("AccessDenied") from None
        raise AssertionError("unreachable")


async def test_relayed_file_has_a_link_until_its_deadline(shop: RunnerFixture) -> None:
    """Job and object are ready together; no byte of the file is left on the disk."""
    job = await acquire(shop.ledger, await shop.accept())
    await shop.relay_and_end(job)
    done, stored = await get(shop.ledger, job), await shop.object_of(job)

    assert (done.state, done.size) == (JobState.DONE, 1000)
    assert (stored.state, stored.due_at) == (ObjectState.LIVE, NOW + LIFETIME)
    assert stored.key.startswith(key_prefix(BOT_ID))
    assert shop.source.closed == [job.id]


async def test_object_carries_name_and_type_of_the_file(shop: RunnerFixture) -> None:
    """What a browser is told later is decided when the object is made."""
    job = await acquire(shop.ledger, await shop.accept())
    await shop.relay_and_end(job)
    meta = shop.uploads.targets[0].meta

    assert 'filename="report.pdf"' in meta.content_disposition
    assert meta.content_type == "application/pdf"
    assert not meta.public


async def test_object_is_planned_before_its_upload_begins(shop: RunnerFixture) -> None:
    """The key and its due date are in the ledger before OSS can hear of them."""
    known = []

    async def look(target: Target) -> None:
        known.append(await shop.ledger.objects.owners_of_keys([target.key]))

    shop.uploads.on_begin = look
    await shop.relay.relay(await acquire(shop.ledger, await shop.accept()), ProgressMeter())
    [found] = known

    assert [stored.state for stored in found.values()] == [ObjectState.PLANNED]


@pytest.fixture
async def pool() -> AsyncIterator[TransferPool]:
    """Run threads for a real upload."""
    async with TransferPool(4) as opened:
        yield opened


async def test_upload_id_is_on_disk_before_the_first_part_is_sent(
    database: Database, tmp_path: Path, pool: TransferPool
) -> None:
    """At the first part another connection to the ledger sees upload id, part size and
    due date.
    """
    store = FakeStore()
    seen: list[tuple[str, int, int]] = []
    loop, part_sent = asyncio.get_running_loop(), asyncio.Event()

    def look() -> None:
        connection = sqlite3.connect(tmp_path / "ledger.db")
        seen.extend(connection.execute("select upload_id, part_size, due_at from objects"))
        connection.close()
        loop.call_soon_threadsafe(part_sent.set)

    store.trouble(Trouble("upload_part", look))
    shop = RunnerFixture(database, uploads=Uploader(store, pool))
    data = b"x" * (3 << 20)
    job = await acquire(shop.ledger, await shop.accept())
    shop.source.contents[job.file.file_unique_id] = content = FakeContent(data, arrived=2 << 20)
    relay = asyncio.create_task(shop.relay.relay(job, ProgressMeter()))
    await part_sent.wait()
    await content.arrive(len(data))
    await relay
    [(upload_id, part_size, due_at)] = seen

    assert (upload_id, part_size) == ("upload-1", 1 << 20)
    assert due_at > 0
    assert [stored.data for stored in store.objects.values()] == [data]


async def test_upload_of_an_earlier_attempt_goes_on(shop: RunnerFixture) -> None:
    """Same key, same upload id, same part size: parts that OSS has are kept."""
    job = await acquire(shop.ledger, await shop.accept())
    stored = await plan(shop.ledger, job)
    await shop.ledger.objects.initiated(stored.id, "earlier", 4 << 20)
    await shop.relay_and_end(job)
    [target] = shop.uploads.targets

    assert (target.key, target.upload_id, target.part_size) == (stored.key, "earlier", 4 << 20)
    assert (await shop.object_of(job)).id == stored.id


async def test_lifetime_counts_from_the_first_complete(shop: RunnerFixture) -> None:
    """Its answer may have been lost, and the object complete since, however long it was down."""
    job = await acquire(shop.ledger, await shop.accept())
    stored = await plan(shop.ledger, job)
    await shop.ledger.objects.initiated(stored.id, "earlier", 4 << 20)
    first = NOW + timedelta(hours=1)
    await shop.ledger.objects.completing(stored.id, first)
    shop.clock.advance(timedelta(hours=6))
    await shop.relay_and_end(job)

    assert (await shop.object_of(job)).due_at == first + LIFETIME


async def test_lifetime_counts_from_an_earlier_last_modified(shop: RunnerFixture) -> None:
    """OSS says that the object is older than any Complete that is known."""
    shop.uploads.last_modified = NOW - timedelta(minutes=10)
    job = await acquire(shop.ledger, await shop.accept())
    await shop.relay_and_end(job)

    assert (await shop.object_of(job)).due_at == NOW - timedelta(minutes=10) + LIFETIME


async def test_later_last_modified_does_not_count(shop: RunnerFixture) -> None:
    """PutObjectACL and CopyObject move it."""
    shop.uploads.last_modified = NOW + timedelta(minutes=10)
    job = await acquire(shop.ledger, await shop.accept())
    stored = await plan(shop.ledger, job)
    await shop.ledger.objects.initiated(stored.id, "earlier", 4 << 20)
    await shop.ledger.objects.completing(stored.id, NOW)
    await shop.relay_and_end(job)

    assert (await shop.object_of(job)).due_at == NOW + LIFETIME


async def test_upload_that_began_completing_long_ago_is_begun_anew(shop: RunnerFixture) -> None:
    """What is left of its link's life would be short."""
    job = await acquire(shop.ledger, await shop.accept())
    stored = await plan(shop.ledger, job, NOW, due_in=timedelta(days=3))
    await shop.ledger.objects.initiated(stored.id, "earlier", 4 << 20)
    await shop.ledger.objects.completing(stored.id, NOW)
    shop.clock.advance(timedelta(hours=13))
    await shop.relay_and_end(job)

    assert shop.uploads.targets[0].key != stored.key


@pytest.mark.parametrize(
    "earlier",
    [
        replace(PLACEMENT, bucket="another"),
        replace(PLACEMENT, region="cn-beijing"),
        replace(PLACEMENT, mode=LinkMode.PUBLIC),
    ],
)
async def test_upload_of_other_settings_is_begun_anew(
    shop: RunnerFixture, earlier: Placement
) -> None:
    """Its parts are in another bucket, or its row would tell another mode than the object has."""
    job = await acquire(shop.ledger, await shop.accept())
    due_at = NOW + timedelta(hours=24)
    stored = await shop.ledger.objects.plan(job, "relay/42/other/a", due_at, earlier)
    await shop.ledger.objects.initiated(stored.id, "earlier", 4 << 20)
    await shop.relay_and_end(job)

    assert shop.uploads.targets[0].key != stored.key
    assert (await shop.object_of(job)).placement == PLACEMENT


async def test_upload_that_is_too_old_is_begun_anew(shop: RunnerFixture) -> None:
    """Its link would end as soon as it is there."""
    job = await acquire(shop.ledger, await shop.accept())
    stored = await plan(shop.ledger, job)
    await shop.ledger.objects.initiated(stored.id, "earlier", 4 << 20)
    shop.clock.advance(timedelta(hours=20))
    await shop.relay_and_end(job)
    [target] = shop.uploads.targets

    assert target.key != stored.key
    assert (await shop.object_of(job)).due_at == shop.clock.now() + LIFETIME
    assert [found.id for found in await shop.ledger.objects.due(shop.clock.now(), 10)] == [
        stored.id
    ]


async def test_plan_without_an_upload_id_is_given_up(shop: RunnerFixture) -> None:
    """Whether its upload was initiated is not known: the reaper gets it, and the key is new."""
    job = await acquire(shop.ledger, await shop.accept())
    earlier = await plan(shop.ledger, job)
    await shop.relay_and_end(job)
    due = await shop.ledger.objects.due(NOW, 10)

    assert shop.uploads.targets[0].key != earlier.key
    assert [(stored.id, stored.ending) for stored in due] == [(earlier.id, Ending.UNDONE)]


async def test_callers_see_one_plain_error(shop: RunnerFixture) -> None:
    """The group of both halves is unwrapped at its edge, and kept as the cause."""
    job = await acquire(shop.ledger, await shop.accept())
    shop.uploads.failures.append(error := StoreForbidden("AccessDenied"))
    with pytest.raises(StoreForbidden) as caught:
        await shop.relay.relay(job, ProgressMeter())

    assert caught.value is error
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert shop.source.closed == [job.id]


async def test_permanent_error_explains_more_than_a_transient_one(database: Database) -> None:
    """Both halves fail; the one that trying again cannot cure is told."""
    shop = RunnerFixture(database, uploads=Stubborn())
    job = await acquire(shop.ledger, await shop.accept())
    shop.source.contents[job.file.file_unique_id] = content = FakeContent(b"x", arrived=0)
    await content.fail(SourceUnavailable("reset"))
    with pytest.raises(StoreForbidden):
        await shop.relay.relay(job, ProgressMeter())

    assert shop.source.closed == [job.id]


async def test_file_that_was_cut_on_its_way_is_no_success(shop: RunnerFixture) -> None:
    """Both halves must have seen the same number of bytes."""
    shop.uploads.uploaded_size = 999
    job = await acquire(shop.ledger, await shop.accept())
    with pytest.raises(SizeMismatch) as caught:
        await shop.relay.relay(job, ProgressMeter())

    assert (caught.value.announced, caught.value.received) == (1000, 999)
    assert await get(shop.ledger, job) == job


async def test_cancel_leaves_after_both_halves_have_ended(shop: RunnerFixture) -> None:
    """Nothing of the job runs any more, and its file is gone."""
    job = await acquire(shop.ledger, await shop.accept())
    shop.uploads.may_end.clear()
    task = asyncio.create_task(shop.relay.relay(job, ProgressMeter()))
    await shop.uploads.began.wait()
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert shop.source.closed == [job.id]


async def test_cancel_after_both_halves_succeeded_loses(shop: RunnerFixture) -> None:
    """A finished upload wins, and the task does not look cancelled to what comes after."""
    job = await acquire(shop.ledger, await shop.accept())
    shop.uploads.may_end.clear()
    shop.uploads.result_wins = True
    task = asyncio.create_task(shop.relay_and_end(job))
    await shop.uploads.began.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    shop.uploads.may_end.set()
    await task

    assert task.cancelling() == 0
    assert (await get(shop.ledger, job)).state is JobState.DONE


async def test_fenced_finish_abandons_the_object(shop: RunnerFixture) -> None:
    """The job has ended otherwise meanwhile: no link begins, and what was made is due at once."""
    job = await acquire(shop.ledger, await shop.accept())
    shop.uploads.may_end.clear()
    task = asyncio.create_task(shop.relay_and_end(job))
    await shop.uploads.began.wait()
    await cancel(shop.ledger, job)
    shop.uploads.may_end.set()
    await task
    stored = await shop.object_of(job)

    assert (await get(shop.ledger, job)).state is JobState.CANCELLED
    assert (stored.state, stored.ending) == (ObjectState.PLANNED, Ending.UNDONE)
    assert await shop.ledger.objects.due(NOW, 10) == [stored]
