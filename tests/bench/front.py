"""One front alone: what it takes in, edits and answers, with the work of its workers done by SQL.

The limits of the front itself, which stay below those of Telegram, are lifted, and so are those
of the stand-in: what is left is what the front can do.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bot.core import limits
from bot.settings import load
from bot.wiring.roles import place_of
from tests.bench.processes import Reading
from tests.bench.report import Sheet, least
from tests.kill.cluster import RUNS, Cluster, Role, running_cluster

PEOPLE: Final = 600
EACH: Final = 2
"""Files of each person."""
SIZE: Final = 1000
EDITING: Final = 10.0
"""Seconds for which progress is edited."""
PATIENCE: Final = 120.0
TELEGRAM: Final = 30
"""Calls a second that Telegram takes from one bot (source: Telegram's bots FAQ)."""
WANTED: Final = 1.0
"""A front has to carry at least what Telegram takes."""

_RATES: Final = ("PRIVATE_MESSAGES", "PRIVATE_EDITS", "GROUP_ACTIONS", "ALL_ACTIONS")
_REGISTER: Final = """
INSERT INTO leases (name, holder, fence, expires_at)
VALUES ('worker-sql', 'bench', 1, 1e15::bigint * 9);
INSERT INTO workers (name, fence, slots, place, root, version, started_at)
VALUES ('sql', 1, 100000, '{place}', '', 'bench', 0);
SELECT pg_notify('relay_runs', '')
"""
_TAKE: Final = """
UPDATE runs SET worker = 'sql', fence = 1, attempt = 1, total = 1000000, phase = 'fetching'
WHERE worker = '';
UPDATE jobs SET state = 'running', attempt = 1 WHERE id IN (SELECT job_id FROM runs);
SELECT pg_notify('relay_runs', '')
"""
_PROGRESS: Final = """
UPDATE runs SET downloaded = {}, uploaded = {};
SELECT pg_notify('relay_runs', '')
"""
_FINISH: Final = """
INSERT INTO objects (job_id, key, state, due_at, sweeps, bucket, region, mode)
SELECT job_id, 'relay/bench/' || job_id, 'live', {due}, 0, '{bucket}', 'cn-hongkong', 'signed'
FROM runs;
UPDATE jobs SET state = 'done', size = 1000, sha256 = repeat('0', 64), finished_at = {now}
WHERE id IN (SELECT job_id FROM runs);
DELETE FROM runs;
SELECT pg_notify('relay_runs', '')
"""


@dataclass(frozen=True, slots=True)
class Carried:
    """What a front carried of one kind: how many a second, the share of one processor that it had
    for it, and the busy share of the machine.
    """

    what: str
    rate: float
    own: float
    busy: float


def lift_limits() -> None:
    """Lift the limits of calls in this process, wherever they were imported."""
    lifted = limits.Rate(count=10_000_000, period=limits.MINUTE, burst=1_000_000)
    for name in _RATES:
        given = getattr(limits, name)
        for module in list(sys.modules.values()):
            if getattr(module, name, None) is given:
                setattr(module, name, lifted)


class FrontAlone:
    """A front whose workers are statements."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.front = cluster.of(Role.FRONT)[0]

    async def intake(self) -> Carried:
        """Wait until all that waits at Telegram is in the ledger."""
        taken = "SELECT count(*), min(created_at), max(created_at) FROM jobs"
        before = self._reading()
        count, first, last = await self._until(taken, PEOPLE * EACH)
        return self._carried("updates taken in", count / (last - first) * 1e6, before)

    async def edits(self) -> Carried:
        """Count the edits of status messages while all jobs move."""
        # That of the front: it hands nothing over for another one.
        place, _ = place_of(load(self.cluster.sandbox.settings, {}))
        await self.cluster.ask(_REGISTER.format(place=place))
        await self._until("SELECT count(*) FROM runs", PEOPLE * EACH)
        await self.cluster.ask(_TAKE)
        await self._move(EDITING / 2)
        before, since = self._reading(), time.time()
        await self._move(EDITING)
        edited = await self._said("editMessageText", since)
        return self._carried("status edits", len(edited) / (time.time() - since), before)

    async def _move(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            share = int((1 - left / seconds) * 400_000)
            await self.cluster.ask(_PROGRESS.format(share * 2, share))
            await asyncio.sleep(0.5)

    async def answers(self) -> Carried:
        """Let all jobs be done, and count the answers."""
        now = int(time.time() * 1e6)
        due, bucket = now + 3600 * 1_000_000, self.cluster.sandbox.bucket
        before, since = self._reading(), time.time()
        await self.cluster.ask(_FINISH.format(now=now, due=due, bucket=bucket))
        sent = "SELECT count(*) FROM jobs j JOIN answers a ON a.id = j.answer_id"
        await self._until(f"{sent} WHERE a.state = 'sent'", PEOPLE * EACH)
        said = await self._said("sendMessage", since)
        return self._carried("answers", len(said) / (max(said) - since), before)

    async def _said(self, operation: str, since: float) -> list[float]:
        entries = await self.cluster.sandbox.telegram.log(operation)
        moments = (datetime.fromisoformat(entry["at"]).timestamp() for entry in entries)
        return [moment for moment in moments if moment >= since]

    async def _until(self, query: str, count: int) -> tuple[Any, ...]:
        async with asyncio.timeout(PATIENCE):
            while (row := (await self.cluster.ask(query))[0])[0] < count:  # noqa: ASYNC110 -- of a database.
                await asyncio.sleep(0.2)
        return row

    def _reading(self) -> Reading:
        return Reading.take({"front": [self.front.process.pid] if self.front.process else []})

    def _carried(self, what: str, rate: float, before: Reading) -> Carried:
        after = self._reading()
        own = (after.groups["front"] - before.groups["front"]) / (after.at - before.at)
        return Carried(what, rate, own, after.share_since(before))


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[FrontAlone]:
    path = folder / "small.bin"
    await asyncio.to_thread(path.write_bytes, bytes(SIZE))
    async with running_cluster(folder, people=PEOPLE) as cluster:
        cluster.variables |= {
            "RELAY_TRANSFER__AT_ONCE": "64",
            "RELAY_TRANSFER__PER_OWNER": "64",
            "RELAY_LOG__LEVEL": "warning",
        }
        for number in range(EACH):
            for person in cluster.people:
                await cluster.chat(person).send_file(person, content=path, name=f"{number}.bin")
        front = cluster.add("front-1", Role.FRONT, prepare=lift_limits)
        await cluster.until_ready([front], status=None, saying=RUNS)
        yield FrontAlone(cluster)


async def _measure(folder: Path) -> list[Carried]:
    async with _running(folder) as alone:
        return [await alone.intake(), await alone.edits(), await alone.answers()]


def measure() -> Sheet:
    """Measure one front."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        found = asyncio.run(_measure(Path(name)))
    rows = [
        (
            one.what,
            f"{one.rate:.0f} /s",
            f"{one.rate / TELEGRAM:.1f} ×",
            f"{one.own:.0%}",
            f"{one.busy:.0%}",
            least([one.rate / TELEGRAM], WANTED, "{:.0f} ×"),
        )
        for one in found
    ]
    notes = [
        f"{PEOPLE} people with {EACH} files each. To Telegram: its {TELEGRAM} messages a second."
        " An edit of a status message comes every 2 s at most, an answer has all files of a chat"
        " that are done."
    ]
    columns = ("figure", "rate", "to Telegram", "CPU of the front", "machine busy", "bar")
    return Sheet("front: what one carries", columns, rows, notes)
