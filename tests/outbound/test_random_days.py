"""Days of a busy chat, played at random: every job gets one answer."""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from bot.adapters.ledger.database import Database
from bot.core.errors import ChatError, ChatFlooded, ChatUnavailable
from bot.core.jobs import Job, StoredObject
from bot.core.ports.ledger import OutboxKind
from bot.core.ports.views import Answer, ItemState
from tests.fakes.messenger import Trouble
from tests.fakes.samples import GROUP, OWNER
from tests.outbound.outbound_fixture import OutboundFixture, answered, items_of

CHATS = (OWNER, OWNER + 1, GROUP)
SECONDS = 80


@dataclass
class Day:
    """What happens in some minutes: files come, jobs run, end, links go, and calls fail."""

    stage: OutboundFixture
    chance: random.Random
    waiting: list[Job] = field(default_factory=list)
    running: list[Job] = field(default_factory=list)
    ended: list[Job] = field(default_factory=list)
    live: list[StoredObject] = field(default_factory=list)
    states: dict[int, ItemState] = field(default_factory=dict)

    async def second(self, *, quiet: bool) -> None:
        """Play a second; in a `quiet` one no event happens."""
        if not quiet and self.chance.random() < 0.3:
            chat_id = self.chance.choice(CHATS)
            burst = self.chance.choice([1, 1, 1, 2, 7])
            self.waiting += [await self.stage.accept(chat_id) for _ in range(burst)]
        if self.waiting and len(self.running) < 6:
            self.running.append(job := self.waiting.pop(0))
            await self.stage.run(job)
        for running in self.stage.queue.runs.values():
            running.meter.downloaded += self.chance.randrange(3)
        if self.running and self.chance.random() < (1 if quiet else 0.35):
            await self._end(self.running.pop(self.chance.randrange(len(self.running))))
        if self.live and self.chance.random() < 0.1:
            await self._expire(self.live.pop())
        if not quiet and self.chance.random() < 0.05:
            name = f"status-{self.stage.clock.now().timestamp()}"
            chat_id = self.chance.choice(CHATS)
            await self.stage.post(name, chat_id=chat_id, kind=OutboxKind.OVERVIEW)
        await self.stage.after(1)

    async def _end(self, job: Job) -> None:
        self.ended.append(job)
        match self.chance.randrange(4):
            case 0:
                await self.stage.press_cancel(self.stage.queue.runs[job.id])
                await self.stage.speak()
                await self.stage.cancel(job)
                self.states[job.id] = ItemState.CANCELLED
            case 1:
                await self.stage.fail(job)
                self.states[job.id] = ItemState.FAILED
            case _:
                self.live.append(await self.stage.done(job))
                self.states[job.id] = ItemState.LIVE

    async def _expire(self, stored: StoredObject) -> None:
        await self.stage.gone(stored)
        self.states[stored.job_id] = ItemState.EXPIRED

    def trouble(self) -> None:
        """Let one of the next calls fail; it is certain that it was not applied."""
        error: ChatError = self.chance.choice([ChatFlooded(7), ChatUnavailable("refused")])
        call = self.chance.choice(["send", "edit", "delete"])
        skip, times = self.chance.randrange(4), self.chance.randrange(1, 4)
        self.stage.messenger.trouble(Trouble(call, error, skip=skip, times=times))


async def _play(stage: OutboundFixture, seed: int, *, troubles: float, restarts: float) -> Day:
    day = Day(stage, random.Random(seed))  # noqa: S311 -- a game, not a secret.
    for second in range(SECONDS):
        if day.chance.random() < troubles:
            day.trouble()
        if day.chance.random() < restarts:
            stage.restart()
        await day.second(quiet=second > SECONDS // 2)
    await stage.after(400)
    return day


def _assert_told(day: Day) -> None:
    """Every job has one answer that tells the truth, and nothing else is left in the chats."""
    sent = [said for said in day.stage.answers if said.call == "send"]
    first_edits = {said.message_id: said for said in day.stage.answers if said.call == "edit"}
    by_edit = [
        said for id_, said in first_edits.items() if id_ not in {s.message_id for s in sent}
    ]
    views = [view for chat_id in CHATS for view in day.stage.messenger.shown(chat_id).values()]
    shown = {item.job_id: item.state for v in views if isinstance(v, Answer) for item in v.items}

    assert Counter(answered([*sent, *by_edit])) == Counter(job.id for job in day.ended)
    assert shown == day.states
    assert {type(view).__name__ for view in views} <= {"Answer", "Overview"}
    assert all(items_of(said) for said in day.stage.answers)


@pytest.mark.parametrize("seed", [0])
async def test_busy_chats_without_trouble(database: Database, seed: int) -> None:
    """No flood limit is ever hit, in any combination of calls."""
    stage = OutboundFixture(database)
    day = await _play(stage, seed, troubles=0, restarts=0)
    _assert_told(day)

    assert len(day.ended) > 10
    assert stage.messenger.floods == []


@pytest.mark.parametrize("seed", [3])
async def test_busy_chats_with_trouble(database: Database, seed: int) -> None:
    """Calls fail all the time; in the end everything has been said, and once."""
    day = await _play(OutboundFixture(database), seed, troubles=0.15, restarts=0)
    _assert_told(day)

    assert len(day.ended) > 10


@pytest.mark.parametrize("seed", [6])
async def test_busy_chats_with_restarts(database: Database, seed: int) -> None:
    """The process forgets everything but the ledger; the chats do not notice."""
    day = await _play(OutboundFixture(database), seed, troubles=0.05, restarts=0.05)
    _assert_told(day)

    assert len(day.ended) > 10
