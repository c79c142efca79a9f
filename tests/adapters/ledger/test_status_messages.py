"""Status messages in SQL."""

from dataclasses import replace

from bot.adapters.ledger.ledger import SqlLedger
from bot.core.ports.answers import StoredStatusMessage
from tests.fakes.samples import GROUP, accept, cancel, finish, get


async def test_open_card_is_found_with_its_jobs(ledger: SqlLedger) -> None:
    """It has the place of its first job and no message yet."""
    jobs = [await accept(ledger, chat_id=GROUP, owner_id=3, thread_id=9) for _ in range(2)]
    status_message = await ledger.status_messages.open(jobs, shared=True)

    assert status_message == StoredStatusMessage(
        id=status_message.id,
        chat_id=GROUP,
        thread_id=9,
        reply_to=jobs[0].origin.message_id,
        language="en",
        shared=True,
        message_id=None,
        job_ids=(jobs[0].id, jobs[1].id),
    )
    assert await ledger.status_messages.open_status_messages() == [status_message]
    assert [(await get(ledger, job)).status_message_id for job in jobs] == [
        status_message.id,
        status_message.id,
    ]


async def test_card_can_be_joined_and_placed(ledger: SqlLedger) -> None:
    """A restart finds the message and all jobs that it shows."""
    first, second = await accept(ledger), await accept(ledger)
    status_message = await ledger.status_messages.open([first], shared=True)
    await ledger.status_messages.join(status_message.id, [second.id])
    await ledger.status_messages.placed(status_message.id, 77)

    assert await ledger.status_messages.open_status_messages() == [
        replace(status_message, message_id=77, job_ids=(first.id, second.id))
    ]


async def test_closed_card_is_forgotten(ledger: SqlLedger) -> None:
    """Others stay, oldest first."""
    status_messages = [
        await ledger.status_messages.open([await accept(ledger)], shared=False) for _ in range(3)
    ]
    await ledger.status_messages.close(status_messages[1].id)

    assert await ledger.status_messages.open_status_messages() == [
        status_messages[0],
        status_messages[2],
    ]


async def test_answered_jobs_leave_their_card(ledger: SqlLedger) -> None:
    """An answer that is sent or lost concludes the job; one under way does not."""
    jobs = [await accept(ledger) for _ in range(4)]
    status_message = await ledger.status_messages.open(jobs, shared=True)
    ended = [(await finish(ledger, job))[0] for job in jobs[:3]]
    answers = [await ledger.answers.begin([job], None) for job in ended]
    await ledger.answers.sent(answers[0].id, 5)
    await ledger.answers.lost(answers[1].id, "chat_gone")
    assert await ledger.status_messages.open_status_messages() == [
        replace(status_message, job_ids=(jobs[2].id, jobs[3].id))
    ]
    await ledger.answers.sent(answers[2].id, 6)
    last = await ledger.answers.begin([await cancel(ledger, jobs[3])], None)
    await ledger.answers.sent(last.id, 7)

    assert await ledger.status_messages.open_status_messages() == [
        replace(status_message, job_ids=())
    ]


async def test_card_that_becomes_the_answer_is_closed_with_it(ledger: SqlLedger) -> None:
    """One transaction: a crash in between would leave the message to be removed as a status
    message.
    """
    job = await accept(ledger)
    status_message = await ledger.status_messages.open([job], shared=False)
    other = await ledger.status_messages.open([await accept(ledger)], shared=False)
    await ledger.status_messages.placed(status_message.id, 77)
    answer = await ledger.answers.begin([await cancel(ledger, job)], 77)

    assert answer.message_id == 77
    assert await ledger.status_messages.open_status_messages() == [other]
