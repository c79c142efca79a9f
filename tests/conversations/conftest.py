"""A stage for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.stage import Stage
from tests.conversations.people import Person


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Both stand-ins, without a bot."""
    async with Stage(tmp_path) as stage:
        yield stage


@pytest.fixture
async def alice(stage: Stage) -> Person:
    """A person for whom a bot runs."""
    person = Person(stage)
    await stage.start_bot(person.id)
    return person
