"""Jobs in SQL: accepted once, owned by one runner, changed behind a fence."""

from dataclasses import replace

import pytest

from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.recovery import MOST_CRASHES, MOST_CRASHES_ALONE
from bot.core.jobs import Ending, Job, JobState, ObjectState
from tests.fakes.samples import (
    LIFETIME,
    NOW,
    OWNER,
    SHA256,
    accept,
    acquire,
    at,
    cancel,
    finish,
    get,
    make_file,
    make_origin,
    plan,
)


async def test_accepted_job_is_what_was_sent(ledger: SqlLedger) -> None:
    """Everything that the message told comes back; the job waits and has done nothing."""
    origin = make_origin(-7, owner_id=3, thread_id=9, language="zh-hans")
    file = replace(make_file("报告.pdf"), mime_type=None, announced_size=None)
    job = await ledger.jobs.accept(origin, file, NOW)
    assert job is not None

    assert job == Job(
        job.id, origin, file, JobState.QUEUED, attempt=0, failures=0, created_at=NOW, run_at=NOW
    )
    assert await ledger.jobs.get(job.id) == job


async def test_known_files(ledger: SqlLedger) -> None:
    """This file of this message, with any `file_id`; no other file, no other message."""
    origin, file = make_origin(), make_file(unique_id="same")
    await ledger.jobs.accept(origin, file, NOW)

    assert await ledger.jobs.knows(origin, make_file(unique_id="same"))
    assert not await ledger.jobs.knows(origin, make_file())
    assert not await ledger.jobs.knows(make_origin(), file)


async def test_redelivered_message_is_accepted_once(ledger: SqlLedger) -> None:
    """The same file of the same message is known, even if Telegram gives it another `file_id`."""
    origin, file = make_origin(), make_file(unique_id="same")
    await ledger.jobs.accept(origin, file, NOW)
    again = await ledger.jobs.accept(origin, replace(file, file_id="other"), at(60))

    assert again is None
    assert len(await ledger.jobs.unfinished()) == 1


async def test_redelivered_message_is_known_after_its_job_ended(ledger: SqlLedger) -> None:
    """A late redelivery does not relay a second time."""
    origin, file = make_origin(), make_file()
    job = await ledger.jobs.accept(origin, file, NOW)
    assert job is not None
    await finish(ledger, job)

    assert await ledger.jobs.accept(origin, file, at(3600)) is None


@pytest.mark.parametrize("other", ["bot_id", "chat_id", "message_id"])
async def test_key_of_a_job_is_bot_chat_message_and_file(ledger: SqlLedger, other: str) -> None:
    """Where one of the four differs, it is another job."""
    origin, file = make_origin(message_id=7), make_file()
    await ledger.jobs.accept(origin, file, NOW)
    elsewhere = replace(origin, **{other: 8})  # type: ignore[arg-type]  # all three are numbers.

    assert await ledger.jobs.accept(elsewhere, file, NOW) is not None


async def test_two_files_of_one_message_are_two_jobs(ledger: SqlLedger) -> None:
    """The file is part of the key."""
    origin = make_origin()
    jobs = [await ledger.jobs.accept(origin, make_file(), NOW) for _ in range(2)]

    assert None not in jobs
    assert await ledger.jobs.unfinished() == jobs


async def test_acquire_raises_the_attempt(ledger: SqlLedger) -> None:
    """Each acquisition is a new fence."""
    job = await accept(ledger)
    first = await acquire(ledger, job)
    await ledger.jobs.give_back(first)
    second = await acquire(ledger, job)

    assert [(first.state, first.attempt), (second.state, second.attempt)] == [
        (JobState.RUNNING, 1),
        (JobState.RUNNING, 2),
    ]


async def test_running_job_is_not_acquired_again(ledger: SqlLedger) -> None:
    """One runner owns it."""
    job = await accept(ledger)
    await acquire(ledger, job)

    assert await ledger.jobs.claim(job.id, NOW) is None
    assert (await get(ledger, job)).attempt == 1


