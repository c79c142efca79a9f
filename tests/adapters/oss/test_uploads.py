"""Whole uploads through the real SDK and real HTTP, each with something that goes wrong."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from bot.adapters.oss.bucket import OssBucket
from bot.adapters.oss.client import OssConnection
from bot.core.errors import Corrupted, StoreError, StoreForbidden
from bot.core.jobs import MIB, ProgressMeter
from bot.sandbox.faults import Effect, Fault
from bot.sandbox.oss import OssStandIn
from bot.sandbox.shaping import Shape
from bot.transfer.body import crc64
from bot.transfer.multipart import Uploaded
from bot.transfer.pool import RetryPolicy, TransferPool
from bot.transfer.uploader import Target, Uploader
from tests.adapters.oss.links import BUCKET, QUICK, connect
from tests.fakes.content import FakeContent
from tests.fakes.undo import undo
from tests.transfer.uploader_fixture import KEY, META, make_data

IMPATIENT = RetryPolicy(base=0.01, cap=0.05)
HANGING = replace(QUICK, minimum_rate=1024, answer_timeout=60.0)
"""Time-outs so long that a test would not outlive them."""


@dataclass
class Journal:
    """Remembers upload ids."""

    ids: list[str] = field(default_factory=list)

    async def initiated(self, upload_id: str, part_size: int) -> None:
        """Note an id."""
        del part_size
        self.ids.append(upload_id)

    async def progressed(self) -> None:
        """Nothing is recorded."""

    async def completing(self) -> None:
        """Nothing is remembered of it."""

    async def completed(self) -> None:
        """Nothing is recorded."""


@dataclass
class Relay:
    """Uploads to the stand-in."""

    oss: OssStandIn
    pool: TransferPool
    uploader: Uploader
    bucket: OssBucket
    journal: Journal = field(default_factory=Journal)

    async def upload(self, data: bytes) -> Uploaded:
        """Upload `data` from disk."""
        content = FakeContent(data)
        target = Target(KEY, META)
        return await self.uploader.upload(content, target, ProgressMeter(), self.journal)

    def stored(self) -> bytes | None:
        """Return what the stand-in holds."""
        stored = self.oss.buckets[BUCKET].objects.get(KEY)
        return stored.read_bytes() if stored else None

    def leftovers(self) -> list[str]:
        """Return pending uploads."""
        return list(self.oss.buckets[BUCKET].uploads)


def relay_over(connection: OssConnection, oss: OssStandIn, pool: TransferPool) -> Relay:
    """Put an uploader on a connection."""
    bucket = OssBucket(connection)
    uploader = Uploader(bucket, pool, connections_per_file=8, retry=IMPATIENT)
    return Relay(oss, pool, uploader, bucket)


@pytest.fixture
async def pool() -> AsyncIterator[TransferPool]:
    """Eight threads."""
    async with TransferPool(8) as pool:
        yield pool


@pytest.fixture
def relay(connection: OssConnection, oss: OssStandIn, pool: TransferPool) -> Relay:
    """Short time-outs, short pauses."""
    return relay_over(connection, oss, pool)


Args = dict[str, str | int | float]
SMALL, LARGE = MIB, 9 * MIB
QOS: Args = {
    "status": 503,
    "code": "SlowDown",
    "x-oss-qos-delay-time": "20",
}


@pytest.mark.parametrize(
    ("size", "fault"),
    [
        (LARGE, Fault("CompleteMultipartUpload", Effect.LOST)),
        (LARGE, Fault("CompleteMultipartUpload", Effect.LATE, args={"seconds": 60})),
        (LARGE, Fault("CompleteMultipartUpload", Effect.LATE, args={"seconds": 0.2})),
        (LARGE, Fault("CompleteMultipartUpload", Effect.RESET, times=3)),
        (LARGE, Fault("CompleteMultipartUpload", Effect.TRUNCATE, args={"bytes": 40})),
        (LARGE, Fault("CompleteMultipartUpload", Effect.HTML, times=2)),
        (LARGE, Fault("CompleteMultipartUpload", Effect.ERROR, times=2, args=QOS)),
        (LARGE, Fault("InitiateMultipartUpload", Effect.LOST)),
        (LARGE, Fault("InitiateMultipartUpload", Effect.ERROR, times=3, args={"status": 503})),
        (LARGE, Fault("UploadPart", Effect.ERROR, times=9, args={"status": 503})),
        (LARGE, Fault("UploadPart", Effect.ERROR, times=4, args=QOS)),
        (LARGE, Fault("UploadPart", Effect.ERROR, times=4, args={"status": 500, "close": 1})),
        (LARGE, Fault("UploadPart", Effect.RESET, times=2, args={"bytes": MIB})),
        (LARGE, Fault("UploadPart", Effect.LOST, times=2)),
        (LARGE, Fault("UploadPart", Effect.STALL, args={"bytes": MIB, "seconds": 60})),
        (LARGE, Fault("UploadPart", Effect.WRONG_CRC, times=2)),
        (LARGE, Fault("UploadPart", Effect.HTML, times=2)),
        (SMALL, Fault("PutObject", Effect.ERROR, times=5, args={"status": 503})),
        (SMALL, Fault("PutObject", Effect.RESET, times=2, args={"bytes": 1000})),
        (SMALL, Fault("PutObject", Effect.LOST)),
        (SMALL, Fault("PutObject", Effect.WRONG_CRC)),
    ],
    ids=lambda value: (
        f"{value.operation}-{value.effect}-{value.args}" if isinstance(value, Fault) else None
    ),
)
async def test_upload_survives(
    oss: OssStandIn, pool: TransferPool, size: int, fault: Fault
) -> None:
    """After each fault on the way, the object is there, whole, once, with nothing beside it."""
    connection = connect(oss, limits=replace(QUICK, complete_timeout=1.0))
    relay = relay_over(connection, oss, pool)
    struck = oss.faults.add(replace(fault, args=dict(fault.args)))
    data = make_data(size)
    uploaded = await relay.upload(data)
    connection.close()

    assert Uploaded(size, crc64(data)) == uploaded
    assert data == relay.stored()
    assert relay.leftovers() == []
    assert fault.times == struck.hits


@pytest.mark.parametrize("skew", [timedelta(minutes=-40), timedelta(hours=5)])
@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_wrong_clock_costs_one_refusal(
    oss: OssStandIn, relay: Relay, size: int, skew: timedelta
) -> None:
    """The first request is refused, its answer corrects the time, and all others pass."""
    oss.clock_skew = skew
    data = make_data(size)
    await relay.upload(data)

    assert data == relay.stored()
    assert [entry.status for entry in oss.log if entry.status != 200] == [403]


async def test_early_refusal_is_seen_while_sending(oss: OssStandIn, relay: Relay) -> None:
    """A 403 that comes before the body was read ends the upload at once, with its own name."""
    args: Args = {"status": 403, "code": "AccessDenied", "close": 1}
    oss.faults.add(Fault("UploadPart", Effect.ERROR, times=0, args=args))

    with pytest.raises(StoreForbidden):
        await relay.upload(make_data(40 * MIB))
    assert len(oss.log.of("UploadPart")) <= 16


async def test_wrong_checksum_of_the_whole(oss: OssStandIn, relay: Relay) -> None:
    """An object with a checksum other than that of its parts is corrupt; undoing removes it."""
    oss.faults.add(Fault("CompleteMultipartUpload", Effect.WRONG_CRC))
    with pytest.raises(Corrupted):
        await relay.upload(make_data(LARGE))
    await undo(relay.bucket, KEY)

    assert relay.stored() is None
    assert relay.leftovers() == []


@pytest.mark.parametrize(
    ("operation", "size"),
    [("PutObject", SMALL), ("InitiateMultipartUpload", LARGE), ("UploadPart", LARGE)],
)
async def test_oss_down_for_good(oss: OssStandIn, relay: Relay, operation: str, size: int) -> None:
    """Ten attempts, then the last error; undoing works as soon as OSS is back."""
    oss.faults.add(Fault(operation, Effect.RESET, times=0))
    with pytest.raises(StoreError):
        await relay.upload(make_data(size))
    oss.faults.clear()
    await undo(relay.bucket, KEY)

    assert relay.stored() is None
    assert relay.leftovers() == []


async def test_uploads_at_a_capped_rate_use_all_connections(oss: OssStandIn, relay: Relay) -> None:
    """With one connection capped, eight of them are several times as fast."""
    rate = 4 * MIB
    oss.shape = Shape(latency=0.01, up_per_connection=rate)
    data = make_data(16 * MIB)
    begun = time.monotonic()
    await relay.upload(data)
    took = time.monotonic() - begun

    assert took < len(data) / rate / 2
    assert data == relay.stored()


@pytest.mark.parametrize(
    ("fault", "size"),
    [
        (Fault("UploadPart", Effect.STALL, times=0, args={"seconds": 60}), 40 * MIB),
        (Fault("UploadPart", Effect.STALL, times=0, args={"bytes": MIB, "seconds": 60}), LARGE),
        (Fault("UploadPart", Effect.LATE, times=0, args={"seconds": 60}), 40 * MIB),
        (Fault("InitiateMultipartUpload", Effect.LATE, args={"seconds": 60}), LARGE),
        (Fault("PutObject", Effect.STALL, args={"seconds": 60}), SMALL),
        (Fault("PutObject", Effect.LATE, args={"seconds": 60}), SMALL),
    ],
    ids=lambda value: (
        f"{value.operation}-{value.effect}-{value.args}" if isinstance(value, Fault) else None
    ),
)
async def test_cancel_cuts_stuck_sockets(
    oss: OssStandIn, pool: TransferPool, fault: Fault, size: int
) -> None:
    """However the network hangs, a cancel is through within a second, and can be undone."""
    connection = connect(oss, limits=HANGING)
    relay = relay_over(connection, oss, pool)
    oss.faults.add(replace(fault, args=dict(fault.args)))
    task = asyncio.create_task(relay.upload(make_data(size)))
    await oss.wait_for(lambda: len(oss.log.of(fault.operation)) > 0)
    if fault.effect is Effect.LATE:
        # Applied, so the thread waits for an answer that does not come.
        await oss.wait_for(lambda: _applied(oss, fault.operation))
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    took = time.monotonic() - begun
    await undo(relay.bucket, KEY)
    connection.close()

    assert took < 1.0
    assert pool.running == 0
    assert relay.stored() is None
    assert relay.leftovers() == []


def _applied(oss: OssStandIn, operation: str) -> bool:
    bucket = oss.buckets[BUCKET]
    if operation == "UploadPart":
        return any(upload.parts for upload in bucket.uploads.values())
    return bool(bucket.objects or bucket.uploads)


async def test_cancel_between_parts_leaves_no_threads(
    oss: OssStandIn, relay: Relay, pool: TransferPool
) -> None:
    """Cancelled in the middle of a slow upload: all eight connections end, nothing remains."""
    oss.shape = Shape(up_per_connection=MIB)
    task = asyncio.create_task(relay.upload(make_data(40 * MIB)))
    await oss.wait_for(lambda: len(oss.log.of("UploadPart")) >= 8)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await undo(relay.bucket, KEY)

    assert pool.running == 0
    assert relay.leftovers() == []
