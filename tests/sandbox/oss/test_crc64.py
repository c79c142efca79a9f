"""The combination of CRCs, against the CRC of the whole."""

from fastcrc import crc64
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.oss.crc64 import combine


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_equals_whole(pieces: list[bytes]) -> None:
    """Combining the pieces gives the CRC of their concatenation, empty pieces included."""
    combined = combine((crc64.xz(piece), len(piece)) for piece in pieces)

    assert crc64.xz(b"".join(pieces)) == combined


def test_large_parts() -> None:
    """Sizes of real parts work, with a last one of its own length."""
    pieces = [bytes([n]) * size for n, size in enumerate([1 << 20, 1 << 20, 12345])]
    combined = combine((crc64.xz(piece), len(piece)) for piece in pieces)

    assert crc64.xz(b"".join(pieces)) == combined
