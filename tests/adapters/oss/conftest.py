"""The stand-in with one bucket, and a connection to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import OssConnection
from bot.sandbox.clock import SandboxClock
from bot.sandbox.oss import OssStandIn
from tests.adapters.oss.links import BUCKET, connect


@pytest.fixture
def clock() -> SandboxClock:
    """The time of both sides."""
    return SandboxClock()


@pytest.fixture
async def oss(tmp_path: Path, clock: SandboxClock) -> AsyncIterator[OssStandIn]:
    """A running stand-in with an empty private bucket."""
    async with OssStandIn(tmp_path, clock=clock) as oss:
        oss.add_bucket(BUCKET)
        yield oss


@pytest.fixture
async def connection(oss: OssStandIn) -> AsyncIterator[OssConnection]:
    """A connection with the stand-in's own key and short time-outs."""
    connection = connect(oss)
    yield connection
    connection.close()


@pytest.fixture
def bucket(connection: OssConnection) -> OssBucket:
    """The bucket through the real SDK and real HTTP."""
    return OssBucket(connection)
