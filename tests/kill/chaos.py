"""Files, and processes that are killed, stopped and continued while they are relayed.

`python -m tests.bench chaos` runs it with several seeds, `test_chaos.py` a short one.
"""

import asyncio
import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import psycopg

from tests.kill import witness
from tests.kill.cluster import RUNS, Cluster, Member, Role, running_cluster
from tests.kill.links import LinkWatch
from tests.kill.verdict import Plan, Sent, Verdict, judge

KB: Final = 1000
SIZES: Final = ((60, 100 * KB), (25, 1500 * KB), (12, 5000 * KB), (3, 15_000 * KB))
"""Weights and bytes of the files: one request to OSS, or some parts, or many."""
SETTINGS: Final = {
    "RELAY_LINK__LIFETIME": "10m",
    "RELAY_TRANSFER__AT_ONCE": "4",
    "RELAY_TRANSFER__PER_OWNER": "3",
}
LINE: Final = 500_000
"""Bytes per second of a connection, so that files are in the middle of their way when a process
is killed.
"""
PAST_ALL: Final = timedelta(minutes=11)
"""After which what was abandoned is looked for once more, and all links have ended."""
PATIENCE: Final = 240.0
"""Seconds after the last kill until every file must have its answer."""
CLEAN_AFTER: Final = 90.0
"""Seconds until the rest must be gone, once it is due."""

SHORT_PLAN: Final = Plan(
    0,
    files=40,
    workers=2,
    seconds=24.0,
    standstill=16.0,
    server_away=2.0,
    people=10,
    short=0.0,
)


