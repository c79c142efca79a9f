"""A stage for each test; those that are not about a server already run on both kinds of ledger."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from tests.fakes.fixtures import databases, ledgers, stages_on_both
from tests.kill.kill_scenario import KillScenario

__all__ = ["databases", "ledgers"]

pytest_generate_tests = stages_on_both


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[LocalStack]:
    """Both stand-ins, in the process of the test."""
    async with LocalStack(tmp_path) as stage:
        yield stage


@pytest.fixture
async def scenario(stage: LocalStack, ledgers: str) -> AsyncIterator[KillScenario]:
    """A user on the stage, and a bot of one process or of two."""
    async with KillScenario(stage, ledgers) as scenario:
        yield scenario
