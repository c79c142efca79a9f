"""A stage between the stand-ins, and an operator's settings for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.stage import Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Both stand-ins, without a bot."""
    async with Stage(tmp_path) as stage:
        yield stage
