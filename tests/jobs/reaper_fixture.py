"""A reaper on a real ledger, with a bucket in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, insert, select, update

from bot.adapters.ledger.database import Database
from bot.adapters.ledger.ledger import SqlLedger
from bot.adapters.ledger.schema import jobs, objects
from bot.core.files import key_prefix
from bot.core.jobs import StoredObject
from bot.core.ports.store import ObjectMeta
from bot.jobs.reaper import Reaper
from bot.jobs.runner import Signals
from tests.fakes import samples
from tests.fakes.clock import WatchedClock
from tests.fakes.samples import BOT_ID, NOW
from tests.fakes.store import FakeStore

T = TypeVar("T")
META = ObjectMeta("application/pdf", "attachment", public=False)


class FakeThreads:
    """Fulfils the `Threads` protocol of the reaper: runs calls at once and counts them."""

    def __init__(self, clock: WatchedClock) -> None:
        self.calls = 0
        self.reached = asyncio.Event()
        """Set when a call waits at its gate."""
        self.each_takes = timedelta(0)
        self.gates: dict[int, asyncio.Event] = {}
        """What a call waits for, by its number from 1."""
        self._clock = clock

    async def call(self, work: Callable[[], T]) -> T:
        """Run a call; time passes as it is told."""
        self.calls += 1
        if gate := self.gates.get(self.calls):
            self.reached.set()
            await gate.wait()
        self._clock.advance(self.each_takes)
        return work()


class Graveyard:
    """Everything that ends."""

    prefix = key_prefix(BOT_ID)

    def __init__(self, database: Database, start: datetime = NOW) -> None:
        self.clock = WatchedClock(start)
        self.database = database
        self.ledger = SqlLedger(database)
        self.store = FakeStore()
        self.others: dict[str, FakeStore] = {}
        """Earlier buckets by name."""
        self.threads = FakeThreads(self.clock)
        self.signals = Signals()
        self.reaper = Reaper(
            self.ledger.objects,
            self.store,
            self.threads,
            self.clock,
            self.signals,
            store_of=lambda placement: self.others.get(placement.bucket, self.store),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the reaper's loops."""
        task = asyncio.create_task(self.reaper.run(self.prefix))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def live(self, now: datetime = NOW) -> StoredObject:
        """Relay a file at `now`; its object is in the bucket."""
        job = await samples.accept(self.ledger, now=now)
        _, stored = await samples.finish(self.ledger, job, now)
        self.put(stored.key)
        return stored

    async def left(self, *, upload: bool = True, put: bool = False) -> StoredObject:
        """Leave an upload of a cancelled job behind, abandoned, with what exists of it."""
        job = await samples.acquire(self.ledger, await samples.accept(self.ledger))
        stored = await samples.plan(self.ledger, job)
        if upload:
            upload_id = self.store.initiate(stored.key, META)
            await self.ledger.objects.initiated(stored.id, upload_id, 1 << 20)
        if put:
            self.put(stored.key)
        await self.ledger.objects.abandon(stored.id, self.clock.now())
        await samples.cancel(self.ledger, job)
        return stored

    async def many_live(self, count: int, *, due_at: datetime) -> None:
        """Let many links end at the same time."""
        stored = await self.live()
        numbers = range(stored.id + 1, stored.id + count)

        def copy(connection: Connection) -> None:
            connection.execute(update(objects).values(due_at=due_at))
            job = dict(connection.execute(select(jobs)).mappings().one())
            row = dict(connection.execute(select(objects)).mappings().one())
            copies = [job | {"id": n, "message_id": -n} for n in numbers]
            connection.execute(insert(jobs), copies)
            keys = [{"id": n, "job_id": n, "key": f"{self.prefix}{n}"} for n in numbers]
            connection.execute(insert(objects), [row | key for key in keys])

        await self.database.write(copy)
        for n in numbers:
            self.put(f"{self.prefix}{n}")

    def put(self, key: str) -> None:
        """Put an object into the bucket."""
        self.store.put_object(key, [b"x"], META)

    async def read(self, stored: StoredObject) -> StoredObject:
        """Read an object's row again."""
        return (await self.ledger.objects.of_jobs([stored.job_id]))[stored.job_id]
