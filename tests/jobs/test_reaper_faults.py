"""Each method of a port that the reaper calls raises once: it costs one line in the log and one
count; every link ends, every leftover goes, after a restart too.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, select
from structlog.testing import capture_logs

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.schema import objects
from bot.clock import StoreClockKeeper
from bot.core.errors import StoreUnavailable, leaf
from bot.core.jobs import ObjectState
from bot.jobs.reaper import Reaper
from bot.supervision import Supervisor
from tests.fakes.ledger import empty_ledger
from tests.fakes.metrics import FakeMetrics
from tests.fakes.recorder import Recorder, every, naming, sample
from tests.fakes.samples import LIFETIME
from tests.fakes.store import Trouble
from tests.jobs.reaper_fixture import META, Graveyard

PATIENCE = 30.0
"""Seconds (real) for everything to end: threads take part in it."""
STEP = timedelta(minutes=5)
MOST_TRIES = 3
"""Two sweeps of a leftover or a refusal and a deletion, and one try more for the fault."""
STORED = 4
"""Three links and an unfinished upload."""


class StandingTime:
    """Fulfils the `StoreTime` port: the store's clock is asked for once, and is 5 s ahead."""

    offset = timedelta(seconds=5)

    def __init__(self) -> None:
        self.is_current = False
        self.clock_was_set = True

    def asked(self) -> None:
        """Know the time from now on."""
        self.is_current, self.clock_was_set = True, False


class Ends:
    """Everything that ends, and reapers one after the other that end it."""

    def __init__(self, database: Database, recorder: Recorder) -> None:
        self.yard = Graveyard(database)
        self.metrics = FakeMetrics()
        self.recorder = recorder

    async def prepare(self) -> None:
        """Leave behind what is to be removed, one deletion of which OSS refuses once."""
        yard = self.yard
        for _ in range(3):
            await yard.live()
        await yard.left(put=True)
        yard.store.initiate(f"{yard.prefix}stray", META)
        yard.clock.advance(LIFETIME + STEP)

        def refuse() -> None:
            raise StoreUnavailable("busy")

        yard.store.trouble(Trouble("delete", refuse))

    def _reaper(self) -> Reaper:
        yard, port = self.yard, self.recorder.port
        ledger = SqlLedger(yard.database)
        store, time = port("store", yard.store), StandingTime()
        yard.store.trouble_first(Trouble("head", time.asked, times=0))
        return Reaper(
            port("objects", ledger.objects),
            store,
            yard.threads,
            yard.clock,
            yard.signals,
            self.metrics,
            time=StoreClockKeeper(
                time, port("offset", ledger.offset), store, yard.threads, prefix=yard.prefix
            ),
        )

    async def run(self) -> tuple[list[Any], list[Any]]:
        """End everything in two lives; return the tries in the ledger before and after the
        restart.
        """
        await self._live(lambda: self.recorder.has_failed and bool(self.metrics.unexpected))
        before = await self._column(objects.c.attempts)
        again = await self._column(objects.c.attempts)
        await self._live(lambda: False)
        return before, again

    async def _live(self, is_enough: Callable[[], bool]) -> None:
        supervisor = Supervisor(self.metrics, first_wait=0)
        reaper = self._reaper()
        loop = asyncio.create_task(supervisor.keep("reaper", lambda: reaper.run(self.yard.prefix)))
        try:
            async with asyncio.timeout(PATIENCE):
                while not (is_enough() or await self._is_over()):
                    self.yard.clock.advance(STEP)
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)

    async def _is_over(self) -> bool:
        states = await self._column(objects.c.state)
        return (
            states == [ObjectState.GONE.value] * STORED
            and not self.yard.store.objects
            and not self.yard.store.upload_ids
        )

    async def _column(self, column: "Column[Any]") -> list[Any]:
        def read(connection: Connection) -> list[Any]:
            return [row[0] for row in connection.execute(select(column).order_by(objects.c.id))]

        return await self.yard.database.read(read)


async def one_run(folder: Path, recorder: Recorder) -> tuple[Ends, list[Any]]:
    """End everything with a new ledger; return it, and the errors in the log with a traceback."""
    path = folder / "ledger.db"
    async with empty_ledger(path) as database:
        ends = Ends(database, recorder)
        await ends.prepare()
        with capture_logs() as lines:
            before, again = await ends.run()
    path.unlink()
    assert before == again
    assert max(before) <= MOST_TRIES
    raised = [line["exc_info"] for line in lines if "exc_info" in line]
    return ends, [leaf(it) if isinstance(it, ExceptionGroup) else it for it in raised]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cases", [sample, pytest.param(every, marks=pytest.mark.long)])
async def test_every_fault_costs_one_try(
    tmp_path: Path, cases: Callable[[Sequence[str]], list[tuple[str, Exception]]]
) -> None:
    """One line, the metric one higher; everything has ended."""
    whole, traces = await one_run(tmp_path, Recorder())
    methods = sorted(whole.recorder.called)
    print(f"{len(methods)} methods of ports: {', '.join(methods)}")  # noqa: T201 -- shown by `pytest -s`.
    assert (whole.metrics.unexpected, traces) == ([], [])
    assert {"objects.due", "objects.postpone", "store.delete", "store.head"} <= set(methods)
    for method, error in cases(methods):
        with naming(f"{method} raises {type(error).__name__}"):
            ends, traces = await one_run(tmp_path, Recorder(method, error))

            assert [kind for _, kind in ends.metrics.unexpected] == [type(error).__name__]
            assert traces == [error]
