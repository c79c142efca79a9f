"""A stage for each test."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from bot.demo.local_stack import LocalStack
from bot.logs import RelayHandler, configure
from bot.sandbox.telegram import User
from tests.conversations.groups import Room, open_room
from tests.conversations.leftovers import second_tries_at_once
from tests.conversations.people import Person
from tests.fakes.fixtures import (  # noqa: F401 -- fixtures.
    databases,
    ledgers,
    stages_on_both,
)
from tests.fakes.ledger import put_empty_ledger
from tests.fakes.profile import put_profile

pytest_generate_tests = stages_on_both


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """Log as in production: the library's own default words tracebacks for seconds, in the event
    loop.
    """
    root = logging.getLogger()
    level = root.level
    configure("info", "pretty")
    yield
    for handler in [handler for handler in root.handlers if isinstance(handler, RelayHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[LocalStack]:
    """Both stand-ins, without a bot, an empty ledger, and the menus of an earlier start."""
    async with LocalStack(tmp_path) as stage:
        put_empty_ledger(stage.folder / "relay.sqlite3")
        await put_profile(stage.telegram)
        yield stage


@pytest.fixture
def hurried_stop(stage: LocalStack) -> None:
    """At the end a bot does not wait for the transfers that still run."""
    stage.more["RELAY_STOP__GRACE"] = "1s"


@pytest.fixture
async def alice(stage: LocalStack) -> Person:
    """A user for whom a bot runs."""
    person = Person(stage)
    await stage.start_bot(person.id)
    return person


@pytest.fixture
def anna(stage: LocalStack) -> User:
    """The owner of the group."""
    return stage.telegram.add_user("Anna")


@pytest.fixture
def ben(stage: LocalStack) -> User:
    """A plain member who uses Telegram in Chinese."""
    return stage.telegram.add_user("Ben", language_code="zh-hans")


@pytest.fixture
async def room(stage: LocalStack, anna: User, ben: User) -> Room:
    """A supergroup in which the bot is a plain member with privacy mode on."""
    room = open_room(stage, anna, ben)
    await stage.start_bot()
    return room


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Calls inside an attempt are repeated without waiting."""
    with second_tries_at_once(monkeypatch):
        yield
