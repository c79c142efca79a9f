"""Links end at their deadline, leftovers go at once and once more."""

import asyncio
from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import StoreError, StoreForbidden, StoreKeyRefused, StoreUnavailable
from bot.core.files import LinkMode
from bot.core.jobs import Ending, ObjectState, Placement
from bot.jobs import reaper
from bot.jobs.reaper import BATCH, FIRST_WAIT, LONGEST_WAIT_AFTER_REFUSAL, SWEEP_AGAIN_AFTER
from tests.fakes.body import BytesBody
from tests.fakes.samples import LIFETIME, NOW, a_result, accept, acquire, plan
from tests.fakes.store import FakeStore, Trouble
from tests.jobs.reaper_fixture import META, Graveyard

SECOND = timedelta(seconds=1)
LATEST = timedelta(seconds=60)
"""The promise: bytes go at most this long after their deadline while the bot runs."""


@pytest.fixture
def yard(database: Database) -> Graveyard:
    """Return a reaper with nothing to do."""
    return Graveyard(database)


def fail(error: Exception) -> None:
    """Raise an error, as a call to the store."""
    raise error


async def test_leaves_all_to_others_while_it_rests(yard: Graveyard) -> None:
    """Nothing is taken, tried or put off; afterwards it goes on."""
    link, left = await yard.live(NOW - 2 * LIFETIME), await yard.left(put=True)
    made = shared(yard)
    made.leave_to_others()
    await made.sweep()
    before = [(await yard.read(one)).attempts for one in (link, left)]
    yard.clock.advance(reaper.REST)
    await made.sweep()

    assert before == [0, 0]
    assert yard.store.objects == {}


def shared(yard: Graveyard) -> reaper.Reaper:
    """Return a reaper beside those of other processes."""
    return reaper.Reaper(
        yard.ledger.objects,
        yard.store,
        yard.threads,
        yard.clock,
        yard.signals,
        is_beside_others=True,
    )


async def test_rests_without_asking_again_and_again(yard: Graveyard) -> None:
    """What is due stays due while it rests; it looks every five seconds all the same."""
    await yard.live(NOW - 2 * LIFETIME)
    made = shared(yard)
    made.leave_to_others()
    running = asyncio.create_task(made.run(None))
    waits = await yard.clock.until_waits(1, within=reaper.LOOK_EVERY)
    running.cancel()
    await asyncio.wait([running])

    assert waits == [NOW + reaper.LOOK_EVERY]


@pytest.mark.parametrize("error", [StoreForbidden("AccessDenied"), StoreKeyRefused("unknown")])
async def test_key_that_may_not_delete(yard: Graveyard, error: StoreError) -> None:
    """Its process leaves all to others for a minute, which are not held up meanwhile."""
    first = await yard.live(NOW - 2 * LIFETIME)
    yard.store.stuck[first.key] = error
    made = shared(yard)
    await made.sweep()
    second = await yard.live(NOW - 2 * LIFETIME)
    yard.clock.advance(reaper.FIRST_WAIT)
    await made.sweep()
    attempts = [(await yard.read(one)).attempts for one in (first, second)]
    yard.store.stuck.clear()
    await yard.reaper.sweep()

    assert attempts == [1, 0]
    assert yard.store.objects == {}


async def test_rest_has_an_end(yard: Graveyard) -> None:
    """After a minute it tries again: there may be no other process."""
    stored = await yard.live(NOW - 2 * LIFETIME)
    yard.store.stuck[stored.key] = StoreForbidden("AccessDenied")
    made = shared(yard)
    await made.sweep()
    yard.store.stuck.clear()
    yard.clock.advance(reaper.REST)
    await made.sweep()

    assert yard.store.objects == {}


async def test_link_ends_at_its_deadline(yard: Graveyard) -> None:
    """Not before; then the object is gone, the ledger knows, and answers are to be corrected."""
    stored = await yard.live()
    yard.clock.advance(LIFETIME - SECOND)
    await yard.reaper.sweep()
    assert list(yard.store.objects) == [stored.key]
    assert not yard.signals.outbox.is_set()
    yard.clock.advance(SECOND)
    await yard.reaper.sweep()
    gone = await yard.read(stored)

    assert yard.store.objects == {}
    assert (gone.state, gone.ending) == (ObjectState.GONE, Ending.EXPIRED)
    assert yard.signals.outbox.is_set()


