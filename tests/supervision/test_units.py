"""An unexpected error ends its unit; a loop that raises is restarted."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot import supervision as units
from bot.core.errors import LedgerClosed, LedgerLocked
from bot.supervision import Supervisor, Unit, UnitEdge
from tests.fakes.metrics import FakeMetrics


def test_edge_contains_an_error() -> None:
    """One line with the traceback, the metric one higher, and what follows goes on."""
    metrics, error = FakeMetrics(), MemoryError("no room")
    with capture_logs() as lines, UnitEdge(metrics).contain(Unit.OUTBOX, 7):
        raise error

    assert metrics.unexpected == [("outbox", "MemoryError")]
    assert [(line["unit"], line["id"], line["exc_info"]) for line in lines] == [
        ("outbox", 7, error)
    ]


def test_another_process_took_over() -> None:
    """A process that stood still for longer than its lease may write nothing: no defect of it."""
    metrics, error = FakeMetrics(), LedgerLocked("another bot runs on the ledger")
    with capture_logs() as lines:
        UnitEdge(metrics).failed(Unit.ANSWER, 7, ExceptionGroup("both", [error]))

    assert metrics.unexpected == []
    assert [(line["log_level"], "exc_info" in line) for line in lines] == [("warning", False)]


def test_ledger_closed_at_the_end() -> None:
    """A process that ends while the ledger is away leaves what it could not store: no defect."""
    metrics, error = FakeMetrics(), LedgerClosed("ledger.db", "the disk is full")
    with capture_logs() as lines:
        UnitEdge(metrics).failed(Unit.ANSWER, 7, error)

    assert metrics.unexpected == []
    assert [(line["log_level"], line["why"], "exc_info" in line) for line in lines] == [
        ("warning", "the disk is full", False)
    ]


async def test_edge_lets_a_cancel_through() -> None:
    """To be stopped is no error."""
    with pytest.raises(asyncio.CancelledError), UnitEdge().contain(Unit.OUTBOX, 7):
        raise asyncio.CancelledError


class Loop:
    """A loop that raises each of its errors once and then runs on."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.steady = asyncio.Event()

    async def run(self) -> None:
        """Raise the next error, or run on."""
        if self.errors:
            raise self.errors.pop(0)
        self.steady.set()
        await asyncio.Event().wait()


async def kept(supervisor: Supervisor, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Supervise a loop until the test is over."""
    await supervisor.keep("queue", run)


async def test_loop_that_raises_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With waits that double; it is a reason against readiness until it has run for a while."""
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(units, "pause", sleep)
    monkeypatch.setattr(units, "STEADY_AFTER", 0.0)
    metrics = FakeMetrics()
    supervisor = Supervisor(metrics)
    loop = Loop(MemoryError(), ExceptionGroup("loops", [KeyError("x")]))
    with capture_logs() as lines:
        task = asyncio.create_task(kept(supervisor, loop.run))
        await loop.steady.wait()
        trouble = await supervisor.trouble()
        await asyncio.sleep(0.001)  # Not a wait for the loop: for its timer, which is over.
        well = await supervisor.trouble()
        task.cancel()
        await asyncio.wait([task])

    assert waits == [0.5, 1.0]
    assert metrics.restarts == ["queue", "queue"]
    assert metrics.unexpected == [("loop", "MemoryError"), ("loop", "KeyError")]
    assert well == ""
    assert trouble == "queue has failed 2 times in a row, last with KeyError"
    assert sum("exc_info" in line for line in lines) == 2


async def test_fatal_error_ends_the_loop() -> None:
    """Errors that only an operator can cure come out."""
    supervisor = Supervisor(fatal=(ZeroDivisionError,))
    with pytest.raises(ZeroDivisionError):
        await supervisor.keep("intake", Loop(ZeroDivisionError()).run)


async def test_cancel_that_nobody_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled future of a library is an error of the loop, and does not end it; a cancel of
    the loop does.
    """
    monkeypatch.setattr(units, "pause", asyncio.sleep)
    metrics = FakeMetrics()
    loop = Loop(asyncio.CancelledError())
    task = asyncio.create_task(kept(Supervisor(metrics, first_wait=0.0), loop.run))
    await asyncio.wait_for(loop.steady.wait(), 5)
    task.cancel()
    await asyncio.wait([task])

    assert metrics.unexpected == [("loop", "CancelledError")]
    assert task.cancelled()
