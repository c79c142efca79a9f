"""The spool: space is reserved before bytes come, files are private, nothing is left behind."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from bot.core.errors import DiskError, DiskFull, SpoolQuotaTooSmall
from bot.transfer.spool import Spool


def spool_in(folder: Path, *, quota: int = 100, keep_free: int = 0) -> Spool:
    """Make a small spool."""
    return Spool(folder / "spool", quota=quota, keep_free=keep_free)


def names(spool: Spool) -> list[str]:
    """Return the names of the files in the folder."""
    return sorted(path.name for path in spool.folder.iterdir())


async def test_one_file_per_job(tmp_path: Path) -> None:
    """Each job has a file of its own, named after it, in a private folder."""
    spool = spool_in(tmp_path)
    async with spool.open(7, largest=10) as seven, spool.open(8, largest=20):
        await seven.append(b"abc")
        assert names(spool) == ["7.part", "8.part"]
        assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
        assert spool.quota.reserved == 30

    assert names(spool) == []
    assert spool.quota.reserved == 0


async def test_folder_keeps_its_mode(tmp_path: Path) -> None:
    """The mode of an existing folder is kept: its owner chose it."""
    spool = spool_in(tmp_path)
    spool.folder.mkdir(mode=0o750)
    spool.folder.chmod(0o750)
    async with spool.open(7, largest=10):
        pass

    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o750


async def test_waits_for_room(tmp_path: Path) -> None:
    """A job waits until the files before it are gone, and makes no file until then."""
    spool = spool_in(tmp_path)
    entered = asyncio.Event()

    async def second() -> None:
        async with spool.open(8, largest=60):
            entered.set()

    async with spool.open(7, largest=60):
        task = asyncio.create_task(second())
        await asyncio.sleep(0)
        assert spool.quota.waiting == 1
        assert names(spool) == ["7.part"]
    await task

    assert entered.is_set()


async def test_too_large_for_the_quota(tmp_path: Path) -> None:
    """A file that can never fit is refused, and leaves no trace."""
    spool = spool_in(tmp_path)
    with pytest.raises(SpoolQuotaTooSmall):
        async with spool.open(7, largest=101):
            pass

    assert not spool.folder.exists()


async def test_floor(tmp_path: Path) -> None:
    """A file that would leave less than the floor is refused before a byte is written."""
    spool = spool_in(tmp_path, keep_free=1 << 60)
    with pytest.raises(DiskFull):
        async with spool.open(7, largest=10):
            pass

    assert names(spool) == []
    assert spool.quota.reserved == 0


async def test_floor_counts_what_is_promised(tmp_path: Path) -> None:
    """Space that another job has reserved and not yet written does not count as free."""
    disk = os.statvfs(tmp_path)
    free = disk.f_bavail * disk.f_frsize
    # Others use this disk too while the test runs, hence halves and not bytes.
    spool = spool_in(tmp_path, quota=2 * free, keep_free=free // 2)
    async with spool.open(7, largest=free // 3):
        with pytest.raises(DiskFull):
            async with spool.open(8, largest=free // 3):
                pass

    assert names(spool) == []


async def test_failure_inside(tmp_path: Path) -> None:
    """After any failure of a job its file is gone and its space is given back."""
    spool = spool_in(tmp_path)

    async def job() -> None:
        async with spool.open(7, largest=10) as file:
            await file.append(b"abc")
            _ = 1 // 0

    with pytest.raises(ZeroDivisionError):
        await job()

    assert names(spool) == []
    assert spool.quota.reserved == 0


async def test_cancel_inside(tmp_path: Path) -> None:
    """A cancelled job leaves nothing behind either."""
    spool = spool_in(tmp_path)
    inside = asyncio.Event()

    async def job() -> None:
        async with spool.open(7, largest=10) as file:
            await file.append(b"abc")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(job())
    await inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert names(spool) == []
    assert spool.quota.reserved == 0


@pytest.mark.parametrize("steps", range(6))
async def test_cancel_while_opening(tmp_path: Path, steps: int) -> None:
    """A cancel at any step of the opening leaves no file."""
    spool = spool_in(tmp_path)

    async def job() -> None:
        async with spool.open(7, largest=10):
            await asyncio.Event().wait()

    task = asyncio.create_task(job())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert not spool.folder.exists() or names(spool) == []
    assert spool.quota.reserved == 0


async def test_kept_at_a_stop(tmp_path: Path) -> None:
    """When the process stops the files stay, and the next start goes on with them."""
    spool = spool_in(tmp_path)
    async with spool.open(7, largest=10) as file:
        await file.append(b"abc")
        spool.keeps = True
    assert names(spool) == ["7.part"]

    async with spool_in(tmp_path).open(7, largest=10, resume=True) as file:
        assert file.size == 3

    assert names(spool) == []


async def test_same_job_twice(tmp_path: Path) -> None:
    """Two runners of one job never share a file."""
    spool = spool_in(tmp_path)
    async with spool.open(7, largest=10):
        with pytest.raises(ValueError, match="job 7"):
            async with spool.open(7, largest=10):
                pass

        assert names(spool) == ["7.part"]


async def test_sweep(tmp_path: Path) -> None:
    """Files without an unfinished job go; those of running jobs and of other programs stay."""
    spool = spool_in(tmp_path)
    assert spool.sweep(set()) == 0
    async with spool.open(7, largest=10):
        for name in ("8.part", "9.part", "x.part", "notes.txt", "9.part.bak"):
            (spool.folder / name).touch()

        assert spool.sweep({8}) == 1
        assert names(spool) == ["7.part", "8.part", "9.part.bak", "notes.txt", "x.part"]


async def test_folder_cannot_be_made(tmp_path: Path) -> None:
    """A file where the folder should be is a `DiskError`, and gives the space back."""
    (tmp_path / "spool").write_text("in the way")
    spool = spool_in(tmp_path)
    with pytest.raises(DiskError):
        async with spool.open(7, largest=10):
            pass

    assert spool.quota.reserved == 0


def test_missing(tmp_path: Path) -> None:
    """The bytes that are missing to the floor can be asked for, also before the folder exists."""
    enough = spool_in(tmp_path / "not" / "there").missing()
    beyond = spool_in(tmp_path, keep_free=1 << 60).missing()

    assert enough == 0
    assert 0 < beyond <= 1 << 60


async def test_small_files_are_kept_in_memory(tmp_path: Path) -> None:
    """A file that fits into memory has no file in the folder, and counts for the quota."""
    spool = Spool(tmp_path / "spool", quota=100, keep_free=0, in_memory=10)
    async with spool.open(1, largest=10) as small, spool.open(2, largest=11) as large:
        await small.append(b"0123456789")
        await large.append(b"0123456789")

        assert (spool.quota.reserved, spool.sizes()) == (21, {2: 10})
        assert small.pread(10, 0) == large.pread(10, 0)
