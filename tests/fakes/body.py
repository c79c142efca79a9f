"""Bodies of requests."""

from collections.abc import Iterator


class BytesBody:
    """Bytes as a body (fulfils the `PartBody` port)."""

    def __init__(self, data: bytes, block: int = 64 << 10) -> None:
        self._data = data
        self._block = block

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        for offset in range(0, len(self._data), self._block):
            yield self._data[offset : offset + self._block]


class RaisingBody(BytesBody):
    """Gives its first block and then raises."""

    def __init__(self, data: bytes, error: Exception) -> None:
        super().__init__(data)
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield next(super().__iter__())
        raise self._error
