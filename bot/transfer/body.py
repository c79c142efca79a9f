"""The body of one request, read from disk block by block while it is sent, and its CRC-64/XZ."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from fastcrc import crc64 as _fastcrc

from bot.core.errors import DiskError, SizeMismatch
from bot.core.jobs import Part, ProgressMeter
from bot.core.ports.chat import Content
from bot.transfer.pool import CancelFlag

POLYNOMIAL: Final = 0xC96C5795D7870F42
"""ECMA-182, reflected (source: catalogue of parametrised CRC algorithms, "CRC-64/XZ")."""

_ONE: Final = 1 << 63
"""The polynomial 1: in reflected order the highest bit is x^0."""


def crc64(data: bytes | bytearray | memoryview, previous: int = 0) -> int:
    """Continue the checksum `previous` over `data`; 0 begins a new one."""
    # fastcrc takes every contiguous buffer; its stubs name only bytes.
    return _fastcrc.xz(data, previous)  # type: ignore[arg-type,unused-ignore] # see above.


def combine(crc_a: int, crc_b: int, length_b: int) -> int:
    """Return the checksum of A followed by B, where B has `length_b` bytes. About 0.2 ms."""
    return _multiply(_shift(length_b), crc_a) ^ crc_b


class CrcCombiner:
    """Combines a checksum with those of blocks of one fixed length, in about a microsecond each.

    Construction takes about a millisecond and 2,048 integers; `part_size` is in bytes.
    """

    def __init__(self, part_size: int) -> None:
        self.part_size = part_size
        self._tables = _byte_tables(_shift(part_size))

    def append(self, crc_a: int, crc_b: int, length_b: int) -> int:
        """Return the checksum of A followed by B; fast if B has `part_size` bytes, correct for any
        length.
        """
        if length_b != self.part_size:
            return combine(crc_a, crc_b, length_b)
        shifted = crc_b
        for table in self._tables:
            shifted ^= table[crc_a & 0xFF]
            crc_a >>= 8
        return shifted


def _multiply(a: int, b: int) -> int:
    # Schoolbook multiplication in reflected order: walk the bits of a from x^0 on, times x each.
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFF_FFFF_FFFF_FFFF
        b = b >> 1 ^ POLYNOMIAL if b & 1 else b >> 1
    return product


def _shift(length: int) -> int:
    # x^(8 * length) by repeated squaring; x^8 is the lowest power needed, since bytes are
    # appended.
    result, exponent = _ONE, length
    for power in _squares():
        if exponent & 1:
            result = _multiply(power, result)
        exponent >>= 1
        if not exponent:
            break
    return result


@cache
def _squares() -> tuple[int, ...]:
    # x^(8 * 2^k) for k = 0…47: enough for files of 2^48 bytes, more than OSS stores in one object.
    squares = [_ONE >> 8]
    while len(squares) < 48:
        squares.append(_multiply(squares[-1], squares[-1]))
    return tuple(squares)


def _byte_tables(operator: int) -> tuple[tuple[int, ...], ...]:
    # Multiplication is linear, so eight tables of 256 products replace 64 steps of bits.
    bits = [_multiply(operator, 1 << bit) for bit in range(64)]
    tables = []
    for low in range(0, 64, 8):
        table = [0]
        for bit in bits[low : low + 8]:
            table += [entry ^ bit for entry in table]
        tables.append(tuple(table))
    return tuple(tables)


BLOCK: Final = 256 << 10
"""Bytes of a block, which one connection holds in memory. Larger ones make cancel slow and let a
slow connection look stalled, because one block is one `sendall` with one deadline; smaller ones
cost CPU.
"""


class ContentBody:
    """A range of a `Content` as the body of one request (fulfils the `PartBody` port).

    Restartable: every `iter()` reads from the beginning and sets the progress back. It has a
    length and no `__next__`, so it is sent with Content-Length and may be sent again. One thread
    at a time iterates it.

    Raises:
        TransferCancelled: the flag was set; it is checked at every block.
        DiskError: the bytes cannot be read.
        SizeMismatch: the bytes are not on disk (any more).
    """

    def __init__(
        self, content: Content, part: Part, meter: ProgressMeter, flag: CancelFlag
    ) -> None:
        self._content = content
        self._part = part
        self._meter = meter
        self._flag = flag
        self.crc64: int | None = None
        """Checksum of the whole range; `None` until an iteration has reached its end."""

    def __len__(self) -> int:
        return self._part.size

    def __iter__(self) -> Iterator[bytes]:
        self.crc64 = None
        checksum, offset = 0, self._part.offset
        self._meter.set_part(self._part.number, 0)
        while offset < self._part.end:
            self._flag.raise_if_set()
            block = self._read(offset)
            checksum = crc64(block, checksum)
            yield block
            # A request for the next block means that this one has been passed to the connection.
            offset += len(block)
            self._meter.set_part(self._part.number, offset - self._part.offset)
        self.crc64 = checksum

    def _read(self, offset: int) -> bytes:
        try:
            block = self._content.pread(min(BLOCK, self._part.end - offset), offset)
        except OSError as error:
            # Translated here, or the HTTP library would take it for a broken connection.
            raise DiskError(f"cannot read at {offset}: {error.strerror}") from error
        if not block:
            raise SizeMismatch(announced=self._part.end, received=offset)
        return block

    def read_through(self) -> int:
        """Read the whole range without sending anything; return its checksum. Blocks."""
        for _ in self:
            pass
        return self.crc64 or 0
