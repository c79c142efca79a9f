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
    """A lack of space or quota is `DiskFull`; other errors of the disk are
    `DiskError`, chained.
    """
    cause = OSError(number, os.strerror(number))
    with pytest.raises(DiskError) as caught, disk_errors():
        raise cause

    assert expected is type(caught.value)
    assert cause is caught.value.__cause__


def test_others_pass() -> None:
    """Errors that have nothing to do with the disk are left alone."""
    with pytest.raises(ZeroDivisionError), disk_errors():
        _ = 1 // 0
