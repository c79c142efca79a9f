"""Calls that end while a sender reads the ledger."""

import asyncio
from datetime import timedelta

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlAnswers, SqlOutbox, SqlStatusMessages
from bot.core.ports.answers import StoredAnswer, StoredStatusMessage
from bot.core.ports.ledger import PendingWork
from tests.fakes.samples import OWNER
from tests.outbound.outbound_fixture import OutboundFixture, ids_of

SLOW, QUICK = 201, 202


class Late:
    """Holds back what was read from the ledger until the test lets it go."""

    def __init__(self) -> None:
        self.has_read = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def hold(self) -> None:
        """Wait with what has been read."""
        self.has_read.set()
        await self.go.wait()


class LateAnswers(SqlAnswers):
    """Answers that are read before a call ends and looked at afterwards."""

    def __init__(self, database: Database, late: Late) -> None:
        super().__init__(database)
        self._late = late

    async def resumable(self) -> list[StoredAnswer]:
        """Read, then wait."""
        found = await super().resumable()
        await self._late.hold()
        return found


class LateOutbox(SqlOutbox):
    """The same for replies."""

    def __init__(self, database: Database, late: Late) -> None:
        super().__init__(database)
        self._late = late

    async def pending_work(self, limit: int) -> PendingWork:
        """Read, then wait."""
        found = await super().pending_work(limit)
        await self._late.hold()
        return found


class LateCards(SqlStatusMessages):
    """The same for status messages."""

    def __init__(self, database: Database, late: Late) -> None:
        super().__init__(database)
        self._late = late

    async def open_status_messages(self) -> list[StoredStatusMessage]:
        """Read, then wait."""
        found = await super().open_status_messages()
        await self._late.hold()
        return found


async def _look_while_a_call_ends(stage: OutboundFixture, late: Late) -> None:
    """Begin a call; in the next round read the ledger, let the call end, and only then go on."""
    gate = stage.messenger.hold(OWNER)
    await stage.round()
    await stage.messenger.holding.wait()
    late.has_read.clear()
    late.go.clear()
    looking = asyncio.create_task(stage.round())
    await late.has_read.wait()
    gate.set()
    await asyncio.wait(list(stage.calls._tasks.values()))
    late.go.set()
    await looking
    await stage.speak()


async def test_answer_is_sent_once_though_its_call_ends_while_somebody_looks(
    database: Database,
) -> None:
    """What was read before the end of the call looks as if the call had been cut off."""
    stage, late = OutboundFixture(database), Late()
    stage.ledger.answers = LateAnswers(database, late)
    stage.restart()
    [job] = await stage.finish_many(1)
    await _look_while_a_call_ends(stage, late)

    assert [ids_of(said) for said in stage.answers] == [[job.id]]


async def test_reply_is_sent_once_though_its_call_ends_while_somebody_looks(
    database: Database,
) -> None:
    """What was read before the end of the call looks as if it had not been said."""
    stage, late = OutboundFixture(database), Late()
    stage.ledger.outbox = LateOutbox(database, late)
    stage.restart()
    await stage.post()
    await _look_while_a_call_ends(stage, late)

    assert len(stage.messenger.calls("send")) == 1


async def test_card_is_placed_once_though_its_call_ends_while_somebody_looks(
    database: Database,
) -> None:
    """What was read before the end of the call looks as if it had no message yet."""
    stage, late = OutboundFixture(database), Late()
    stage.ledger.status_messages = LateCards(database, late)
    stage.restart()
    await stage.run(await stage.accept())
    stage.clock.advance(timedelta(seconds=1))
    await _look_while_a_call_ends(stage, late)

    assert len(stage.messenger.calls("send")) == 1
