"""A connection in a thread of its own."""

import asyncio
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import StaticPool

from bot.adapters.ledger.connection import AccessKind, Backend, ConnectionThread
from tests.fakes.refused_threads import no_new_threads


class InMemory(Backend):
    """A database in memory."""

    def __init__(self) -> None:
        self.only = create_engine("sqlite://", poolclass=StaticPool)
        self.place = Path("memory")

    def engine(self, access: AccessKind) -> Engine:
        """Return the only engine."""
        del access
        return self.only

    def translating(self) -> nullcontext[None]:
        """Translate nothing."""
        return nullcontext()

    def write_probe(self, connection: Connection) -> None:
        """Write nothing."""

    def sends(self, connection: Connection) -> bool:
        """Return that no command sends."""
        del connection
        return False


@pytest.fixture
def thread() -> ConnectionThread:
    """A connection to a database in memory; it is closed by the test."""
    return ConnectionThread(InMemory())


async def test_event_loop_never_touches_the_file() -> None:
    """Connecting, transactions and closing happen in one and the same other thread."""
    backend = InMemory()
    engine = backend.only
    seen: list[int] = []

    def note(*_: object) -> None:
        seen.append(threading.get_ident())

    for name in ("connect", "close"):
        event.listen(engine, name, note)
    for name in ("begin", "commit"):
        event.listen(engine, name, note)
    thread = ConnectionThread(backend)
    await thread.run(Connection.execute, text("select 1"))
    await thread.close()

    assert len(seen) >= 4
    assert len(set(seen)) == 1
    assert threading.get_ident() not in seen


async def test_transactions_wait_for_each_other(thread: ConnectionThread) -> None:
    """A cancelled caller waits for its transaction; one that has not begun never begins."""
    began, may_end = threading.Event(), threading.Event()
    seen: list[str] = []

    def hang(_: Connection) -> None:
        began.set()
        may_end.wait(10)
        seen.append("first")

    first = asyncio.create_task(thread.run(hang))
    await asyncio.to_thread(began.wait, 10)

    def note(_: Connection, name: str) -> None:
        seen.append(name)

    second = asyncio.create_task(thread.run(note, "second"))
    third = asyncio.create_task(thread.run(note, "third"))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await asyncio.wait([second])
    was_running = not first.done()
    may_end.set()
    await asyncio.wait([first, third])
    await thread.close()

    assert was_running
    assert first.cancelled()
    assert seen == ["first", "third"]


async def test_no_thread_can_be_started(thread: ConnectionThread) -> None:
    """Callers get the error instead of waiting for ever, and the next ones are served."""
    ran: list[str] = []

    def note(_: Connection, name: str) -> None:
        ran.append(name)

    with no_new_threads():
        calls = [asyncio.create_task(thread.run(note, name)) for name in ("one", "two")]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    await thread.run(note, "three")
    await thread.close()

    unusable = "the ledger memory cannot be used: can't start new thread"
    assert [str(outcome) for outcome in outcomes] == [unusable] * 2
    assert ran == ["three"]
