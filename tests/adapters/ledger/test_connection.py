"""A connection in a thread of its own."""

import asyncio
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import StaticPool

from bot.adapters.ledger import connection as module
from bot.adapters.ledger.connection import AccessKind, Backend, ConnectionThread, LedgerState
from bot.core.errors import LedgerUnusable
from tests.fakes.refused_threads import no_new_threads


class InMemory(Backend):
    """A database in memory, which notes what is cut off."""

    def __init__(self) -> None:
        self.only = create_engine("sqlite://", poolclass=StaticPool)
        self.place = Path("memory")
        self.was_cut_off = threading.Event()

    def cut_off(self, connection: Connection) -> None:
        """Note it."""
        del connection
        self.was_cut_off.set()

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


async def test_visit_that_hangs_after_a_slow_connect() -> None:
    """It is cut off as well, though there was nothing to cut off the first time."""
    backend, connecting = InMemory(), threading.Event()

    @event.listens_for(backend.only, "do_connect")
    def wait(*_: object) -> None:
        connecting.wait(10)

    thread = ConnectionThread(backend)
    thread.cuts_off_after = 0.02
    looked: list[bool] = []

    def hang(_: Connection) -> None:
        looked.append(backend.was_cut_off.wait(10))

    visit = asyncio.create_task(thread.run(hang))
    # The event loop serves its timers in their order: that of the visit has passed by then.
    await asyncio.sleep(0.05)
    early = backend.was_cut_off.is_set()
    connecting.set()
    await visit
    await thread.close()

    assert (early, looked) == (False, [True])


async def test_visit_that_hangs_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the process ends, it is cut off soon, so that the callers that are cancelled end."""
    monkeypatch.setattr(module, "HURRIED", 0.02)
    backend, began = InMemory(), threading.Event()
    thread = ConnectionThread(backend)
    thread.cuts_off_after = 60.0

    def hang(_: Connection) -> bool:
        began.set()
        return backend.was_cut_off.wait(10)

    visit = asyncio.create_task(thread.run(hang))
    await asyncio.to_thread(began.wait, 10)
    thread.hurry()
    was_cut_off = await visit
    await thread.close()

    assert was_cut_off


async def test_limit_that_is_set_before_a_visit_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same turn of the event loop as the call: it ends with the visit, and cuts nothing off
    afterwards.
    """
    monkeypatch.setattr(module, "HURRIED", 0.02)
    backend = InMemory()
    thread = ConnectionThread(backend)
    thread.cuts_off_after = 60.0
    await thread.run(lambda _: None)
    call = asyncio.create_task(thread.run(lambda _: None))
    await asyncio.sleep(0)
    thread.reopen(hangs=True)
    await call
    # The event loop serves its timers in their order: that of the limit would have passed by then.
    await asyncio.sleep(0.05)
    was_cut_off = backend.was_cut_off.is_set()
    await thread.close()

    assert not was_cut_off


async def test_visit_that_is_slow() -> None:
    """Many operations over a slow line take long together, and none of them hangs."""
    backend = InMemory()
    thread = ConnectionThread(backend)
    thread.cuts_off_after = 0.5
    await asyncio.gather(*(thread.run(lambda _: time.sleep(0.1)) for _ in range(10)))
    was_cut_off = backend.was_cut_off.is_set()
    await thread.close()

    assert not was_cut_off


async def test_latest_trouble_is_told() -> None:
    """What was wrong before, with reads or with writes, says nothing about now."""
    state, told = LedgerState(), []
    for access, why in ((AccessKind.READ, "a"), (AccessKind.WRITE, "b"), (AccessKind.READ, "c")):
        state.failed(access, LedgerUnusable(Path("memory"), why))
        told.append(state.trouble)
    for access in (AccessKind.READ, AccessKind.WRITE):
        state.worked(access)
        told.append(state.trouble)

    assert told == ["a", "b", "c", "b", ""]
