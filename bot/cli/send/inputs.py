"""What is given to be sent: a file of this machine, or standard input."""

import mimetypes
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.cli.failures import CommandFailed
from bot.core.files import IncomingFile
from bot.core.shell import shell_file


@dataclass(frozen=True, slots=True)
class Input:
    """An open file or pipe. `size` is `None` where it can only be known at the end."""

    descriptor: int
    name: str
    size: int | None

    def describe(self) -> IncomingFile:
        """Return it as the ledger knows files."""
        mime_type, _ = mimetypes.guess_type(self.name)
        return shell_file(self.name, mime_type=mime_type, size=self.size)


@contextmanager
def open_input(path: Path | None, *, standard_input: int, name: str) -> Iterator[Input]:
    """Open a file, or with `None` the descriptor of standard input, which stays open.

    Raises:
        OperationImpossible: it cannot be opened, or is neither a file nor a pipe.
    """
    try:
        descriptor = standard_input if path is None else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CommandFailed(f"cannot open {path}: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            # What a shell has read of it already is not sent again.
            skipped = os.lseek(descriptor, 0, os.SEEK_CUR)
            if skipped:
                raise CommandFailed(f"{name} has been read already")
            yield Input(descriptor, name, status.st_size)
        elif path is None and (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)):
            yield Input(descriptor, name, None)
        else:
            raise CommandFailed(f"{path or name} is neither a file nor a pipe")
    finally:
        if path is not None:
            os.close(descriptor)
