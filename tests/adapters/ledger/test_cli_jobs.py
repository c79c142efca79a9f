"""Jobs from a shell in SQL, and the overview of everything."""

import pytest

from bot.adapters.ledger.database import Database, sending
from bot.adapters.ledger.ledger import SqlCliJobs, SqlLedger
from bot.core.jobs import Job, JobState, shell_file, shell_origin
from tests.fakes.samples import accept, acquire, at, finish, get, plan


@pytest.fixture
def shell(database: Database) -> SqlCliJobs:
    """The tables as a command of an operator sees them."""
    return SqlCliJobs(database)


async def from_shell(shell: SqlCliJobs) -> Job:
    """Accept a file of this machine."""
    return await shell.accept(shell_origin(42), shell_file("a.bin", mime_type=None, size=5), at(0))


async def test_nobody_answers_it(ledger: SqlLedger, shell: SqlCliJobs) -> None:
    """However it ends, there is nothing to say, now or when its link has ended."""
    done, stored = await finish(ledger, await from_shell(shell), at(1))
    await ledger.objects.gone([stored.id], at(2))
    failed = await acquire(ledger, await from_shell(shell))
    await ledger.jobs.fail(failed, "file_empty", {}, at(3))

    assert (await get(ledger, done)).state is JobState.DONE
    assert await ledger.answers.unanswered(10) == []
    assert await ledger.answers.resumable() == []
    assert await ledger.answers.stale(10) == []


async def test_a_bot_does_not_see_it(ledger: SqlLedger, shell: SqlCliJobs) -> None:
    """It is none of the jobs that a bot tells of, or starts."""
    await acquire(ledger, await from_shell(shell))
    theirs = await accept(ledger)

    assert await ledger.jobs.unfinished() == [theirs]


async def test_left_alone_while_its_command_runs(
    database: Database, ledger: SqlLedger, shell: SqlCliJobs
) -> None:
    """A bot that starts beside the command changes nothing about its job."""
    job = await acquire(ledger, await from_shell(shell))
    async with sending(database) as mark:
        alone = await mark.take_alone()
        await mark.share()
        recovered = await ledger.jobs.recover(at(9))

    assert (alone, recovered.unfinished, recovered.ended) == (True, [], [])
    assert (await get(ledger, job)).state is JobState.RUNNING


async def test_ended_once_its_command_is_gone(ledger: SqlLedger, shell: SqlCliJobs) -> None:
    """A job without its command cannot go on: it ends, and its upload is due at once."""
    job = await acquire(ledger, await from_shell(shell))
    stored = await plan(ledger, job)
    recovered = await ledger.jobs.recover(at(9))

    assert recovered.unfinished == []
    assert recovered.ended == [await get(ledger, job)]
    assert recovered.ended[0].state is JobState.CANCELLED
    assert [due.id for due in await ledger.objects.due(at(9), 10)] == [stored.id]


async def test_ended_by_the_next_command(ledger: SqlLedger, shell: SqlCliJobs) -> None:
    """The same, without a bot; jobs of chats are not touched."""
    job = await acquire(ledger, await from_shell(shell))
    theirs = await acquire(ledger, await accept(ledger))
    ended = await ledger.jobs.end_left_by_shells(at(9))

    assert ended == [await get(ledger, job)]
    assert ended[0].state is JobState.CANCELLED
    assert (await get(ledger, theirs)).state is JobState.RUNNING


async def test_overview(ledger: SqlLedger, shell: SqlCliJobs) -> None:
    """Everything that runs, waits, lives or must still be sent, for all owners."""
    running = await acquire(ledger, await accept(ledger))
    mine = await from_shell(shell)
    late, late_object = await finish(ledger, await accept(ledger), at(50))
    soon, soon_object = await finish(ledger, await accept(ledger), at(1))
    seen = await shell.overview()

    assert (seen.running, seen.queued) == ([running], [mine])
    assert [job.id for job, _ in seen.links] == [soon.id, late.id]
    assert [stored.id for _, stored in seen.links] == [soon_object.id, late_object.id]
    assert seen.unsaid == 2


async def test_overview_of_nothing(shell: SqlCliJobs) -> None:
    """An empty ledger is told as such."""
    seen = await shell.overview()

    assert (seen.running, seen.queued, seen.links, seen.unsaid) == ([], [], [], 0)
