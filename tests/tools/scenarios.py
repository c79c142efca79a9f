"""The scenarios that are traced, each through the real application between two stand-ins.

A scenario prepares everything up to its event and yields the event; the event returns when its
last message is there.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bot.demo.local_stack import LocalStack
from bot.sandbox.faults import Effect, Fault
from bot.settings import Settings
from tests.conversations.people import Person

MIB = 1 << 20
SIZE = 4 * MIB
SPEED = 1.5 * MIB
"""Bytes per second: slow enough for a status message."""

Event = Callable[[], Awaitable[None]]


class PreparedStage(LocalStack):
    """A stage that reads the settings once: the command reads them, the application does not."""

    _read: Settings | None = None

    def settings(self, *users: int) -> Settings:
        """Return the settings as they were when the bot was first started."""
        if self._read is None:
            self._read = super().settings(*users)
        return self._read


@asynccontextmanager
async def document(stage: LocalStack) -> AsyncIterator[Event]:
    """A document is sent, shown with a status message, relayed and answered."""
    person = Person(stage)
    await stage.start_bot(person.id)
    stage.telegram.shape.down_total = SPEED

    async def event() -> None:
        message = await person.send(os.urandom(SIZE), "film.mkv")
        await person.until(lambda: bool(person.status_messages))
        await person.answered(message)
        await person.until(lambda: not person.status_messages)

    yield event


@asynccontextmanager
async def status(stage: LocalStack) -> AsyncIterator[Event]:
    """`/status` is asked while one link is alive."""
    person = Person(stage)
    await stage.start_bot(person.id)
    await person.answered(await person.send(b"x" * 1000))

    async def event() -> None:
        await person.answered(await person.write("/status"))

    yield event


@asynccontextmanager
async def delete(stage: LocalStack) -> AsyncIterator[Event]:
    """ "Delete now" is pressed below an answer."""
    person = Person(stage)
    await stage.start_bot(person.id)
    answer = await person.answered(await person.send(b"x" * 1000))

    async def event() -> None:
        await person.press(answer, "Delete now")
        await person.until(lambda: not person.shown(answer).buttons)
        await stage.oss.wait_for(lambda: not stage.bucket.objects)

    yield event


@asynccontextmanager
async def restart(stage: LocalStack) -> AsyncIterator[Event]:
    """The bot is started again after it was stopped in the middle of a transfer."""
    stage.more["RELAY_STOP__GRACE"] = "0s"
    person = Person(stage)
    await stage.start_bot(person.id)
    hang = Fault("file", Effect.STALL, args={"bytes": 2 * MIB, "seconds": 60})
    stage.telegram.faults.add(hang)
    message = await person.send(os.urandom(SIZE), "film.mkv")
    await person.until(lambda: bool(person.status_messages))
    await stage.oss.wait_for(lambda: any(u.parts for u in stage.bucket.uploads.values()))
    await stage.stop_bot()
    stage.telegram.faults.clear()

    async def event() -> None:
        await stage.start_bot(person.id)
        await person.answered(message)
        await person.until(lambda: not person.status_messages)

    yield event


SCENARIOS: dict[str, Callable[[LocalStack], AbstractAsyncContextManager[Event]]] = {
    scenario.__name__: scenario for scenario in (document, status, delete, restart)
}
