"""Checksums: ours against fastcrc, which computes them from the bytes."""

import time

from hypothesis import given
from hypothesis import strategies as st

from bot.transfer.body import CrcCombiner, combine, crc64


def test_check_value() -> None:
    """The checksum of the standard's test string is the standard's check value."""
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA


@given(st.binary(max_size=4096), st.binary(max_size=4096))
def test_combine_equals_computing_in_one_go(first: bytes, second: bytes) -> None:
    """Two checksums combine to that of the joined bytes, empty ones included."""
    whole = crc64(first + second)

    assert whole == combine(crc64(first), crc64(second), len(second))


@given(st.binary(min_size=1, max_size=20_000), st.integers(min_value=1, max_value=3000))
def test_combiner_joins_parts_of_one_size(data: bytes, part_size: int) -> None:
    """Appending parts of a fixed size and a shorter last one gives the checksum of all of it."""
    combiner = CrcCombiner(part_size)
    joined = 0
    for offset in range(0, len(data), part_size):
        part = data[offset : offset + part_size]
        joined = combiner.append(joined, crc64(part), len(part))

    assert crc64(data) == joined


@given(st.binary(max_size=1000), st.integers(min_value=0, max_value=1000))
def test_checksum_continues(data: bytes, split: int) -> None:
    """A checksum goes on where it stopped."""
    assert crc64(data) == crc64(data[split:], crc64(data[:split]))


def test_combine_lengths_beyond_memory() -> None:
    """Lengths of terabytes combine: appending zeros twice equals appending them once."""
    length = 3 << 40
    once = combine(0x1234, 0, 2 * length)

    assert once == combine(combine(0x1234, 0, length), 0, length)


def test_combiner_takes_microseconds() -> None:
    """Ten thousand parts, the most that an upload has, are joined in well under a second."""
    combiner = CrcCombiner(1 << 20)
    begun = time.perf_counter()
    joined = 0
    for _ in range(10_000):
        joined = combiner.append(joined, 0x0123_4567_89AB_CDEF, 1 << 20)
    took = time.perf_counter() - begun

    assert took < 1.0
