"""CRC-64/XZ of multipart objects, combined from the CRCs of the parts."""

from collections.abc import Iterable
from functools import lru_cache

POLYNOMIAL = 0xC96C5795D7870F42
"""0x42F0E1EBA9EA3693 with its bits reflected; bit 63 stands for x^0."""

_ONE = 1 << 63
_LINEAR = 1 << 62


def _multiply(left: int, right: int) -> int:
    """Multiply two polynomials modulo the generator, all in reflected form."""
    product = 0
    mask = _ONE
    while mask:
        if left & mask:
            product ^= right
        mask >>= 1
        right = (right >> 1) ^ POLYNOMIAL if right & 1 else right >> 1
    return product


@lru_cache(maxsize=4096)
def _shift(size: int) -> int:
    """Return x^(8 * size) modulo the generator; cached, because uploads have few different
    part sizes.
    """
    result, power, bits = _ONE, _LINEAR, 8 * size
    while bits:
        if bits & 1:
            result = _multiply(result, power)
        power = _multiply(power, power)
        bits >>= 1
    return result


def combine(parts: Iterable[tuple[int, int]]) -> int:
    """Return the CRC of a concatenation from the `(crc, size in bytes)` of its pieces,
    in order.
    """
    total = 0
    for crc, size in parts:
        total = _multiply(_shift(size), total) ^ crc
    return total
