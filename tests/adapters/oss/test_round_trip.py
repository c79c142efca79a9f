"""The way of a test object, and what is left of it where it fails."""

import asyncio
from datetime import datetime, timedelta

import pytest

from bot.adapters.oss.access_checks import RoundTripCheck, RoundTripResult
from bot.adapters.oss.bucket import OssBucket, OssLinkSigner
from bot.adapters.oss.client import OssConnection
from bot.core.errors import StoreForbidden
from bot.core.files import LinkMode
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from tests.adapters.oss.links import BUCKET


async def walk(connection: OssConnection, oss: OssStandIn, mode: LinkMode) -> RoundTripResult:
    """Walk once."""

    def end() -> datetime:
        return oss.clock.now() + timedelta(minutes=5)

    result = RoundTripCheck(
        connection, OssBucket(connection), OssLinkSigner(connection, mode), mode
    )
    return await asyncio.to_thread(result.go, "relay/1/", end)


@pytest.mark.parametrize(
    ("mode", "plain", "after"), [(LinkMode.SIGNED, 403, 404), (LinkMode.PUBLIC, 200, 403)]
)
async def test_there_and_back(
    connection: OssConnection, oss: OssStandIn, mode: LinkMode, plain: int, after: int
) -> None:
    """The link opens and ends; a plain URL opens in public mode only; nothing is left."""
    result = await walk(connection, oss, mode)

    assert (result.link.status, result.link.equal, result.plain.status) == (200, True, plain)
    assert result.link.disposition.startswith("attachment")
    assert (result.after.status, result.object_left, result.uploads_left) == (after, False, 0)
    assert oss.buckets[BUCKET].objects == {}


@pytest.mark.parametrize("step", ["UploadPart", "CompleteMultipartUpload"])
async def test_nothing_is_left_of_a_failure(
    connection: OssConnection, oss: OssStandIn, step: str
) -> None:
    """Where a step is refused, the upload is aborted."""
    oss.faults.add(Fault(step, Effect.ERROR, args={"status": 403}))
    with pytest.raises(StoreForbidden):
        await walk(connection, oss, LinkMode.SIGNED)
    bucket = oss.buckets[BUCKET]

    assert (bucket.objects, bucket.uploads) == ({}, {})


async def test_versions(connection: OssConnection, oss: OssStandIn) -> None:
    """In a bucket with versions the link ends all the same."""
    oss.buckets[BUCKET].versioning = "Enabled"
    result = await walk(connection, oss, LinkMode.SIGNED)

    assert (result.link.equal, result.after.status) == (True, 404)
