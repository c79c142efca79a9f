"""One connection after the other, against servers that lie."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bot.adapters.telegram import download as module
from bot.adapters.telegram.download import AddressExpired, Download, MinimumThroughput
from bot.adapters.telegram.request import open_session
from bot.core.errors import FileTooLarge, RelayError, SizeMismatch, SourceUnavailable
from bot.core.jobs import Phase, ProgressMeter
from bot.transfer.spool_file import SpoolFile
from tests.adapters.telegram.wire import Answer, Wire, http

DATA = b"0123456789"
LIMIT = 50


class Line:
    """A download into a file that has some bytes already, from a server with these answers."""

    def __init__(
        self, download: Download, file: SpoolFile, server: Wire, meter: ProgressMeter
    ) -> None:
        self.download = download
        self.meter = meter
        self.file = file
        self.server = server

    async def receive(self) -> None:
        """Use one connection."""
        await self.download.receive(f"{self.server.url}/file")

    @property
    def asked(self) -> list[str]:
        """The Range headers so far, "" where there was none."""
        heads = [head.lower().split("\r\n") for head, _ in self.server.asked]
        return [
            next((line[7:] for line in lines if line.startswith("range: ")), "") for lines in heads
        ]


@asynccontextmanager
async def line(tmp_path: Path, *answers: Answer, there: bytes = b"") -> AsyncIterator[Line]:
    """Set everything up."""
    file = SpoolFile(tmp_path / "1.part", LIMIT)
    await file.open()
    meter = ProgressMeter()
    try:
        await file.append(there)
        async with Wire(*answers) as server, open_session(proxy=None, connections=0) as session:
            throughput = MinimumThroughput(patience=timedelta(seconds=5))
            download = Download(session, file, meter, limit=LIMIT, throughput=throughput)
            yield Line(download, file, server, meter)
    finally:
        await file.close()


def chunked(*blocks: bytes) -> Answer:
    """Answer without saying how long it will be."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for block in blocks:
            writer.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return answer


async def test_size_from_the_server(tmp_path: Path) -> None:
    """Without an announced size, that of the answer counts."""
    async with line(tmp_path, http(200, DATA)) as it:
        await it.receive()

        assert (it.download.size, it.file.size) == (10, 10)


async def test_no_size_at_all(tmp_path: Path) -> None:
    """A body of unknown length is taken up to its end."""
    async with line(tmp_path, chunked(b"01234", b"56789")) as it:
        await it.receive()

        assert (it.download.size, it.file.size) == (None, 10)


async def test_small_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes from a slow line are written together, those that have come within the pause."""
    monkeypatch.setattr(module, "PAUSE", 0.5)
    seen: list[int] = []

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0")
        await it.file.wait_for(1)
        for number in range(1, 9):
            writer.write(DATA[number : number + 1])
            await _turns()
            seen.append(it.file.size)
        writer.write(DATA[9:])

    async with line(tmp_path, answer) as it:
        await it.receive()

        assert seen == [1] * 8
        assert it.file.pread(100, 0) == DATA


async def test_pieces_that_come_at_once_wait_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file in several pieces is there with its last one, however long the pause is."""
    monkeypatch.setattr(module, "PAUSE", 3600.0)

    async with line(tmp_path, chunked(b"01234", b"56789")) as it:
        await it.receive()

        assert it.file.size == 10


async def test_pieces_before_a_break_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has come before a connection breaks is in the spool, also where more was awaited."""
    monkeypatch.setattr(module, "PAUSE", 3600.0)

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123")
        await writer.drain()
        writer.close()

    async with line(tmp_path, answer) as it:
        with pytest.raises(SourceUnavailable):
            await it.receive()

        assert it.file.size == 4


async def _turns() -> None:
    """Let all other tasks run a few times."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_endless(tmp_path: Path) -> None:
    """A body that does not end is stopped at the limit, and at what was announced."""
    async with line(tmp_path, chunked(*[DATA] * 9)) as it:
        with pytest.raises(FileTooLarge):
            await it.receive()
    async with line(tmp_path, chunked(*[DATA] * 2)) as it:
        it.download.announce(12)
        with pytest.raises(SizeMismatch) as caught:
            await it.receive()

        assert caught.value.announced == 12
        assert it.file.size <= 12


