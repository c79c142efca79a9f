"""Processes that begin as copies of one that has imported the program already.

To import everything takes two seconds of a processor, and a test of a restart begins two
processes. Copies are processes like any other: they have their own memory, files and signals.
"""

import asyncio
import ctypes
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

# The copies shall have all of it already, that of a front and a worker too.
import bot.adapters.ledger.postgresql
import bot.cli.run
import bot.worker  # noqa: F401 -- as above.
from bot.cli.main import main
from tests.kill.kill_points import install

COPIES = multiprocessing.get_context("forkserver")
COPIES.set_forkserver_preload([__name__])
_PR_SET_PDEATHSIG: Final = 1


class Forked:
    """A copy that runs; as much of `asyncio.subprocess.Process` as tests use."""

    def __init__(
        self,
        process: ForkServerProcess,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
    ) -> None:
        self._process = process
        self._ended = asyncio.Event()
        self.stdout = stdout
        self.stderr = stderr
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for the signal that ended it; `None` while it runs."""
        return self._process.exitcode if self._ended.is_set() else None

    async def wait(self) -> int:
        """Wait for the end and return the exit code."""
        await self._ended.wait()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def limit_files(self, most: int) -> None:
        """Let it have no more open files than this."""
        assert self._process.pid is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, (most, most))

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)


async def begin(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    kill_point: str = "",
    prepare: Callable[[], None] | None = None,
    typed: bytes = b"",
) -> Forked:
    """Begin the command line in a copy, with exactly this environment.

    At `kill_point` (see `kill_points.install`; "" for never) it kills itself. `prepare`, a
    function of a module, is called in it first. `typed` comes through its standard input, as much
    as fits into a pipe.
    """
    (child_in, given), (out, child_out), (errors, child_errors) = (
        COPIES.Pipe(duplex=False) for _ in range(3)
    )
    os.write(given.fileno(), typed)
    streams = (child_in, child_out, child_errors)
    process = COPIES.Process(
        target=_be, args=(arguments, environment, folder, kill_point, prepare, streams)
    )
    with closing(given), closing(child_in), closing(child_out), closing(child_errors):
        # Blocks for as long as the first copy of all needs to import everything.
        await asyncio.to_thread(process.start)
    return Forked(process, await _reader(out), await _reader(errors))


async def begin_logged(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    *,
    prepare: Callable[[], None] | None = None,
) -> Forked:
    """Begin the command line in a copy whose output is appended to the file `log`; `prepare`, a
    function of a module, is called in it first.
    """
    process = COPIES.Process(
        target=_be_logged, args=(arguments, environment, folder, log, prepare)
    )
    await asyncio.to_thread(process.start)
    nothing = asyncio.StreamReader()
    nothing.feed_eof()
    return Forked(process, nothing, nothing)


async def _reader(pipe: "Connection[object, object]") -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    file = os.fdopen(os.dup(pipe.fileno()), "rb")
    pipe.close()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), file
    )
    return reader


def _be(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    kill_point: str,
    prepare: Callable[[], None] | None,
    streams: "Iterable[Connection[object, object]]",
) -> None:
    for descriptor, pipe in enumerate(streams):
        os.dup2(pipe.fileno(), descriptor)
        pipe.close()
    # The library has put a file of its own in the place of standard input.
    sys.stdin = os.fdopen(0, closefd=False)
    # Those of the parent may believe that they can seek, as in a file, and fail in a pipe.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    if prepare is not None:
        prepare()
    if kill_point:
        install(kill_point)
    _become(arguments, environment, folder)


def _be_logged(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    prepare: Callable[[], None] | None,
) -> None:
    if prepare is not None:
        prepare()
    given, out = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY),
    )
    for descriptor, file in enumerate((given, out, out)):
        os.dup2(file, descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", 1, errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    _become(arguments, environment, folder)


def _become(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
    if sys.platform == "linux":
        # Where the tests are killed, the first copy ends, and with it all others.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["relay-bot", *arguments]
    main()
