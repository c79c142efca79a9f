"""The system's words for a full disk, and for everything else."""

import errno
import os

import pytest

from bot.core.errors import DiskError, DiskFull
from bot.transfer.spool_file import disk_errors


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EIO, DiskError),
        (errno.EROFS, DiskError),
        (errno.EACCES, DiskError),
    ],
)
def test_translated(number: int, expected: type[DiskError]) -> None:
    """No space and no quota are a full disk; the rest is the disk's trouble, chained."""
    cause = OSError(number, os.strerror(number))
    with pytest.raises(DiskError) as caught, disk_errors():
        raise cause

    assert expected is type(caught.value)
    assert cause is caught.value.__cause__


def test_others_pass() -> None:
    """What has nothing to do with the disk is left alone."""
    with pytest.raises(ZeroDivisionError), disk_errors():
        _ = 1 // 0