async def test_job_is_acquired_from_its_moment_on(ledger: SqlLedger) -> None:
    """A job that waits for its next attempt is not to be had a microsecond before."""
    job = await accept(ledger)
    await ledger.jobs.retry_later(await acquire(ledger, job), at(5), "disk_full")

    assert await ledger.jobs.claim(job.id, at(4.999999)) is None
    assert await ledger.jobs.claim(job.id, at(5)) is not None


async def test_ended_or_unknown_job_is_not_acquired(ledger: SqlLedger) -> None:
    """What has ended stays ended."""
    job, _ = await finish(ledger, await accept(ledger))

    assert await ledger.jobs.claim(job.id, at(60)) is None
    assert await ledger.jobs.claim(job.id + 1, at(60)) is None


async def test_given_back_job_is_as_before(ledger: SqlLedger) -> None:
    """A stop counts no failure and changes nothing but the fence."""
    job = await accept(ledger)
    await ledger.jobs.give_back(await acquire(ledger, job))

    assert await get(ledger, job) == replace(job, attempt=1)


async def test_retry_counts_the_failure_and_tells_why(ledger: SqlLedger) -> None:
    """The wait for the next attempt has a time and a reason."""
    job = await accept(ledger)
    await ledger.jobs.retry_later(await acquire(ledger, job), at(5), "disk_full")

    assert await get(ledger, job) == replace(
        job, attempt=1, failures=1, run_at=at(5), error_code="disk_full"
    )


async def test_failed_job_keeps_the_variables_of_its_sentence(ledger: SqlLedger) -> None:
    """Code, variables and time are there for the answer."""
    job = await accept(ledger)
    args = {"size": 30 << 30, "limit": 20 << 20}
    await ledger.jobs.fail(await acquire(ledger, job), "file_too_large", args, at(3))
    failed = await get(ledger, job)

    assert (failed.state, failed.error_code, failed.error_args, failed.finished_at) == (
        JobState.FAILED,
        "file_too_large",
        args,
        at(3),
    )


async def test_finish_makes_job_and_object_ready_together(ledger: SqlLedger) -> None:
    """Size, digest, time and the end of the link are known at once; earlier errors
    are forgotten.
    """
    job = await accept(ledger)
    await ledger.jobs.retry_later(await acquire(ledger, job), NOW, "disk_full")
    done, stored = await finish(ledger, job, at(9))

    assert (done.state, done.size, done.sha256, done.finished_at, done.error_code) == (
        JobState.DONE,
        1000,
        SHA256,
        at(9),
        None,
    )
    assert (stored.state, stored.due_at) == (ObjectState.LIVE, at(9) + LIFETIME)


async def test_waiting_job_can_be_cancelled(ledger: SqlLedger) -> None:
    """A job needs no runner in order to end."""
    job = await accept(ledger)
    cancelled = await cancel(ledger, job, at(2))

    assert cancelled == replace(job, state=JobState.CANCELLED, finished_at=at(2))


async def test_recover_puts_running_jobs_back(ledger: SqlLedger) -> None:
    """What a dead process ran is queued again; attempt and failures stay."""
    running = await acquire(ledger, await accept(ledger))
    waiting = await accept(ledger)
    await finish(ledger, await accept(ledger))
    recovered = await ledger.jobs.recover(at(60))

    assert recovered.unfinished == [replace(running, state=JobState.QUEUED, crashes=1), waiting]
    assert recovered.ended == []


async def test_recover_cancels_what_the_user_had_cancelled(ledger: SqlLedger) -> None:
    """A cancel that a crash cut off is carried out, and what was uploaded is due at once."""
    running = await acquire(ledger, await accept(ledger))
    stored = await plan(ledger, running)
    waiting = await accept(ledger)
    for job in (running, waiting):
        await ledger.jobs.request_cancel(job.id)
    recovered = await ledger.jobs.recover(at(60))
    due = await ledger.objects.due(at(60), 10)

    assert recovered.unfinished == []
    assert recovered.ended == [await get(ledger, job) for job in (running, waiting)]
    assert recovered.ended == [
        replace(job, state=JobState.CANCELLED, finished_at=at(60))
        for job in (replace(running, crashes=1), waiting)
    ]
    assert due == [replace(stored, due_at=at(60), ending=Ending.UNDONE)]


