"""CRC-64/XZ, the checksum of OSS, and its combination from parts.

Computing is fastcrc's work (about 60 GB/s, GIL released). Combining is ours: appending `n` bytes
multiplies the checksum before them by x^(8n) in GF(2)[x] modulo the polynomial, so the checksum of
a file follows from those of its parts without reading it again.
"""

from functools import cache
from typing import Final

from fastcrc import crc64 as _fastcrc

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
    """Appends blocks of one fixed length to a checksum, in about a microsecond each.

    Building costs about a millisecond and 2,048 integers; `part_size` is in bytes.
    """

    def __init__(self, part_size: int) -> None:
        self.part_size = part_size
        self._tables = _byte_tables(_shift(part_size))

    def append(self, crc_a: int, crc_b: int, length_b: int) -> int:
        """Return the checksum of A followed by B; quick if B has `part_size` bytes,
        right always.
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
