"""A chat with many rows hides no other."""

from bot.adapters.ledger.ledger import SqlLedger
from bot.core.ports.ledger import OutboxKind, OutboxMessage, Priority
from tests.fakes.samples import NOW, OWNER, accept, at, cancel, finish

OTHER = 101


async def test_unanswered_jobs_are_limited_for_each_chat(ledger: SqlLedger) -> None:
    """The longest waiting of each, in one order."""
    mine = [await cancel(ledger, await accept(ledger), at(2 * n)) for n in range(3)]
    other = await cancel(ledger, await accept(ledger, chat_id=OTHER), at(1))
    found = await ledger.answers.unanswered(2)

    assert found == [mine[0], other, mine[1]]


async def test_sayings_are_limited_for_each_chat(ledger: SqlLedger) -> None:
    """By priority, then age."""
    for n, chat_id in enumerate([OWNER, OWNER, OWNER, OTHER]):
        priority = Priority.PRESS if n == 2 else Priority.REPLY
        message = OutboxMessage(OutboxKind.NOTICE, priority, chat_id, "en", dedupe=str(n))
        await ledger.outbox.post(message, NOW)
    found = [message.dedupe for message in (await ledger.outbox.pending_work(2)).messages]

    assert found == ["2", "0", "3"]


async def test_stale_answers_are_limited_for_each_chat(ledger: SqlLedger) -> None:
    """The oldest of each."""
    begun = []
    for chat_id in (OWNER, OWNER, OTHER):
        job, stored = await finish(ledger, await accept(ledger, chat_id=chat_id))
        begun.append(await ledger.answers.begin([job], None))
        await ledger.answers.sent(begun[-1].id, 7)
        await ledger.objects.gone([stored.id], NOW)
    found = [answer.id for answer in await ledger.answers.stale(1)]

    assert found == [begun[0].id, begun[2].id]