async def test_request_to_cancel_does_not_change_an_ended_job(ledger: SqlLedger) -> None:
    """A request that comes too late has no effect, not even after a restart."""
    job, stored = await finish(ledger, await accept(ledger))
    await ledger.jobs.request_cancel(job.id)
    await ledger.jobs.recover(at(60))

    assert await get(ledger, job) == job
    assert await ledger.objects.of_jobs([job.id]) == {job.id: stored}


async def test_unfinished_jobs_are_the_owners_own_oldest_first(ledger: SqlLedger) -> None:
    """An owner's list has no jobs of others and no ended ones."""
    mine = [await accept(ledger, now=at(n)) for n in range(3)]
    other = await accept(ledger, chat_id=101)
    mine[1] = await acquire(ledger, mine[1], at(5))
    await cancel(ledger, mine[2])

    assert await ledger.jobs.unfinished_of(OWNER) == mine[:2]
    assert await ledger.jobs.unfinished() == [*mine[:2], other]


async def test_jobs_are_found_by_id_in_order(ledger: SqlLedger) -> None:
    """Ids that do not exist are left out."""
    first, second = await accept(ledger), await accept(ledger)

    assert await ledger.jobs.get_many([second.id, 999, first.id]) == [first, second]
    assert await ledger.jobs.get_many([]) == []
    assert await ledger.jobs.get(999) is None


async def _crash(ledger: SqlLedger, *crashing: Job, on_disk: int = 0) -> list[Job]:
    """Let the process die while these jobs run; return the jobs that the start has ended."""
    for job in crashing:
        await acquire(ledger, await get(ledger, job))
    progress = {job.id: on_disk for job in crashing}
    return (await ledger.jobs.recover(NOW, progress)).ended


async def test_crash_counts_only_without_progress(ledger: SqlLedger) -> None:
    """A job that has more on the disk than at the last crash is no suspect."""
    job = await accept(ledger)
    counts = []
    for on_disk in (10, 20, 20, 30, 30):
        assert await _crash(ledger, job, on_disk=on_disk) == []
        counts.append((await get(ledger, job)).crashes)

    assert counts == [0, 0, 1, 1, 2]


async def test_upload_that_was_begun_is_progress(ledger: SqlLedger) -> None:
    """In local mode nothing comes to the disk."""
    job = await accept(ledger)
    stored = await plan(ledger, await acquire(ledger, job))
    await ledger.objects.initiated(stored.id, "upload", 1 << 20)
    await ledger.jobs.recover(NOW)
    first = (await get(ledger, job)).crashes
    await _crash(ledger, job)

    assert (first, (await get(ledger, job)).crashes) == (0, 1)


async def test_part_that_was_stored_is_progress(ledger: SqlLedger) -> None:
    """Each new part since the last crash is, also where nothing comes to the disk."""
    job = await accept(ledger)
    stored = await plan(ledger, await acquire(ledger, job))
    await ledger.objects.initiated(stored.id, "upload", 1 << 20)
    await ledger.jobs.recover(NOW)
    counts = []
    for parts in (1, 0, 2, 1, 0):
        for _ in range(parts):
            await ledger.objects.progressed(stored.id)
        await _crash(ledger, job)
        counts.append((await get(ledger, job)).crashes)

    assert counts == [0, 1, 1, 1, 2]


async def test_job_that_crashed_alone_is_parked(ledger: SqlLedger) -> None:
    """Three times without progress, while nothing else ran; beside others it takes twenty."""
    alone, beside, other = [await accept(ledger) for _ in range(3)]
    ended = [await _crash(ledger, alone) for _ in range(MOST_CRASHES_ALONE)]
    assert [[job.id for job in jobs] for jobs in ended] == [[], [], [alone.id]]
    assert ended[-1][0].error_code == "crashed"

    ended = [await _crash(ledger, beside, other) for _ in range(MOST_CRASHES)]
    assert [len(jobs) for jobs in ended] == [0] * (MOST_CRASHES - 1) + [2]
