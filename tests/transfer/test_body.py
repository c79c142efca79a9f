"""Bodies of requests."""

import pytest

from bot.core.errors import DiskError, SizeMismatch, TransferCancelled
from bot.core.jobs import Part, ProgressMeter
from bot.transfer.body import BLOCK, ContentBody, crc64
from bot.transfer.pool import CancelFlag
from tests.fakes.content import FakeContent

DATA = bytes(range(256)) * (3 * BLOCK // 256) + b"the end"
PART = Part(number=2, offset=100, size=len(DATA) - 200)
STRETCH = DATA[100:-100]


def make_body(
    data: bytes = DATA, part: Part = PART, flag: CancelFlag | None = None
) -> tuple[ContentBody, ProgressMeter]:
    """Make a body over `data` and the meter that it reports to."""
    meter = ProgressMeter()
    return ContentBody(FakeContent(data), part, meter, flag or CancelFlag()), meter


def test_yields_its_stretch_in_blocks() -> None:
    """The bytes are those of the part, none larger than a block, and the length is known."""
    body, _ = make_body()
    blocks = list(body)

    assert b"".join(blocks) == STRETCH
    assert len(STRETCH) == len(body)
    assert max(map(len, blocks)) <= BLOCK


def test_is_no_iterator() -> None:
    """It has no `__next__`: with one, neither SDK nor HTTP library would send it twice."""
    body, _ = make_body()

    assert not hasattr(body, "__next__")
    assert not hasattr(body, "read")


def test_checksum_is_known_at_the_end_only() -> None:
    """A body that was not read to its end has no checksum that could be compared by mistake."""
    body, _ = make_body()
    blocks = iter(body)
    next(blocks)
    halfway = body.crc64
    list(blocks)

    assert halfway is None
    assert crc64(STRETCH) == body.crc64


def test_starts_again() -> None:
    """A second iteration gives the same bytes and sets the progress back first."""
    body, meter = make_body()
    list(body)
    blocks = iter(body)
    next(blocks)
    set_back = meter.snapshot().uploaded
    rest = b"".join(blocks)

    assert set_back == 0
    assert STRETCH[BLOCK:] == rest
    assert crc64(STRETCH) == body.crc64


def test_progress_counts_what_was_handed_over() -> None:
    """A block counts when the next one is asked for; at the end the position is the size."""
    body, meter = make_body()
    positions = [meter.snapshot().uploaded for _ in body]

    assert positions == [0, BLOCK, 2 * BLOCK]
    assert len(STRETCH) == meter.snapshot().uploaded


def test_flag_stops_at_the_next_block() -> None:
    """A raised flag is an exception, never a short body, which would look like corruption."""
    flag = CancelFlag()
    body, _ = make_body(flag=flag)
    blocks = iter(body)
    next(blocks)
    flag.set()

    with pytest.raises(TransferCancelled):
        next(blocks)
    assert body.crc64 is None


def test_missing_bytes_are_named() -> None:
    """A file that has become shorter is a size mismatch, with both numbers."""
    body, _ = make_body(data=b"", part=Part(number=1, offset=0, size=10))

    class Shrunk(FakeContent):
        def pread(self, count: int, offset: int) -> bytes:
            return self.data[offset : offset + count]

    body = ContentBody(
        Shrunk(b"abc"), Part(number=1, offset=0, size=10), ProgressMeter(), CancelFlag()
    )
    with pytest.raises(SizeMismatch) as caught:
        list(body)

    assert (caught.value.announced, caught.value.received) == (10, 3)


def test_unreadable_disk_is_no_network_error() -> None:
    """An OSError of the disk becomes a `DiskError`, because HTTP libraries retry OSErrors."""

    class Broken(FakeContent):
        def pread(self, count: int, offset: int) -> bytes:
            del count, offset
            raise OSError(5, "Input/output error")

    body = ContentBody(Broken(DATA), PART, ProgressMeter(), CancelFlag())

    with pytest.raises(DiskError, match="cannot read at 100: Input/output error"):
        list(body)


def test_read_through_gives_the_checksum() -> None:
    """Bytes that OSS has already are read, not sent, and count as uploaded."""
    body, meter = make_body()

    assert crc64(STRETCH) == body.read_through()
    assert len(STRETCH) == meter.snapshot().uploaded
