"""A stand-in with one bucket, the SDK as its client, and a plain HTTP client."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox.oss import OssStandIn
from bot.sandbox.oss.model import Bucket
from tests.sandbox.oss.sdk import BUCKET, sdk_client


@pytest.fixture
async def oss(tmp_path: Path) -> AsyncIterator[OssStandIn]:
    """Serve an empty stand-in."""
    async with OssStandIn(tmp_path / "oss") as oss:
        yield oss


@pytest.fixture
def bucket(oss: OssStandIn) -> Bucket:
    """Add a private bucket."""
    return oss.add_bucket(BUCKET)


@pytest.fixture
def client(oss: OssStandIn, bucket: Bucket) -> Iterator[Any]:
    """Make an SDK client for the bucket."""
    assert bucket.name == BUCKET
    with sdk_client(oss) as client:
        yield client


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Make a client that knows nothing of OSS."""
    async with aiohttp.ClientSession() as session:
        yield session
