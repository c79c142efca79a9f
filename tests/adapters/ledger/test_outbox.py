"""Messages that must still be sent, and updates that could not be handled, in SQL."""

from dataclasses import replace
from datetime import timedelta

from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.totals import SAID_IS_KEPT_FOR
from bot.core.ports.ledger import OutboxKind, OutboxMessage, Priority
from tests.fakes.samples import NOW, OWNER, at


def _saying(dedupe: str, priority: Priority = Priority.REPLY) -> OutboxMessage:
    return OutboxMessage(
        OutboxKind.NOTICE, priority, OWNER, "en", dedupe, payload={"name": "help"}
    )


async def test_saying_comes_back_as_it_was(ledger: SqlLedger) -> None:
    """A stored message has its id, its age, and no call so far."""
    message = replace(_saying("a"), thread_id=3, reply_to=4, owner_id=5)
    assert await ledger.outbox.post(message, at(1))
    [pending] = (await ledger.outbox.pending_work(10)).messages

    assert pending == replace(message, id=pending.id, created_at=at(1))


async def test_pending_sayings_come_by_priority_then_age(ledger: SqlLedger) -> None:
    """A press before a reply, the older of two first, and no more than asked."""
    for dedupe, priority in (
        ("old", Priority.REPLY),
        ("new", Priority.REPLY),
        ("press", Priority.PRESS),
        ("answer", Priority.ANSWER),
    ):
        await ledger.outbox.post(_saying(dedupe, priority), NOW)
    pending = [message.dedupe for message in (await ledger.outbox.pending_work(10)).messages]

    assert pending == ["press", "old", "new", "answer"]
    assert [message.dedupe for message in (await ledger.outbox.pending_work(2)).messages] == [
        "press",
        "old",
    ]


async def test_same_thing_is_not_said_twice(ledger: SqlLedger) -> None:
    """The same key is refused while the message waits and after it was sent."""
    await ledger.outbox.post(_saying("a"), NOW)
    assert not await ledger.outbox.post(_saying("a"), at(1))
    [pending] = (await ledger.outbox.pending_work(10)).messages
    await ledger.outbox.delivered(pending.id)

    assert not await ledger.outbox.post(_saying("a"), at(2))
    assert (await ledger.outbox.pending_work(10)).messages == []


async def test_said_rows_are_forgotten_when_no_redelivery_can_come(ledger: SqlLedger) -> None:
    """After two days the same key may be used again."""
    await ledger.outbox.post(_saying("a"), NOW)
    [pending] = (await ledger.outbox.pending_work(10)).messages
    await ledger.outbox.delivered(pending.id)
    await ledger.outbox.post(_saying("b"), NOW)
    kept, gone = (
        NOW + SAID_IS_KEPT_FOR,
        NOW + SAID_IS_KEPT_FOR + timedelta(microseconds=1),
    )
    await ledger.totals.remove_ended(NOW, kept, 10)
    assert not await ledger.outbox.post(_saying("a"), kept)
    await ledger.totals.remove_ended(NOW, gone, 10)

    assert await ledger.outbox.post(_saying("a"), gone)


async def test_what_was_not_said_is_never_forgotten(ledger: SqlLedger) -> None:
    """A message that was not sent is kept, however long a chat is out of reach."""
    await ledger.outbox.post(_saying("a"), NOW)
    await ledger.outbox.post(_saying("b"), NOW + 10 * SAID_IS_KEPT_FOR)
    await ledger.totals.remove_ended(NOW, NOW + 10 * SAID_IS_KEPT_FOR, 10)

    assert [message.dedupe for message in (await ledger.outbox.pending_work(10)).messages] == [
        "a",
        "b",
    ]


async def test_calls_are_counted(ledger: SqlLedger) -> None:
    """Each call is counted in the ledger before it is made."""
    await ledger.outbox.post(_saying("a"), NOW)
    [pending] = (await ledger.outbox.pending_work(10)).messages
    counts = [await ledger.outbox.begin_attempt(pending.id) for _ in range(3)]

    assert counts == [1, 2, 3]
    assert [message.tries for message in (await ledger.outbox.pending_work(10)).messages] == [3]


async def test_message_that_was_set_aside(ledger: SqlLedger) -> None:
    """It is not offered again, and counted for operators; a call that fails keeps its reason until
    the next one begins.
    """
    await ledger.outbox.post(_saying("a"), NOW)
    [message] = (await ledger.outbox.pending_work(10)).messages
    await ledger.outbox.begin_attempt(message.id)
    await ledger.outbox.failed(message.id, "chat_unavailable")
    codes = [found.error_code for found in (await ledger.outbox.pending_work(10)).messages]
    await ledger.outbox.begin_attempt(message.id)
    codes += [found.error_code for found in (await ledger.outbox.pending_work(10)).messages]
    await ledger.outbox.set_aside(message.id, "unexpected")

    assert codes == ["chat_unavailable", None]
    assert (await ledger.outbox.pending_work(10)).messages == []
    assert await ledger.probe.set_aside() == {"outbox": 1}
