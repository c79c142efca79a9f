"""The messages that conclude jobs, in SQL."""

from dataclasses import replace

from bot.adapters.ledger.ledger import SqlLedger
from bot.core.jobs import Job, StoredObject
from bot.core.ports.answers import AnswerForm, AnswerState, StoredAnswer
from tests.fakes.samples import GROUP, accept, acquire, at, cancel, finish, get, plan


async def _done(ledger: SqlLedger, seconds: float = 0) -> tuple[Job, StoredObject]:
    return await finish(ledger, await accept(ledger, now=at(seconds)), at(seconds))


async def _sent(ledger: SqlLedger) -> tuple[StoredAnswer, StoredObject]:
    job, stored = await _done(ledger)
    answer = await ledger.answers.begin([job], None)
    await ledger.answers.sent(answer.id, 77)
    return answer, stored


async def test_every_ended_job_is_unanswered_longest_waiting_first(ledger: SqlLedger) -> None:
    """Done, failed and cancelled ones; those that wait or run are not."""
    done, _ = await _done(ledger, 2)
    failed = await acquire(ledger, await accept(ledger))
    await ledger.jobs.fail(failed, "disk_full", {}, at(1))
    cancelled = await cancel(ledger, await accept(ledger), at(3))
    await acquire(ledger, await accept(ledger))
    await accept(ledger)
    waiting = await ledger.answers.unanswered(10)

    assert waiting == [await get(ledger, failed), done, cancelled]
    assert await ledger.answers.unanswered(2) == waiting[:2]


async def test_begun_answer_claims_its_jobs(ledger: SqlLedger) -> None:
    """The intention is stored before the call: state SENDING, with the place of the first job."""
    first = await cancel(
        ledger, await accept(ledger, chat_id=GROUP, owner_id=3, thread_id=9), at(1)
    )
    second = await cancel(
        ledger, await accept(ledger, chat_id=GROUP, owner_id=4, thread_id=9), at(2)
    )
    answer = await ledger.answers.begin([first, second], None)

    assert answer == StoredAnswer(
        id=answer.id,
        chat_id=GROUP,
        thread_id=9,
        reply_to=first.origin.message_id,
        language="en",
        state=AnswerState.SENDING,
        tries=0,
        message_id=None,
        job_ids=(first.id, second.id),
    )
    assert await ledger.answers.unanswered(10) == []
    assert (await get(ledger, second)).answer_id == answer.id


async def test_answer_is_a_reply_to_what_was_sent_first(ledger: SqlLedger) -> None:
    """The files of an album may end in another order."""
    first = await cancel(ledger, await accept(ledger, chat_id=GROUP), at(2))
    second = await cancel(ledger, await accept(ledger, chat_id=GROUP), at(1))
    answer = await ledger.answers.begin([second, first], None)

    assert answer.reply_to == first.origin.message_id


async def test_job_belongs_to_one_answer_only(ledger: SqlLedger) -> None:
    """A second claim gets only what the first has left."""
    (one, _), (two, _) = await _done(ledger), await _done(ledger)
    first = await ledger.answers.begin([one], None)
    second = await ledger.answers.begin([one, two], None)

    assert (first.job_ids, second.job_ids) == ((one.id,), (two.id,))


async def test_unsent_answers_are_resumable_oldest_first(ledger: SqlLedger) -> None:
    """Pending ones, and those with a call under way; sent and lost ones are not."""
    begun = [await ledger.answers.begin([(await _done(ledger))[0]], None) for _ in range(4)]
    await ledger.answers.unsent(begun[1].id, uncertain=False)
    await ledger.answers.sent(begun[2].id, 5)
    await ledger.answers.lost(begun[3].id, "chat_gone")

    assert await ledger.answers.resumable() == [
        begun[0],
        replace(begun[1], state=AnswerState.PENDING, attempts=0),
    ]


async def test_certain_failures_are_repeated_for_ever(ledger: SqlLedger) -> None:
    """A message that was certainly not placed may be sent as often as it takes."""
    answer = await ledger.answers.begin([(await _done(ledger))[0]], None)
    for _ in range(20):
        await ledger.answers.unsent(answer.id, uncertain=False)
        await ledger.answers.sending(answer.id)

    assert await ledger.answers.resumable() == [answer]


async def test_uncertain_calls_are_counted(ledger: SqlLedger) -> None:
    """They never end an answer; an attempt whose outcome is stored is not open any more."""
    answer = await ledger.answers.begin([(await _done(ledger))[0]], None)
    for _ in range(3):
        await ledger.answers.unsent(answer.id, uncertain=True)
        await ledger.answers.sending(answer.id)

    assert await ledger.answers.resumable() == [replace(answer, tries=3, attempts=1)]


async def test_attempts_that_were_cut_off_stay_counted(ledger: SqlLedger) -> None:
    """Each is counted before its call, so that a limit holds across the end of processes."""
    answer = await ledger.answers.begin([(await _done(ledger))[0]], None)
    for _ in range(3):
        await ledger.answers.cut_off(answer.id)
        await ledger.answers.sending(answer.id)

    assert await ledger.answers.resumable() == [replace(answer, tries=3, attempts=4)]


