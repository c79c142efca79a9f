"""A stage for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.local_stack import LocalStack
from tests.fakes.fixtures import databases

__all__ = ["databases"]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[LocalStack]:
    """Both stand-ins, in the process of the test."""
    async with LocalStack(tmp_path) as stage:
        yield stage