async def test_thousand_links_at_once_go_in_one_request(yard: Graveyard) -> None:
    """What falls due together is deleted together."""
    await yard.many_live(BATCH, due_at=NOW)
    await yard.reaper.sweep()

    assert yard.threads.calls == 1
    assert yard.store.objects == {}
    assert await yard.ledger.objects.next_due_at() is None


async def test_more_than_a_batch_goes_batch_by_batch(
    yard: Graveyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting in between."""
    monkeypatch.setattr(reaper, "BATCH", 10)
    await yard.many_live(21, due_at=NOW)
    await yard.reaper.sweep()

    assert yard.threads.calls == 3
    assert yard.store.objects == {}


async def test_revoked_link_goes_as_deleted(yard: Graveyard) -> None:
    """Its owner said so."""
    stored = await yard.live()
    await yard.ledger.objects.revoke(stored.job_id, NOW)
    await yard.reaper.sweep()
    gone = await yard.read(stored)

    assert (gone.state, gone.ending) == (ObjectState.GONE, Ending.DELETED)
    assert yard.store.objects == {}


@pytest.mark.parametrize(
    "error",
    [StoreUnavailable("reset"), StoreForbidden("AccessDenied"), MemoryError("no room")],
)
async def test_link_that_oss_does_not_let_go_is_tried_again(
    yard: Graveyard, error: Exception
) -> None:
    """For ever, a little later each time; it counts as live until it is gone."""
    stored = await yard.live()
    yard.store.trouble(Trouble("delete", lambda: fail(error), times=2))
    yard.clock.advance(LIFETIME)
    for wait in (FIRST_WAIT, 2 * FIRST_WAIT):
        await yard.reaper.sweep()
        assert (await yard.read(stored)).state is ObjectState.LIVE
        assert await yard.ledger.objects.next_due_at() == yard.clock.now() + wait
        yard.clock.advance(wait)
    await yard.reaper.sweep()

    assert yard.store.objects == {}
    assert (await yard.read(stored)).state is ObjectState.GONE


@pytest.mark.parametrize("error", [StoreUnavailable("unnamed"), StoreForbidden("AccessDenied")])
async def test_key_that_cannot_be_deleted_holds_up_no_other(
    yard: Graveyard, error: StoreError
) -> None:
    """The rest of its batch is gone at once, with the answers; the one waits for itself."""
    first, stuck, last = [await yard.live() for _ in range(3)]
    yard.store.stuck[stuck.key] = error
    yard.clock.advance(LIFETIME)
    await yard.reaper.sweep()
    states = [(await yard.read(stored)).state for stored in (first, stuck, last)]
    kept = await yard.read(stuck)

    assert states == [ObjectState.GONE, ObjectState.LIVE, ObjectState.GONE]
    assert list(yard.store.objects) == [stuck.key]
    assert (kept.attempts, kept.error_code) == (1, error.code)


async def test_request_that_one_key_makes_refused_is_taken_apart(yard: Graveyard) -> None:
    """A store that refuses all of a batch because of one key deletes the others all the same."""
    await yard.many_live(100, due_at=NOW)
    stuck = f"{yard.prefix}50"
    yard.store.stuck[stuck] = StoreForbidden("AccessDenied")
    yard.store.refuses_whole = True
    await yard.reaper.sweep()

    assert list(yard.store.objects) == [stuck]
    assert len(await yard.ledger.objects.live()) == 1


async def test_hopeless_batch_takes_few_requests(yard: Graveyard) -> None:
    """Where nothing may be deleted, not every key is asked for."""
    await yard.many_live(BATCH, due_at=NOW)
    yard.store.stuck = {key: StoreForbidden("AccessDenied") for key in yard.store.objects}
    yard.store.refuses_whole = True
    yard.store.calls.clear()
    await yard.reaper.sweep()

    assert len(await yard.ledger.objects.live()) == BATCH
    assert yard.store.refusals < 60


async def test_attempts_are_counted_before_the_call(yard: Graveyard) -> None:
    """A process that dies inside the call finds its attempt in the ledger."""
    stored = await yard.live()
    yard.clock.advance(LIFETIME)
    yard.threads.gates[1] = asyncio.Event()
    task = asyncio.create_task(yard.reaper.sweep())
    await yard.threads.reached.wait()
    counted = (await yard.read(stored)).attempts
    task.cancel()
    await asyncio.wait([task])

    assert counted == 1


async def test_waits_grow_for_each_key(yard: Graveyard) -> None:
    """A key that stays refused is asked for less and less, up to a bound."""
    stored = await yard.live()
    yard.store.stuck[stored.key] = StoreForbidden("AccessDenied")
    yard.clock.advance(LIFETIME)
    waits = []
    for _ in range(7):
        await yard.reaper.sweep()
        due_at = await yard.ledger.objects.next_due_at()
        assert due_at is not None
        waits.append(due_at - yard.clock.now())
        yard.clock.advance(waits[-1])

    assert [wait / FIRST_WAIT for wait in waits] == [1, 2, 4, 8, 16, 30, 30]
    assert waits[-1] == LONGEST_WAIT_AFTER_REFUSAL


async def test_unexpected_error_costs_one_deletion(yard: Graveyard) -> None:
    """A defect below the port is logged and counted; leftovers and other links go on."""
    stored, left = await yard.live(), await yard.left()

    def fall() -> None:
        raise ZeroDivisionError

    yard.store.trouble(Trouble("delete", fall))
    yard.clock.advance(LIFETIME)
    await yard.reaper.sweep()
    kept = await yard.read(stored)

    assert (kept.state, kept.error_code) == (ObjectState.LIVE, "unexpected")
    assert (await yard.read(left)).sweeps == 1


async def test_leftover_that_hangs_holds_up_no_link(yard: Graveyard) -> None:
    """While the requests for a leftover take their time, a link ends at its deadline."""
    await yard.left()
    yard.threads.gates[1] = asyncio.Event()
    async with yard.running():
        await yard.threads.reached.wait()
        # Before the link is there: a sweep on its way may end it at once.
        yard.signals.outbox.clear()
        stored = await yard.live(yard.clock.now() - LIFETIME)
        yard.signals.deletions.set()
        await asyncio.wait_for(yard.signals.outbox.wait(), 5.0)
        state = (await yard.read(stored)).state
        yard.threads.gates[1].set()

    assert state is ObjectState.GONE


async def test_object_is_deleted_where_it_is(yard: Graveyard) -> None:
    """`oss.bucket` has changed since; the link is not said to be gone before it is."""
    earlier = Placement("earlier", "cn-hongkong", LinkMode.PUBLIC)
    job = await acquire(yard.ledger, await accept(yard.ledger))
    planned = await yard.ledger.objects.plan(job, f"{yard.prefix}t/a", NOW, earlier)
    assert await yard.ledger.jobs.finish(job, planned, a_result(NOW), NOW)
    there = yard.others[earlier.bucket] = FakeStore()
    there.put_object(planned.key, BytesBody(b"x"), META)
    there.stuck[planned.key] = StoreForbidden("AccessDenied")
    here = await yard.live()
    yard.clock.advance(LIFETIME)
    await yard.reaper.sweep()
    refused = await yard.read(planned)
    del there.stuck[planned.key]
    yard.clock.advance(FIRST_WAIT)
    await yard.reaper.sweep()

    assert (await yard.read(here)).state is ObjectState.GONE
    assert (refused.state, refused.error_code) == (ObjectState.LIVE, "store_forbidden")
    assert (await yard.read(planned)).state is ObjectState.GONE
    assert there.objects == {}


async def test_lost_answer_to_a_deletion_is_harmless(yard: Graveyard) -> None:
    """The object is deleted once more; what is gone is no error."""
    stored = await yard.live()
    error = StoreUnavailable("timed out")
    yard.store.trouble(Trouble("delete", lambda: fail(error), lost=True))
    yard.clock.advance(LIFETIME)
    await yard.reaper.sweep()
    yard.clock.advance(FIRST_WAIT)
    await yard.reaper.sweep()

    assert (await yard.read(stored)).state is ObjectState.GONE


async def test_leftover_is_removed_with_all_its_uploads(yard: Graveyard) -> None:
    """The known upload, one with a lost id, and an object that may have been completed."""
    stored = await yard.left(put=True)
    yard.store.initiate(stored.key, META)
    await yard.reaper.sweep()

    assert yard.store.upload_ids == []
    assert yard.store.objects == {}
    assert (await yard.read(stored)).state is ObjectState.PLANNED


async def test_leftover_is_removed_once_more_later(yard: Graveyard) -> None:
    """A request that was under way may have been applied after the first removal."""
    stored = await yard.left()
    await yard.reaper.sweep()
    yard.put(stored.key)
    yard.store.initiate(stored.key, META)
    yard.clock.advance(SWEEP_AGAIN_AFTER - SECOND)
    await yard.reaper.sweep()
    assert list(yard.store.objects) == [stored.key]
    yard.clock.advance(SECOND)
    await yard.reaper.sweep()
    gone = await yard.read(stored)

    assert yard.store.objects == {}
    assert yard.store.upload_ids == []
    assert (gone.state, gone.ending) == (ObjectState.GONE, Ending.UNDONE)


async def test_leftover_without_an_upload_id_is_found_by_its_key(yard: Graveyard) -> None:
    """The answer to initiate was lost in a crash."""
    stored = await yard.left(upload=False)
    yard.store.initiate(stored.key, META)
    await yard.reaper.sweep()

    assert yard.store.upload_ids == []


async def test_key_that_may_not_list_uploads_removes_what_it_can(yard: Graveyard) -> None:
    """The known upload and the object go; orphans stay until the bucket's lifecycle."""
    stored = await yard.left(put=True)
    error = StoreForbidden("AccessDenied")
    yard.store.trouble(Trouble("list_uploads", lambda: fail(error), times=0))
    await yard.reaper.sweep()
    yard.clock.advance(SWEEP_AGAIN_AFTER)
    await yard.reaper.sweep()

    assert yard.store.upload_ids == []
    assert yard.store.objects == {}
    assert (await yard.read(stored)).state is ObjectState.GONE


@pytest.mark.parametrize("name", ["abort", "list_uploads", "delete"])
async def test_leftover_that_oss_does_not_let_go_is_tried_again(
    yard: Graveyard, name: str
) -> None:
    """Whichever request failed, all are made again."""
    stored = await yard.left(put=True)
    error = StoreUnavailable("reset")
    yard.store.trouble(Trouble(name, lambda: fail(error)))
    await yard.reaper.sweep()
    assert (await yard.read(stored)).sweeps == 0
    yard.clock.advance(FIRST_WAIT)
    await yard.reaper.sweep()

    assert yard.store.upload_ids == []
    assert yard.store.objects == {}
    assert (await yard.read(stored)).sweeps == 1


async def test_leftover_that_fails_holds_up_no_link(yard: Graveyard) -> None:
    """Links that are due go, also when a removal before them fails."""
    await yard.left()
    stored = await yard.live(NOW - LIFETIME)
    error = StoreUnavailable("reset")
    yard.store.trouble(Trouble("abort", lambda: fail(error), times=0))
    await yard.reaper.sweep()

    assert (await yard.read(stored)).state is ObjectState.GONE


async def test_upload_of_a_running_job_is_left_alone(yard: Graveyard) -> None:
    """However long it takes."""
    job = await acquire(yard.ledger, await accept(yard.ledger))
    stored = await plan(yard.ledger, job)
    upload_id = yard.store.initiate(stored.key, META)
    await yard.ledger.objects.initiated(stored.id, upload_id, 1 << 20)
    yard.clock.advance(timedelta(days=3))
    await yard.reaper.sweep()

    assert yard.store.upload_ids == [upload_id]
