"""What the system says of a disk, in the program's own words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from bot.core.errors import DiskError, DiskFull


@contextmanager
def disk_errors() -> Iterator[None]:
    """Translate what the system says of the disk."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull("no space left in the spool") from error
        raise DiskError(f"the spool: {error.strerror or type(error).__name__}") from error
