"""A file that grows at one end while it is read at the other."""

import asyncio
import hashlib
import stat
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.core.errors import DiskError, DiskFull, SourceUnavailable, TransferCancelled
from bot.core.ports.chat import Digest
from bot.transfer.spool_file import SpoolFile


@asynccontextmanager
async def spool_file(path: Path, *, largest: int = 1 << 20) -> AsyncIterator[SpoolFile]:
    """Open a file and close it again."""
    file = SpoolFile(path, largest)
    await file.open()
    try:
        yield file
    finally:
        await file.close()


async def test_grows(tmp_path: Path) -> None:
    """Blocks add up; the digest at the end is that of all of them."""
    async with spool_file(tmp_path / "1.part") as file:
        await file.append(b"abc")
        await file.append(b"defg")
        assert (file.size, file.is_whole) == (7, False)
        assert file.pread(3, 2) == b"cde"

        digest = file.finish()

        assert Digest(7, hashlib.sha256(b"abcdefg").hexdigest()) == digest
        assert file.is_whole


async def test_private_and_gone(tmp_path: Path) -> None:
    """The file is for its owner alone, and is gone after closing."""
    path = tmp_path / "1.part"
    async with spool_file(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    assert not path.exists()


async def test_kept(tmp_path: Path) -> None:
    """A stop of the process keeps the file, and the next start takes it over, hashed anew."""
    path = tmp_path / "1.part"
    first = SpoolFile(path, 100)
    await first.open()
    await first.append(b"abc")
    await first.close(keep=True)

    second = SpoolFile(path, 100)
    await second.open(resume=True)
    assert second.size == 3
    await second.append(b"def")
    digest = second.finish()
    await second.close()

    assert Digest(6, hashlib.sha256(b"abcdef").hexdigest()) == digest


async def test_taken_over_only_if_it_can_be(tmp_path: Path) -> None:
    """Remains that are longer than the file may be are not its beginning; without any, the file
    begins empty.
    """
    path = tmp_path / "1.part"
    path.write_bytes(b"too long")
    file = SpoolFile(path, 3)
    await file.open(resume=True)
    assert file.size == 0
    await file.append(b"abc")
    assert Digest(3, hashlib.sha256(b"abc").hexdigest()) == file.finish()
    await file.close()

    again = SpoolFile(path, 3)
    await again.open(resume=True)
    assert again.size == 0
    await again.close()


async def test_opening_anew_starts_empty(tmp_path: Path) -> None:
    """Without `resume` the content of an existing file is discarded."""
    path = tmp_path / "1.part"
    path.write_bytes(b"remains")
    async with spool_file(path) as file:
        assert file.size == 0
        assert path.stat().st_size == 0


async def test_wait_for_growth(tmp_path: Path) -> None:
    """A waiter for an offset wakes when it is reached, and not before."""
    async with spool_file(tmp_path / "1.part") as file:
        waiting = asyncio.create_task(file.wait_for(5))
        await file.append(b"abc")
        assert not waiting.done()
        await file.append(b"def")

        assert await waiting == 6
        assert await file.wait_for(6) == 6


async def test_wait_for_end(tmp_path: Path) -> None:
    """The end wakes all waiters, also those for a later offset."""
    async with spool_file(tmp_path / "1.part") as file:
        waiting = [asyncio.create_task(file.wait_for(end)) for end in (1, 50)]
        await asyncio.sleep(0)
        file.finish()

        assert await asyncio.gather(*waiting) == [0, 0]


async def test_failure_wakes(tmp_path: Path) -> None:
    """A failure reaches waiters and later callers; the first one counts."""
    async with spool_file(tmp_path / "1.part") as file:
        waiting = asyncio.create_task(file.wait_for(1))
        await asyncio.sleep(0)
        file.fail(SourceUnavailable("first"))
        file.fail(SourceUnavailable("second"))

        with pytest.raises(SourceUnavailable, match="first"):
            await waiting
        with pytest.raises(SourceUnavailable, match="first"):
            await file.wait_for(1)
        with pytest.raises(SourceUnavailable, match="first"):
            await file.append(b"x")


async def test_closing_wakes(tmp_path: Path) -> None:
    """Closing the file wakes its waiters with `TransferCancelled`."""
    file = SpoolFile(tmp_path / "1.part", 10)
    await file.open()
    waiting = asyncio.create_task(file.wait_for(1))
    await asyncio.sleep(0)
    await file.close()

    with pytest.raises(TransferCancelled):
        await waiting


async def test_restart_compares(tmp_path: Path) -> None:
    """After a restart the same bytes may come in other blocks; nothing is written or hashed
    twice.
    """
    async with spool_file(tmp_path / "1.part") as file:
        await file.append(b"abcdef")
        await file.restart()
        for block in (b"ab", b"cd", b"efgh", b"ij"):
            await file.append(block)
            assert file.size >= 6

        assert Digest(10, hashlib.sha256(b"abcdefghij").hexdigest()) == file.finish()
        assert file.pread(100, 0) == b"abcdefghij"


async def test_restart_with_other_bytes(tmp_path: Path) -> None:
    """Bytes that may be uploaded already cannot be taken back, so other ones are an error."""
    async with spool_file(tmp_path / "1.part") as file:
        await file.append(b"abcdef")
        await file.restart()
        with pytest.raises(SourceUnavailable, match="changed"):
            await file.append(b"abX")

        with pytest.raises(SourceUnavailable, match="changed"):
            await file.wait_for(100)


async def test_restart_with_fewer_bytes(tmp_path: Path) -> None:
    """A file that is shorter the second time is not whole."""
    async with spool_file(tmp_path / "1.part") as file:
        await file.append(b"abcdef")
        await file.restart()
        await file.append(b"abc")

        with pytest.raises(SourceUnavailable, match="shorter"):
            file.finish()


async def test_read_in_threads(tmp_path: Path) -> None:
    """Many threads read while the file grows, each its own bytes."""
    block = bytes(range(256)) * 64
    async with spool_file(tmp_path / "1.part") as file:
        with ThreadPoolExecutor(4) as threads:
            reads = []
            for number in range(16):
                await file.append(block)
                reads.append(threads.submit(file.pread, len(block), number * len(block)))

            assert [read.result() for read in reads] == [block] * 16


async def test_disk_full(tmp_path: Path) -> None:
    """A disk without space is `DiskFull`, now and for everything that follows."""
    path = tmp_path / "1.part"
    path.symlink_to("/dev/full")  # the system's own device for this: full(4)
    async with spool_file(path) as file:
        waiting = asyncio.create_task(file.wait_for(1))
        with pytest.raises(DiskFull):
            await file.append(b"x")
        with pytest.raises(DiskFull):
            await waiting
        with pytest.raises(DiskFull):
            await file.append(b"x")

        assert file.size == 0


async def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is a `DiskError`; closing afterwards is harmless."""
    file = SpoolFile(tmp_path / "nowhere" / "1.part", 10)
    with pytest.raises(DiskError):
        await file.open()

    await file.close()


async def test_gone_already(tmp_path: Path) -> None:
    """A file that was removed by hand is no error at the end."""
    async with spool_file(tmp_path / "1.part") as file:
        file.path.unlink()


async def test_whole_is_whole(tmp_path: Path) -> None:
    """After the end nothing can be appended."""
    async with spool_file(tmp_path / "1.part") as file:
        file.finish()
        with pytest.raises(ValueError, match="whole"):
            await file.append(b"x")


async def test_closed(tmp_path: Path) -> None:
    """Reading a closed file is an error, never another file's bytes; nor is one never opened."""
    file = SpoolFile(tmp_path / "1.part", 10)
    with pytest.raises(ValueError, match="not open"):
        file.pread(1, 0)
    await file.open()
    await file.close()

    with pytest.raises(ValueError, match="closed file"):
        file.pread(1, 0)


async def test_cancelled_write_ends_first(tmp_path: Path) -> None:
    """A cancel in the middle of a write is raised when the block is on disk, not before."""
    async with spool_file(tmp_path / "1.part", largest=32 << 20) as file:
        writing = asyncio.create_task(file.append(bytes(16 << 20)))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing

        assert file.size == 16 << 20


@asynccontextmanager
async def memory_file(path: Path) -> AsyncIterator[SpoolFile]:
    """Open a file that is kept in memory."""
    file = SpoolFile(path, 100, in_memory=True)
    await file.open()
    try:
        yield file
    finally:
        await file.close()


async def test_in_memory(tmp_path: Path) -> None:
    """A small file is read and hashed as one on the disk, and never is there."""
    async with memory_file(tmp_path / "1.part") as file:
        await file.append(b"abc")
        await file.append(b"defg")

        assert (file.pread(3, 2), file.pread(100, 5), await file.wait_for(7)) == (b"cde", b"fg", 7)
        assert file.finish() == Digest(7, hashlib.sha256(b"abcdefg").hexdigest())
        assert list(tmp_path.iterdir()) == []


async def test_in_memory_again(tmp_path: Path) -> None:
    """After a restart the repeated bytes are compared, and the rest is appended; a resumption goes
    on behind the last byte.
    """
    async with memory_file(tmp_path / "1.part") as file:
        await file.append(b"abc")
        await file.restart()
        await file.append(b"ab")
        await file.append(b"cde")
        await file.restart()
        await file.resume()
        await file.append(b"f")

        assert file.finish() == Digest(6, hashlib.sha256(b"abcdef").hexdigest())


async def test_in_memory_changed(tmp_path: Path) -> None:
    """Other bytes than before are refused, and readers are told."""
    async with memory_file(tmp_path / "1.part") as file:
        await file.append(b"abc")
        await file.restart()
        with pytest.raises(SourceUnavailable):
            await file.append(b"axc")
        with pytest.raises(SourceUnavailable):
            await file.wait_for(4)
