"""The command `relay-bot` as a process of its own, between stand-ins that live in the test."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from bot.demo.local_stack import LocalStack
from tests.kill.forked import Forked, begin

PATIENCE = 30.0
"""Real seconds that a process may take for anything before the test says that it does not."""


class Running:
    """A process that runs; its output is read all the time, so that it never blocks on writing."""

    def __init__(self, process: Forked) -> None:
        self._process = process
        self._signals = asyncio.Condition()
        self.out: list[str] = []
        self.errors: list[str] = []
        self._reading = asyncio.gather(
            self._read(process.stdout, self.out), self._read(process.stderr, self.errors)
        )

    async def _read(self, pipe: asyncio.StreamReader | None, lines: list[str]) -> None:
        while pipe is not None and (line := await pipe.readline()):
            lines.append(line.decode(errors="replace"))
            async with self._signals:
                self._signals.notify_all()

    @property
    def text(self) -> str:
        """Everything that it has written, to either stream."""
        return "".join(self.out + self.errors)

    async def said(self, event: str) -> None:
        """Wait until it has logged this event.

        Raises:
            AssertionError: it ended before, or took too long; its output is in the text.
        """
        line = f'"event": "{event}"'

        def is_over() -> bool:
            return any(line in logged for logged in self.out) or self._reading.done()

        self._reading.add_done_callback(lambda _: asyncio.ensure_future(self._wake()))
        async with self._signals:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._signals.wait_for(is_over), PATIENCE)
        assert line in self.text, self.text

    async def _wake(self) -> None:
        async with self._signals:
            self._signals.notify_all()

    @property
    def code(self) -> int | None:
        """The exit code, negative for the signal that ended it; `None` while it runs."""
        return self._process.returncode

    def limit_files(self, most: int) -> None:
        """Let it have no more open files than this."""
        self._process.limit_files(most)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def end(self, *, timeout: float = PATIENCE) -> int:
        """Wait until it has ended; return the exit code, negative for the signal that killed it.

        Raises:
            TimeoutError: it has not ended after so many seconds.
        """
        code = await asyncio.wait_for(self._process.wait(), timeout)
        # Its output is still wanted where the wait for it is given up.
        await asyncio.shield(self._reading)
        return code

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and wait for the end; return the exit code and the seconds it took."""
        began = time.monotonic()
        self.send(number)
        code = await self.end()
        return code, time.monotonic() - began

    async def close(self) -> None:
        """Kill it if it still runs, and wait for its end."""
        if self._process.returncode is None:
            self._process.kill()
        await self.end()


@asynccontextmanager
async def relay_bot(
    stage: LocalStack,
    *arguments: str,
    users: tuple[int, ...] = (),
    kill_point: str = "",
    prepare: Callable[[], None] | None = None,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    """Run the command with `arguments` and the settings of `stage`; it ends with the block.

    At `kill_point` it kills itself, "" for never; `prepare`, a function of a module, is called in
    it first; `more` are further variables.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    variables = own | stage.variables(*users) | dict(more or {})
    process = await begin(
        arguments, variables, stage.folder, kill_point=kill_point, prepare=prepare
    )
    running = Running(process)
    try:
        yield running
    finally:
        await running.close()