@pytest.mark.parametrize("length", [9, 11])
async def test_other_length(tmp_path: Path, length: int) -> None:
    """A length that is not the announced one ends it before the first byte."""
    async with line(tmp_path, http(200, b"x" * length)) as it:
        it.download.announce(10)
        with pytest.raises(SizeMismatch) as caught:
            await it.receive()

        assert (10, length, 0) == (caught.value.announced, caught.value.received, it.file.size)


async def test_longer_than_allowed(tmp_path: Path) -> None:
    """A length over the limit ends it before the first byte."""
    async with line(tmp_path, http(200, b"x" * (LIMIT + 1))) as it:
        with pytest.raises(FileTooLarge) as caught:
            await it.receive()

        assert caught.value.size == LIMIT + 1


async def test_goes_on(tmp_path: Path) -> None:
    """Bytes that are there are not asked for again."""
    rest = http(206, DATA[4:], Content_Range="bytes 4-9/10")
    async with line(tmp_path, rest, there=DATA[:4]) as it:
        await it.receive()

        assert it.asked == ["bytes=4-"]
        assert it.file.pread(100, 0) == DATA


@pytest.mark.parametrize("told", ["bytes 3-9/10", "bytes */10", ""])
async def test_another_range(tmp_path: Path, told: str) -> None:
    """A server that answers with another range is not asked for one again."""
    wrong = http(206, DATA[3:], Content_Range=told)
    async with line(tmp_path, wrong, http(200, DATA), there=DATA[:4]) as it:
        with pytest.raises(SourceUnavailable):
            await it.receive()
        await it.receive()

        assert it.asked == ["bytes=4-", ""]
        assert it.file.pread(100, 0) == DATA


async def test_range_of_another_file(tmp_path: Path) -> None:
    """A range with a total other than the announced size belongs to something else."""
    wrong = http(206, DATA[4:], Content_Range="bytes 4-9/11")
    async with line(tmp_path, wrong, there=DATA[:4]) as it:
        it.download.announce(10)
        with pytest.raises(SizeMismatch):
            await it.receive()


async def test_no_such_range(tmp_path: Path) -> None:
    """A server that has less than we have is asked for a new path, and for everything."""
    answers = (http(416, b"", Content_Range="bytes */3"), http(200, DATA))
    async with line(tmp_path, *answers, there=DATA[:4]) as it:
        with pytest.raises(AddressExpired):
            await it.receive()
        await it.receive()

        assert it.asked == ["bytes=4-", ""]


async def test_all_there_already(tmp_path: Path) -> None:
    """A connection that broke behind the last byte needs no other one."""
    async with line(tmp_path, http(500, b""), there=DATA) as it:
        it.download.announce(10)
        await it.receive()

        assert it.asked == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(302, b"", Location="http://127.0.0.1:1/"), SourceUnavailable),
        (http(404, b'{"ok":false}'), AddressExpired),
        (http(401, b""), AddressExpired),
        (http(429, b""), SourceUnavailable),
        (http(502, b"<html>"), SourceUnavailable),
        (http(200, DATA, Content_Encoding="gzip"), SourceUnavailable),
    ],
)
async def test_no_file(tmp_path: Path, answer: Answer, error: type[RelayError]) -> None:
    """An answer that is not the file is not written, and no redirect is followed."""
    async with line(tmp_path, answer) as it:
        with pytest.raises(error):
            await it.receive()

        assert it.file.size == 0
        assert len(it.asked) == 1


async def test_no_compression_wanted(tmp_path: Path) -> None:
    """Bytes are counted as they are on disk, so no compression is asked for."""
    async with line(tmp_path, http(200, DATA)) as it:
        await it.receive()

        assert "accept-encoding: identity" in it.server.asked[0][0].lower()


async def test_phases(tmp_path: Path) -> None:
    """The meter says that bytes arrive when the first one has, and never takes a later phase
    back.
    """
    for before, after in [(Phase.FETCHING, Phase.MOVING), (Phase.FINISHING, Phase.FINISHING)]:
        async with line(tmp_path, http(200, DATA)) as it:
            it.meter.phase = before
            await it.receive()

            assert after is it.meter.phase
