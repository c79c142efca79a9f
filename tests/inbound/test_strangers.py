"""What people without rights may make the bot do."""

from datetime import timedelta

import pytest

from bot.adapters.ledger.database import Database
from bot.core import limits as bounded
from bot.core.ports.ledger import Priority
from bot.inbound.access import RATES, TOLD_EVERY, StrangerAct, Strangers
from bot.inbound.actions import JobAction
from tests.fakes.metrics import FakeMetrics
from tests.fakes.samples import GROUP, NOW, make_origin
from tests.inbound.inbound_fixture import OTHER, InboundFixture

CROWD = range(10_000, 10_500)


@pytest.fixture
def metrics() -> FakeMetrics:
    """Return what is counted."""
    return FakeMetrics()


@pytest.fixture
def strangers(metrics: FakeMetrics) -> Strangers:
    """Return the bounds, all of them untouched."""
    return Strangers(metrics)


def test_stranger_is_told_once_an_hour(strangers: Strangers) -> None:
    """The hour begins when the stranger was told."""
    moments = [NOW, NOW + TOLD_EVERY - timedelta(microseconds=1), NOW + TOLD_EVERY]

    assert [strangers.may_notify(1, at) for at in moments] == [True, False, True]
    assert [strangers.may_tell(2, at) for at in moments] == [True, False, True]


def test_crowd_costs_no_memory(strangers: Strangers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stranger who was told longest ago is forgotten, and told once more."""
    monkeypatch.setattr(bounded, "CAPACITY", 3)
    for user_id in (1, 2, 3, 4):
        strangers.may_notify(user_id, NOW)

    assert [strangers.may_notify(user_id, NOW) for user_id in (4, 3, 2)] == [False] * 3
    assert strangers.may_notify(1, NOW)


def test_crowd_is_bounded(strangers: Strangers, metrics: FakeMetrics) -> None:
    """What is beyond the bounds is dropped and counted; who was not told is told later."""
    told = [user_id for user_id in CROWD if strangers.may_notify(user_id, NOW)]
    later = NOW + timedelta(minutes=1)

    assert len(told) == RATES[StrangerAct.NOTICE].burst
    assert metrics.drops == ["notice"] * (len(CROWD) - len(told))
    assert strangers.may_notify(CROWD[-1], later)


async def test_rows_for_strangers_are_bounded(database: Database) -> None:
    """Their notices have the lowest priority, and there are few at any time."""
    inbound = InboundFixture(database)
    for user_id in CROWD:
        await inbound.use_cases.user_commands.welcome(make_origin(user_id))
    said = await inbound.said()

    assert len(said) == RATES[StrangerAct.NOTICE].burst
    assert {message.priority for message in said} == {Priority.STRANGER}


async def test_groups_that_are_not_allowed_are_bounded(database: Database) -> None:
    """They are left, later if there are very many."""
    inbound = InboundFixture(database)
    for number in CROWD:
        origin = make_origin(GROUP - number, owner_id=OTHER)
        await inbound.use_cases.user_commands.welcome(origin)
    said = await inbound.said()

    assert len(said) == RATES[StrangerAct.LEAVE].burst
    assert {message.priority for message in said} == {Priority.STRANGER}


async def test_presses_of_strangers_are_bounded(database: Database) -> None:
    """Those of others are answered all the same."""
    inbound = InboundFixture(database)
    told = [await inbound.press(user_id, JobAction.CANCEL, 1) for user_id in CROWD]

    assert told.count("press-unknown") == RATES[StrangerAct.PRESS].burst
    assert set(told) == {"press-unknown", None}
    assert await inbound.press(OTHER, JobAction.CANCEL, 1) == "press-unknown"
