"""The copies of files that a local Bot API server keeps for the bot: finding and removing them."""

import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import structlog

from bot.core.errors import SourceGone, SourceUnavailable
from bot.transfer.spool_file import disk_errors

log = structlog.get_logger(__name__)

_FOLDER: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
_NOTE: Final = re.compile(r"([0-9]+)\.copy")


class FileRoot:
    """The server's folder as this machine sees it. No file outside of it is ever touched.

    `path_map` maps folders of the server to folders here; the longest match wins. Every method
    blocks; call it from a thread.
    """

    def __init__(self, root: Path, path_map: Mapping[str, Path]) -> None:
        self._root = root
        self._map = sorted(path_map.items(), key=lambda pair: len(pair[0]), reverse=True)

    def locate(self, server_path: str) -> Path:
        """Return the path of a server's file on this machine, all links resolved.

        Raises:
            SourceUnavailable: it does not exist (any more), or is not accessible.
            SourceGone: it is outside of the folder.
        """
        path = PurePosixPath(server_path)
        if not path.is_absolute():
            raise SourceGone('the server hands out relative paths: telegram.mode must be "cloud"')
        try:
            place = self._here(path).resolve(strict=True)
            root = self._root.resolve(strict=True)
        except OSError as error:
            raise SourceUnavailable(f"the server's file: {error.strerror}") from error
        if not place.is_relative_to(root):
            raise SourceGone("the server's file is not inside telegram.file_root")
        return place

    def _here(self, path: PurePosixPath) -> Path:
        for there, here in self._map:
            if path.is_relative_to(there):
                return here / path.relative_to(there)
        return Path(path)

    def open(self, place: Path) -> int:
        """Open a regular file that `locate` has returned, for reading; return its descriptor.

        A link that has taken the place of a folder or of the file is not followed.

        Raises:
            SourceUnavailable: it has gone meanwhile, or may not be read.
            SourceGone: it is no regular file.
        """
        try:
            with self._folder_of(place) as folder:
                # Not blocking: a FIFO would hold the thread until a writer opens it.
                flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
                descriptor = os.open(place.name, flags, dir_fd=folder)
        except OSError as error:
            raise SourceUnavailable(f"the server's file: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SourceGone("what the server names is not a file")
        return descriptor

    def remove(self, place: Path) -> None:
        """Remove a copy; one that is gone is no error, one that cannot be removed is logged.

        A link that has taken the place of a folder is not followed.
        """
        try:
            with self._folder_of(place) as folder:
                os.unlink(place.name, dir_fd=folder)
        except (FileNotFoundError, _Outside):
            return
        except OSError as error:
            # The server removes it as well, a day later; that is no reason to fail a job.
            log.warning("server copy left", path=str(place), why=error.strerror)

    @contextmanager
    def _folder_of(self, place: Path) -> Iterator[int]:
        """Open the folder of a file beneath the root, one component after the other, and none
        of them by a link: what was checked by its path may have been swapped since.

        Raises:
            OSError: there is no such folder, or a link is on the way.
        """
        root = self._root.resolve()
        if not place.is_relative_to(root) or place == root or ".." in place.parts:
            raise _Outside(errno.EXDEV, "not inside telegram.file_root")
        folder = os.open(root, _FOLDER)
        try:
            for name in place.relative_to(root).parts[:-1]:
                above, folder = folder, os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(above)
            yield folder
        finally:
            os.close(folder)


class _Outside(OSError):
    """A place that is not beneath the root."""


@dataclass(frozen=True, slots=True)
class ServerCopy:
    """A server's file that a job has opened, and its `file_unique_id`."""

    file_unique_id: str
    place: Path


class CopyRecords:
    """The copies of jobs, recorded on disk: one file `<job id>.copy` per job, so that a copy is
    found and removed after a crash too.

    Every method blocks for the time of reading or writing a small file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, job_id: int, copy: ServerCopy) -> None:
        """Record that a job has a copy.

        Raises:
            DiskFull, DiskError: the record cannot be written.
        """
        with disk_errors():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            note = os.open(self._path(job_id), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(note, "wb") as file:
                file.write(copy.file_unique_id.encode() + b"\n" + os.fsencode(copy.place))

    def forget(self, job_id: int) -> None:
        """Remove the record of a job."""
        with disk_errors():
            self._path(job_id).unlink(missing_ok=True)

    def read(self) -> dict[int, ServerCopy]:
        """Return the recorded copies of all jobs."""
        found = {}
        with disk_errors():
            for path in self._folder.iterdir() if self._folder.is_dir() else ():
                if match := _NOTE.fullmatch(path.name):
                    unique_id, _, place = path.read_bytes().partition(b"\n")
                    # A record that a crash cut off names no copy, and is removed with the others.
                    found[int(match[1])] = ServerCopy(unique_id.decode(), Path(os.fsdecode(place)))
        return found

    def _path(self, job_id: int) -> Path:
        return self._folder / f"{job_id}.copy"


MOST_UNOPENED: Final = 3
"""So many files in a row that cannot be opened are not the files' fault."""
REMEMBERED: Final = 900.0
"""Seconds (real) after which a failure says nothing about the present."""


class ServerCopies:
    """Opens files of the server, records them, and removes them once no job needs them."""

    def __init__(self, root: FileRoot, notes: CopyRecords) -> None:
        self._root = root
        self._notes = notes
        self._unopened: set[str] = set()
        self._why, self._failed_at = "", 0.0

    @property
    def trouble(self) -> str:
        """Why no file can be opened, if it looks like that: `telegram.file_root` is another folder
        than the server's, or may not be read. Empty again once one was opened, or after a while.
        """
        count = len(self._unopened)
        if count < MOST_UNOPENED or time.monotonic() - self._failed_at > REMEMBERED:
            return ""
        return f"none of the last {count} files of the server could be opened: {self._why}"

    def take(self, job_id: int, file_unique_id: str, server_path: str) -> int:
        """Open a file of the server for a job; return the descriptor. Blocks.

        Raises:
            SourceUnavailable, SourceGone, DiskFull, DiskError: see `FileRoot` and `CopyRecords`.
        """
        try:
            descriptor = self._take(job_id, file_unique_id, server_path)
        except (SourceUnavailable, SourceGone) as error:
            self._unopened.add(server_path)
            self._why, self._failed_at = str(error), time.monotonic()
            raise
        self._unopened.clear()
        return descriptor

    def _take(self, job_id: int, file_unique_id: str, server_path: str) -> int:
        place = self._root.locate(server_path)
        # Before it is opened, so that the record exists if anything fails from now on.
        self._notes.write(job_id, ServerCopy(file_unique_id, place))
        return self._root.open(place)

    def sweep(self, unfinished: Mapping[int, str]) -> int:
        """Remove every copy that no unfinished job (id and `file_unique_id`) needs; return the
        number of their jobs. Blocks.
        """
        copies = self._notes.read()
        needed = set(unfinished.values())
        in_use = {copy.place for job_id, copy in copies.items() if job_id in unfinished}
        over = 0
        for job_id, copy in copies.items():
            if job_id in unfinished or copy.file_unique_id in needed or copy.place in in_use:
                continue
            self._root.remove(copy.place)
            self._notes.forget(job_id)
            over += 1
        return over