class Chaos:
    """One run of a plan."""

    def __init__(self, cluster: Cluster, plan: Plan) -> None:
        self.cluster = cluster
        self.plan = plan
        self.links = LinkWatch(cluster.sandbox)
        self.sent: list[Sent] = []
        self._random = Random(plan.seed)  # noqa: S311 -- moments to be repeated, not to be guessed.
        self._begun = 0.0

    async def run(self) -> Verdict:
        """Run the plan and judge it."""
        await self._begin()
        async with self.links.watching():
            await self._disturb_and_send()
            ended = time.time()
            await self._until_answered()
            settled = time.time() - ended
            await self._until_clean()
        verdict = await judge(self.cluster, self.plan, self.sent, self.links)
        verdict.settled_after = settled
        return verdict

    async def _begin(self) -> None:
        cluster, plan = self.cluster, self.plan
        await asyncio.to_thread((cluster.folder / "sent").mkdir)
        cluster.variables |= SETTINGS
        cluster.restart_after = lambda: self._random.uniform(0.3, 3.0)
        # The first one makes the tables, the witness watches them, then the others come.
        first = cluster.add("front-1", Role.FRONT)
        await cluster.until_ready([first], status=None, saying=RUNS)
        await asyncio.to_thread(witness.install, cluster.server.url(), first.run)
        for number in range(2, plan.fronts + 1):
            cluster.add(f"front-{number}", Role.FRONT)
        workers = [cluster.add(f"worker-{n}", Role.WORKER) for n in range(1, plan.workers + 1)]
        for worker in workers[1::2]:
            worker.is_new_each_time = True
        await cluster.until_ready([first, *workers])
        await cluster.sandbox.oss.set_shape(up_per_connection=LINE)
        await cluster.sandbox.telegram.set_shape(down_per_connection=LINE)

    async def _disturb_and_send(self) -> None:
        self._begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_all())
            group.create_task(self._kill_again_and_again())
            group.create_task(self._let_stand_still())
            group.create_task(self._crash_server())
        for member in self.cluster.members:
            self.cluster.resume(member)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    async def _send_all(self) -> None:
        """Send the files, spread over most of the time."""
        own = Random(self.plan.seed + 1000)  # noqa: S311 -- to be repeated.
        pause = self.plan.seconds * 0.9 / self.plan.files
        weights, sizes = zip(*SIZES, strict=True)
        for number in range(self.plan.files):
            size = own.choices(sizes, weights)[0] + own.randrange(1000)
            await self._send(number, os.urandom(size), is_short=own.random() < self.plan.short)
            await asyncio.sleep(max((number + 1) * pause - self._elapsed, 0))

    async def _send(self, number: int, content: bytes, *, is_short: bool) -> None:
        person = self.cluster.people[number % self.plan.people]
        path = self.cluster.folder / "sent" / f"{number}.bin"
        await asyncio.to_thread(path.write_bytes, content)
        caption: dict[str, Any] = {"caption": "/share 1m"} if is_short else {}
        message_id = await self.cluster.chat(person).send_file(
            person, content=path, name=path.name, **caption
        )
        digest = hashlib.sha256(content).hexdigest()
        self.sent.append(Sent(path.name, person.id, message_id, digest, is_short=is_short))

    async def _kill_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(2.0, 4.0))
            if self._elapsed > self.plan.seconds:
                return
            there = [member for member in self.cluster.members if member.is_running]
            if there:
                self.cluster.kill(self._random.choice(there))

    async def _let_stand_still(self) -> None:
        """Let a worker that works and the front that speaks stand still for a while: at the
        beginning, across the crash of the server, or at the end.
        """
        half = self.plan.seconds / 2
        begin = (2.0, half / 2, half + self.plan.server_away + 3.0)[self.plan.seed % 3]
        await asyncio.sleep(begin)
        chosen = [member for member in await self._busiest() if member.is_running]
        for member in chosen:
            self.cluster.stop(member)
        await asyncio.sleep(self.plan.standstill)
        for member in chosen:
            self.cluster.resume(member)

    async def _busiest(self) -> list[Member]:
        """Return the front that holds the lease, and the worker with the most jobs."""
        fronts, workers = self.cluster.of(Role.FRONT), self.cluster.of(Role.WORKER)
        found = await asyncio.to_thread(witness.writes, self.cluster.server.url())
        record = witness.judge(found, [member.name for member in workers])
        now = time.time()
        fronts.sort(key=lambda member: (member.run == record.front(), member.is_running))
        workers.sort(key=lambda m: (m.is_running, len([*record.jobs_of(m.run, now)])))
        return [*fronts[-1:], *workers[-1:]]

    async def _crash_server(self) -> None:
        await asyncio.sleep(self.plan.seconds / 2 + self._random.uniform(-2.0, 2.0))
        await self.cluster.crash_server()
        await asyncio.sleep(self.plan.server_away)
        self.cluster.start_server()

    async def _until_answered(self) -> None:
        """Wait until every file is answered with its link, or nothing is left to be done."""
        idle = """
            SELECT (SELECT count(*) FROM jobs
                    WHERE answer_id IS NOT NULL AND state <> 'cancelled') >= %s
               AND NOT EXISTS (SELECT FROM answers WHERE state IN ('pending', 'sending')
                               AND error_code IS NULL)
        """ % len(self.sent)  # noqa: S608, UP031 -- a number.
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if len(self.links.shown) >= len(self.sent) or await self._is_true(idle):
                return
            await asyncio.sleep(0.5)

    async def _is_true(self, query: str) -> bool:
        try:
            return bool((await self.cluster.ask(query))[0][0])
        except psycopg.Error:
            return False

    async def _until_clean(self) -> None:
        """Let the time of OSS pass the end of all links and the second look for what was
        abandoned, and wait until nothing is left.
        """
        oss, bucket = self.cluster.sandbox.oss, self.cluster.sandbox.bucket
        await self.links.settle()
        await oss.advance(PAST_ALL)
        # Only an answer of OSS tells what time it is there.
        await self._send(len(self.sent), b"tells the time", is_short=False)
        del self.sent[-1]
        deadline = time.monotonic() + CLEAN_AFTER
        while time.monotonic() < deadline:
            if len(await oss.objects(bucket)) <= 1 and not await oss.uploads(bucket):
                return
            await asyncio.sleep(1.0)


async def run_chaos(plan: Plan, folder: Path) -> Verdict:
    """Run a plan with everything below `folder`. Nothing stays, however it ends."""
    async with running_cluster(folder, people=plan.people) as cluster:
        return await Chaos(cluster, plan).run()