async def test_edits_are_never_uncertain(ledger: SqlLedger) -> None:
    """An edit may be repeated at will, until its message is gone."""
    answer = await ledger.answers.begin([(await _done(ledger))[0]], 55)
    await ledger.answers.cut_off(answer.id)
    await ledger.answers.anew(answer.id)
    await ledger.answers.sending(answer.id)
    await ledger.answers.unsent(answer.id, uncertain=True)

    [found] = await ledger.answers.resumable()
    assert (found.message_id, found.tries) == (None, 1)


async def test_answer_is_reworded(ledger: SqlLedger) -> None:
    """While it is being sent it is PENDING again; a sent one stays so."""
    answer = await ledger.answers.begin([(await _done(ledger))[0]], None)
    await ledger.answers.reword(answer.id, AnswerForm.PLAIN)
    plain = replace(answer, state=AnswerState.PENDING, attempts=0, form=AnswerForm.PLAIN)
    assert await ledger.answers.resumable() == [plain]
    await ledger.answers.sent(answer.id, 77)
    await ledger.answers.reword(answer.id, AnswerForm.FULL)

    assert await ledger.answers.resumable() == []


async def test_released_jobs_are_unanswered_again(ledger: SqlLedger) -> None:
    """Those that the message has no room for; others stay."""
    one, two = [(await _done(ledger))[0] for _ in range(2)]
    answer = await ledger.answers.begin([one, two], None)
    await ledger.answers.release(answer.id, [two.id])

    assert [job.id for job in await ledger.answers.unanswered(10)] == [two.id]
    assert (await get(ledger, one)).answer_id == answer.id


async def test_redirected_answer_goes_to_each_owner(ledger: SqlLedger) -> None:
    """No owner gets the links of others, and what belongs to no person is lost."""
    owners = (3, 4, 3, GROUP)
    jobs = [
        await cancel(ledger, await accept(ledger, chat_id=GROUP, owner_id=owner), at(1))
        for owner in owners
    ]
    answer = await ledger.answers.begin(jobs, None)
    await ledger.answers.redirect(answer.id, "message_refused")
    told = await ledger.answers.resumable()

    assert {found.chat_id: found.job_ids for found in told} == {
        3: (jobs[0].id, jobs[2].id),
        4: (jobs[1].id,),
    }
    assert {(found.form, found.state, found.reply_to) for found in told} == {
        (AnswerForm.PRIVATE, AnswerState.PENDING, None)
    }
    assert (await get(ledger, jobs[3])).answer_id == answer.id
    assert await ledger.answers.unanswered(10) == []


async def test_late_failure_does_not_take_back_a_sent_answer(ledger: SqlLedger) -> None:
    """What is placed is placed; it is never sent again."""
    answer, _ = await _sent(ledger)
    await ledger.answers.unsent(answer.id, uncertain=True)

    assert await ledger.answers.resumable() == []


async def test_sent_answer_is_stale_when_one_of_its_links_is_gone(ledger: SqlLedger) -> None:
    """Then its message says something that is not true any more."""
    answer, stored = await _sent(ledger)
    assert await ledger.answers.stale(10) == []
    await ledger.objects.gone([stored.id], at(1))

    assert await ledger.answers.stale(10) == [
        replace(answer, state=AnswerState.SENT, message_id=77, changes=1, attempts=0)
    ]


async def test_leftover_that_is_gone_makes_nothing_stale(ledger: SqlLedger) -> None:
    """An undone upload was never shown."""
    running = await acquire(ledger, await accept(ledger))
    left = await plan(ledger, running)
    await ledger.objects.abandon(left.id, at(0))
    answer = await ledger.answers.begin([await cancel(ledger, running)], None)
    await ledger.answers.sent(answer.id, 77)
    await ledger.objects.gone([left.id], at(1))

    assert await ledger.answers.stale(10) == []


async def test_link_that_ends_before_its_answer_is_sent_makes_it_stale_afterwards(
    ledger: SqlLedger,
) -> None:
    """The change is not lost, whichever comes first."""
    job, stored = await _done(ledger)
    answer = await ledger.answers.begin([job], None)
    await ledger.objects.gone([stored.id], at(1))
    assert await ledger.answers.stale(10) == []
    await ledger.answers.sent(answer.id, 77)

    assert [found.id for found in await ledger.answers.stale(10)] == [answer.id]


async def test_change_between_look_and_edit_leaves_the_answer_stale(ledger: SqlLedger) -> None:
    """Only the changes that were shown count as shown."""
    jobs = [await _done(ledger) for _ in range(2)]
    answer = await ledger.answers.begin([job for job, _ in jobs], None)
    await ledger.answers.sent(answer.id, 77)
    await ledger.objects.gone([jobs[0][1].id], at(1))
    [seen] = await ledger.answers.stale(10)
    await ledger.objects.gone([jobs[1][1].id], at(2))
    await ledger.answers.refreshed(answer.id, seen.changes)
    [again] = await ledger.answers.stale(10)
    await ledger.answers.refreshed(answer.id, again.changes)

    assert (seen.changes, again.changes) == (1, 2)
    assert await ledger.answers.stale(10) == []
