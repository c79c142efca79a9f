"""Uploads from beginning to end, on a store in memory."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence

import pytest

from bot.core.errors import (
    Corrupted,
    FileEmpty,
    SizeMismatch,
    SourceGone,
    StoreForbidden,
    StoreThrottled,
    StoreUnavailable,
)
from bot.core.jobs import MIB, Phase, ProgressMeter
from bot.core.ports.store import ObjectMeta, PartBody, PartReceipt
from bot.transfer.body import CrcCombiner, crc64
from bot.transfer.multipart import Uploaded
from bot.transfer.pool import TransferPool
from bot.transfer.uploader import Target, Uploader
from tests.fakes.content import FakeContent
from tests.fakes.gate import Gate
from tests.fakes.store import FakeStore, Trouble
from tests.transfer.uploader_fixture import (
    KEY,
    META,
    PATIENT,
    Journal,
    UploaderFixture,
    make_data,
    raising,
    rigged,
)


@pytest.fixture
async def rig() -> AsyncIterator[UploaderFixture]:
    """Four connections, no pauses."""
    async with rigged() as rig:
        yield rig


@pytest.mark.parametrize("size", [1, 1000, 4 * MIB - 1, 4 * MIB])
async def test_small_file_is_one_request(rig: UploaderFixture, size: int) -> None:
    """A file that fits into one part is one PutObject and needs no journal."""
    data = make_data(size)

    assert Uploaded(size, crc64(data)) == await rig.upload(FakeContent(data))
    assert [call.name for call in rig.store.calls] == ["put_object"]
    assert data == rig.stored()
    assert rig.meter.snapshot().stored == size
    assert rig.journal.entries == []


@pytest.mark.parametrize("size", [4 * MIB + 1, 8 * MIB, 9 * MIB + 17])
async def test_large_file_is_sent_in_parts(rig: UploaderFixture, size: int) -> None:
    """A larger one is initiated, journalled before the first part, sent and completed."""
    data = make_data(size)

    assert Uploaded(size, crc64(data)) == await rig.upload(FakeContent(data))
    assert data == rig.stored()
    assert rig.meter.snapshot().stored == size
    assert rig.store.objects[KEY].meta == META
    assert rig.journal.entries == [("upload-1", 4 * MIB)]
    assert rig.journal.parts_before == [0]
    assert rig.store.upload_ids == []
    assert rig.meter.phase == Phase.FINISHING
    assert size == rig.meter.snapshot().uploaded


async def test_parts_leave_while_the_file_arrives(rig: UploaderFixture) -> None:
    """Each part is sent as soon as its bytes are on disk, before the next ones have come."""
    data = make_data(3 * MIB + 5)
    content = FakeContent(data, arrived=0)
    gates = [rig.store.trouble(Trouble("upload_part", Gate())) for _ in range(4)]
    task = rig.begin(content)
    for number, trouble in enumerate(gates, start=1):
        await content.arrive(MIB)
        assert isinstance(trouble.act, Gate)
        await trouble.act.reached.wait()
        parts = [call.part_number for call in rig.store.calls if call.name == "upload_part"]
        assert list(range(1, number + 1)) == parts
        trouble.act.open()
    await task

    assert data == rig.stored()
    assert rig.journal.entries == [("upload-1", MIB)]


async def test_nothing_is_begun_before_the_first_byte(rig: UploaderFixture) -> None:
    """While Telegram delivers nothing, nothing is begun at OSS that would have to be undone."""
    content = FakeContent(make_data(2 * MIB), arrived=0)
    task = rig.begin(content)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    before = list(rig.store.calls)
    await content.arrive(2 * MIB)
    await task

    assert before == []


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 9])
async def test_unknown_size_ends_where_the_file_ends(rig: UploaderFixture, size: int) -> None:
    """An upload is planned for the largest possible file, and stopped at the real end."""
    data = make_data(size)
    content = FakeContent(data, arrived=0, size_known=False, largest=20 * MIB)
    task = rig.begin(content)
    for _ in range(-(-size // MIB)):
        await content.arrive(MIB)

    assert Uploaded(size, crc64(data)) == await task
    assert data == rig.stored()


@pytest.mark.parametrize("size_known", [True, False])
async def test_empty_file_is_refused(rig: UploaderFixture, *, size_known: bool) -> None:
    """An empty file touches nothing."""
    content = FakeContent(b"", size_known=size_known)

    with pytest.raises(FileEmpty):
        await rig.upload(content)
    assert rig.store.calls == []


async def test_failing_download_stops_the_upload(rig: UploaderFixture) -> None:
    """An error of the download comes out as it is, with no thread left and nothing completed."""
    content = FakeContent(make_data(4 * MIB), arrived=MIB)
    gate = Gate(hears_flag=True)
    rig.store.trouble(Trouble("upload_part", gate))
    task = rig.begin(content)
    await gate.reached.wait()
    await content.fail(SourceGone("deleted"))

    with pytest.raises(SourceGone, match="deleted"):
        await task
    assert rig.pool.running == 0
    assert rig.store.count("complete") == 0


async def test_wrong_announcement_is_refused(rig: UploaderFixture) -> None:
    """An upload with a size other than announced is never completed."""

    class Misannounced(FakeContent):
        announced = 0

        @property
        def size(self) -> int:
            return self.announced

    for announced in (5 * MIB, 100):
        content = Misannounced(make_data(4 * MIB + 1))
        content.announced = announced
        with pytest.raises(SizeMismatch):
            await rig.upload(content)
    assert rig.stored() is None


async def test_window_bounds_parts_in_flight() -> None:
    """One file never has more connections than its limit, for any number of threads."""
    async with rigged(threads=16, connections=3) as rig:
        await rig.upload(FakeContent(make_data(60 * MIB)))

        assert rig.store.most_in_flight <= 3


async def test_pool_bounds_all_files_together() -> None:
    """Several files share the threads of the pool, and all of them arrive."""
    async with rigged(threads=3, connections=8) as rig:
        data = make_data(20 * MIB)
        targets = [Target(f"relay/1/{number}", META) for number in range(4)]
        await asyncio.gather(*(rig.upload(FakeContent(data), target) for target in targets))

        assert rig.store.most_in_flight <= 3
        assert [data] * 4 == [rig.store.objects[target.key].data for target in targets]


async def test_wrong_checksum_is_sent_again(rig: UploaderFixture) -> None:
    """A part or an object that OSS received differently is repeated."""
    rig.store.wrong_crc_for = {2}
    await rig.upload(FakeContent(make_data(9 * MIB)))
    rig.store.wrong_crc_for = {0}
    await rig.upload(FakeContent(b"small"), Target("relay/1/small", META))

    parts = [call.part_number for call in rig.store.calls if call.name == "upload_part"]
    assert sorted(number or 0 for number in parts) == [1, 2, 2, 3]
    assert rig.store.count("put_object") == 2


async def test_missing_checksum_is_not_trusted(rig: UploaderFixture) -> None:
    """An answer without a checksum proves nothing."""

    class Mute(FakeStore):
        def put_object(self, key: str, body: PartBody, meta: ObjectMeta) -> int | None:
            super().put_object(key, body, meta)
            return None

    uploader = Uploader(Mute(), rig.pool, retry=PATIENT)
    with pytest.raises(Corrupted):
        await uploader.upload(FakeContent(b"x"), Target(KEY, META), ProgressMeter(), rig.journal)


@pytest.mark.parametrize("name", ["initiate", "upload_part", "complete", "put_object"])
async def test_trouble_passes(rig: UploaderFixture, name: str) -> None:
    """A run of 503s or broken connections costs attempts, not the upload."""
    data = make_data(MIB if name == "put_object" else 9 * MIB)
    rig.store.trouble(Trouble(name, raising(StoreThrottled("slow", 0.5)), times=2))
    rig.store.trouble(Trouble(name, raising(StoreUnavailable("reset")), times=2))
    await rig.upload(FakeContent(data))

    assert data == rig.stored()


@pytest.mark.parametrize("name", ["initiate", "upload_part", "complete", "put_object"])
async def test_refusal_is_final(rig: UploaderFixture, name: str) -> None:
    """A permission error ends the upload at the first attempt, as one plain error."""
    data = make_data(MIB if name == "put_object" else 40 * MIB)
    rig.store.trouble(Trouble(name, raising(StoreForbidden("no")), times=0))

    with pytest.raises(StoreForbidden, match="no"):
        await rig.upload(FakeContent(data))
    assert rig.pool.running == 0
    assert rig.store.count(name) <= 4


async def test_first_failure_stops_the_others_at_once(rig: UploaderFixture) -> None:
    """Parts that hang are stopped when another one is refused; none is sent after that."""
    gates = [Gate(hears_flag=True) for _ in range(3)]
    for number, gate in enumerate(gates, start=1):
        rig.store.trouble(Trouble("upload_part", gate, part_number=number))

    async def all_hang() -> None:
        for gate in gates:
            await gate.reached.wait()

    refusal = Gate()

    def refuse() -> None:
        refusal()
        raise StoreForbidden("no")

    rig.store.trouble(Trouble("upload_part", refuse, part_number=4))
    task = rig.begin(FakeContent(make_data(80 * MIB)))
    await all_hang()
    refusal.open()

    with pytest.raises(StoreForbidden):
        await task
    assert rig.store.count("upload_part") == 4
    assert rig.pool.running == 0


async def test_throttling_narrows_the_window() -> None:
    """After a throttled part half as many are sent at once: places that come free stay empty until
    then.
    """
    async with rigged(threads=16, connections=8) as rig:
        data = make_data(20 * MIB)
        target = Target(KEY, META, upload_id=rig.store.initiate(KEY, META), part_size=MIB)
        rig.store.trouble(Trouble("upload_part", raising(StoreThrottled("slow")), part_number=1))
        gates = {number: Gate() for number in range(1, 9)}
        for number, gate in gates.items():
            rig.store.trouble(Trouble("upload_part", gate, part_number=number))
        task = rig.begin(FakeContent(data), target)
        for gate in gates.values():
            await gate.reached.wait()
        for left, number in enumerate((1, 2, 3), start=1):
            gates[number].open()
            while rig.store.in_flight > 8 - left:  # noqa: ASYNC110 - the store has no event for it.
                await asyncio.sleep(0)
        sent = rig.store.count("upload_part")
        for gate in gates.values():
            gate.open()
        await task

        assert sent == 9
        assert data == rig.stored()


async def test_progress_never_exceeds_the_file_and_can_fall(rig: UploaderFixture) -> None:
    """A part that is sent again sets the progress back instead of adding to it."""
    seen: list[int] = []

    def look() -> None:
        seen.append(rig.meter.snapshot().uploaded)
        raise StoreUnavailable("reset")

    rig.store.trouble(Trouble("upload_part", look, lost=True, times=3))
    size = 4 * MIB + 100
    await rig.upload(FakeContent(make_data(size)))

    assert max(seen) <= size
    assert size == rig.meter.snapshot().uploaded


class Sieve(FakeStore):
    """Takes parts as a connection does: block by block, keeping nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._crcs: dict[int, int] = {}

    def upload_part(
        self, key: str, upload_id: str, part_number: int, body: PartBody
    ) -> PartReceipt:
        """Read every block and forget it."""
        del key, upload_id
        checksum = 0
        for block in body:
            checksum = crc64(block, checksum)
        return PartReceipt(part_number, '"e"', len(body), checksum)

    def complete(
        self, key: str, upload_id: str, parts: Sequence[PartReceipt], meta: ObjectMeta
    ) -> int | None:
        """Take any parts, and answer with the checksum of all of them."""
        del key, upload_id, meta
        combiner, checksum = CrcCombiner(parts[0].size), 0
        for part in parts:
            checksum = combiner.append(checksum, part.crc64 or 0, part.size)
        return checksum


class Endless(FakeContent):
    """A large file that takes no memory."""

    def __init__(self, size: int) -> None:
        super().__init__(b"")
        self._announced = size

    @property
    def size(self) -> int:
        """As many bytes as asked for."""
        return self._announced

    async def wait_for(self, end: int) -> int:
        """Everything is there."""
        del end
        return self._announced

    def pread(self, count: int, offset: int) -> bytes:
        """Make new bytes each time, as reading from disk does."""
        del offset
        return bytes(count)


@pytest.mark.parametrize("size", [256 * MIB, 1024 * MIB])
async def test_memory_is_bounded_by_parts_in_flight(size: int) -> None:
    """Memory is at most a mebibyte per part in flight and a constant, for every size
    of the file.
    """
    connections = 8
    async with TransferPool(connections) as pool:
        store = Sieve()
        uploader = Uploader(store, pool, connections_per_file=connections, retry=PATIENT)
        tracemalloc.start()
        try:
            content = Endless(size)
            await uploader.upload(content, Target(KEY, META), ProgressMeter(), Journal(store))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak <= connections * MIB + 2 * MIB
