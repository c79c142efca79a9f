"""Answers that end in an unexpected error whenever they are composed, sent or corrected."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from bot.adapters.ledger.database import Database
from bot.core.jobs import Job, StoredObject
from bot.core.ports.ledger import ChatRules
from bot.core.ports.views import Answer
from bot.outbound.answer_delivery import MOST_ATTEMPTS
from bot.outbound.chat_migration import ChatMigrations
from bot.outbound.views import AnswerViews
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import GROUP, OWNER
from tests.outbound.outbound_fixture import OutboundFixture, answered

OTHER = 101
HOUR = 3600
POISON = "poison.bin"


class PoisonedViews(AnswerViews):
    """Views that cannot compose the answer to a file of this name; `hits` counts the attempts."""

    hits = 0

    async def compose(
        self,
        jobs: Sequence[Job],
        chat_id: int,
        stored: Mapping[int, StoredObject] | None = None,
    ) -> Answer:
        """Compose, or raise."""
        if any(job.file.name == POISON for job in jobs):
            self.hits += 1
            raise KeyError(POISON)
        return await super().compose(jobs, chat_id, stored)


@pytest.fixture
def metrics() -> FakeMetrics:
    """Return what the senders count."""
    return FakeMetrics()


@pytest.fixture
def stage(database: Database, metrics: FakeMetrics) -> OutboundFixture:
    """Return senders with nothing to send."""
    stage = OutboundFixture(database)
    stage.restart(metrics)
    return stage


def _poison(stage: OutboundFixture, metrics: FakeMetrics, where: str) -> None:
    if where == "compose":
        views = stage.views
        answers = PoisonedViews(stage.ledger, views.jobs, stage.migrations, stage.clock)
        stage.views = replace(views, answers=answers)
    stage.messenger.poison = (where, POISON)
    stage.restart(metrics)


@pytest.mark.parametrize("where", ["compose", "send"])
async def test_answer_that_always_fails_is_set_aside_alone(
    stage: OutboundFixture, metrics: FakeMetrics, where: str
) -> None:
    """The others of its chat, merged with it or behind it, are answered, as are other chats."""
    _poison(stage, metrics, where)
    poison = await stage.accept(name=POISON)
    await stage.done(poison)
    together = await stage.finish_many(6)
    [elsewhere] = await stage.finish_many(1, OTHER)
    await stage.after(120)
    [later] = await stage.finish_many(1)
    await stage.after(HOUR)

    expected = sorted(job.id for job in (*together, elsewhere, later))
    assert sorted(answered(stage.answers)) == expected
    assert metrics.lost == ["unexpected"]
    assert await stage.ledger.probe.set_aside() == {"answer": 1}
    assert await stage.ledger.answers.unanswered(10) == []


async def test_files_that_cannot_be_fitted_together_are_answered_alone(
    stage: OutboundFixture, metrics: FakeMetrics
) -> None:
    """A single file needs no fitting."""
    _poison(stage, metrics, "fit")
    poison = await stage.accept(name=POISON)
    await stage.done(poison)
    together = await stage.finish_many(6)
    await stage.after(HOUR)

    assert sorted(answered(stage.answers)) == sorted(job.id for job in (poison, *together))
    assert metrics.lost == []


async def test_attempts_are_counted_across_restarts(
    stage: OutboundFixture, metrics: FakeMetrics
) -> None:
    """No process begins anew."""
    _poison(stage, metrics, "compose")
    views = stage.views.answers
    assert isinstance(views, PoisonedViews)
    await stage.done(await stage.accept(name=POISON))
    while views.hits < MOST_ATTEMPTS:
        before = views.hits
        stage.restart(metrics)
        await stage.after(1)
        assert views.hits > before
    stage.restart(metrics)
    await stage.after(HOUR)

    assert views.hits == MOST_ATTEMPTS
    assert metrics.lost == ["unexpected"]


async def test_correction_that_always_fails_is_set_aside(
    stage: OutboundFixture, metrics: FakeMetrics
) -> None:
    """Those of other answers are made; what changes later is tried again."""
    poison = await stage.accept(name=POISON)
    links = [await stage.done(poison)]
    await stage.after(10)
    [job] = await stage.finish_many(1)
    links += (await stage.ledger.objects.of_jobs([job.id])).values()
    await stage.after(60)
    _poison(stage, metrics, "edit")
    await stage.gone(*links)
    await stage.after(HOUR)

    assert answered([said for said in stage.answers if said.call == "edit"]) == [job.id]
    assert await stage.ledger.answers.stale(10) == []
    assert await stage.ledger.probe.set_aside() == {"answer": 1}
    assert stage.messenger.tried.count(("edit", OWNER)) == 1


class PoisonedMigrations(ChatMigrations):
    """Cannot tell the rules of one group."""

    async def rules(self, chat_id: int) -> ChatRules:
        """Return rules, or raise."""
        if chat_id == GROUP:
            raise KeyError(chat_id)
        return await super().rules(chat_id)


async def test_group_whose_rules_fail_holds_up_no_other(
    stage: OutboundFixture, metrics: FakeMetrics
) -> None:
    """The error is met while calls are offered; the others are answered in the same second."""
    stage.migrations = PoisonedMigrations(stage.ledger.chats)
    stage.restart(metrics)
    await stage.finish_many(1, GROUP)
    [elsewhere] = await stage.finish_many(1, OTHER)
    [later] = await stage.finish_many(1, OTHER + 1)
    await stage.after(1)

    assert sorted(answered(stage.answers)) == [elsewhere.id, later.id]
    assert metrics.unexpected == [("answer", "KeyError")]


async def test_answer_that_fails_while_it_is_offered_is_set_aside_alone(
    stage: OutboundFixture, metrics: FakeMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tries are counted in the ledger, across restarts; the others are answered at once."""
    poison, other = [(await stage.finish_many(1, chat))[0] for chat in (OWNER, OTHER)]
    answers = stage.ledger.answers
    poisoned, valid = [await answers.begin([job], None) for job in (poison, other)]
    cut_off = answers.cut_off

    async def fail(answer_id: int, *, called: bool = True) -> None:
        if answer_id == poisoned.id:
            raise KeyError(answer_id)
        await cut_off(answer_id, called=called)

    monkeypatch.setattr(answers, "cut_off", fail)
    await stage.after(10)
    assert answered(stage.answers) == [other.id]
    for _ in range(MOST_ATTEMPTS):
        stage.restart(metrics)
        await stage.after(1)

    assert answered(stage.answers) == [other.id]
    assert metrics.lost == ["crashed"]
    assert await stage.ledger.probe.set_aside() == {"answer": 1}
    assert await answers.resumable() == []
    assert valid.id != poisoned.id
