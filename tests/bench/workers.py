"""Several workers of one bot: what each adds, and what one front can carry.

Every process of the bot, each line, the database server and both stand-ins are processes of their
own; all share the processors of one machine, so the share of them that was busy stands beside
each figure.
"""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bot.sandbox.telegram.flood import FloodMode
from tests.bench.processes import PROCESSORS, Reading
from tests.bench.report import Sheet, least
from tests.bench.stage import running_sandbox
from tests.kill.cluster import RUNS, Cluster, Role, running_cluster

COUNTS: Final = (1, 2, 4)
LARGE: Final = 20_000_000
RATES: Final = (8_000_000, 4_000_000, 2_000_000)
"""Bytes per second of a worker's line in each direction: the highest at which the processors are
not what is full.
"""
FULL: Final = 0.7
"""The share of busy processors above which a lower rate is taken."""
WARM: Final = 8.0
"""Seconds until all workers have their slots full."""
WINDOW: Final = 20.0
"""Seconds of measuring."""
WANTED: Final = 0.95
SMALL: Final = 100_000
SMALL_FILES: Final = 600
LATENCY: Final = 0.020
HELD: Final = 10.0
"""Seconds for each request to OSS while files are sent."""
PEOPLE: Final = 24
PATIENCE: Final = 180.0

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Throughput:
    """What so many workers did: bytes or files per second, the busy share of the processors, and
    the shares of each group of processes.
    """

    workers: int
    rate: float
    busy: float
    shares: Mapping[str, float]


class Wire:
    """A line of a worker, in a process of its own; see `tests.bench.line`."""

    def __init__(self, process: Process, ports: Sequence[int]) -> None:
        self._process = process
        self.ports = ports

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    async def passed(self) -> tuple[int, int]:
        """Return the bytes so far, to the servers and from them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        up, down = map(int, (await self._process.stdout.readline()).split())
        return up, down


@asynccontextmanager
async def running_wire(rate: float, *servers: str) -> AsyncIterator[Wire]:
    """Run a line to the servers at these URLs; its ports are in the same order."""
    ports = [str(urlsplit(url).port) for url in servers]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.line", str(rate), *ports, stdin=PIPE, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        yield Wire(process, [int(port) for port in (await process.stdout.readline()).split()])
    finally:
        process.kill()
        await process.wait()


class Stage:
    """A cluster with one front, and its stand-ins apart from each other."""

    def __init__(self, cluster: Cluster, stack: AsyncExitStack, standins: Sequence[int]) -> None:
        self.cluster = cluster
        self._stack = stack
        self._standins = standins
        self.wires: list[Wire] = []
        self.sent = 0

    async def add_workers(self, count: int, *, rate: float | None, at_once: int) -> None:
        """Have so many workers, each with a line of that rate."""
        added = []
        while len(self.cluster.of(Role.WORKER)) < count:
            variables = {"RELAY_TRANSFER__AT_ONCE": str(at_once)}
            if rate is not None:
                variables |= await self._line(rate)
            name = f"worker-{len(self.cluster.of(Role.WORKER)) + 1}"
            added.append(self.cluster.add(name, Role.WORKER, variables))
        await self.cluster.until_ready(added)

    async def _line(self, rate: float) -> dict[str, str]:
        sandbox = self.cluster.sandbox
        info = await sandbox.telegram.info()
        wire = await self._stack.enter_async_context(
            running_wire(rate, info["base_url"], sandbox.oss.endpoint)
        )
        self.wires.append(wire)
        telegram, oss = (f"http://127.0.0.1:{port}" for port in wire.ports)
        return {"RELAY_TELEGRAM__BASE_URL": telegram, "RELAY_OSS__UPLOAD_ENDPOINT": oss}

    async def send(self, path: Path, count: int) -> None:
        """Let people send a file so many times, in turn."""
        people = self.cluster.people
        for _ in range(count):
            person = people[self.sent % len(people)]
            self.sent += 1
            await self.cluster.chat(person).send_file(person, content=path, name=path.name)

    async def until(self, query: str, value: int) -> None:
        """Wait until a query gives at least that number."""
        async with asyncio.timeout(PATIENCE):
            while (await self.cluster.ask(query))[0][0] < value:  # noqa: ASYNC110 -- of a database.
                await asyncio.sleep(0.2)

    def reading(self) -> Reading:
        """Read what all processes have used."""
        cluster = self.cluster
        pids = {
            "workers": [m.process.pid for m in cluster.of(Role.WORKER) if m.process],
            "front": [m.process.pid for m in cluster.of(Role.FRONT) if m.process],
            "PostgreSQL": [cluster.server.pid or 0],
            "stand-ins": self._standins,
            "lines": [wire.pid for wire in self.wires],
        }
        return Reading.take(pids)

    async def up(self) -> list[int]:
        """Return the bytes that each worker has sent so far."""
        return [(await wire.passed())[0] for wire in self.wires]


@asynccontextmanager
async def running_stage(
    folder: Path, variables: Mapping[str, str], *, people: int = PEOPLE
) -> AsyncIterator[Stage]:
    """Run a front, its stand-ins and the database server."""
    await asyncio.to_thread(folder.mkdir)
    async with (
        AsyncExitStack() as stack,
        running_sandbox(folder / "second") as second,
        running_cluster(folder, people=people) as cluster,
    ):
        first = cluster.sandbox
        cluster.sandbox = replace(first, oss=second.oss)
        cluster.variables |= {"RELAY_OSS__ENDPOINT": second.oss.endpoint, **variables}
        await first.telegram.set_flood(FloodMode.OFF)
        front = cluster.add("front-1", Role.FRONT)
        await cluster.until_ready([front], status=None, saying=RUNS)
        yield Stage(cluster, stack, [first.pid, second.pid])


TAKEN_IN: Final = "SELECT count(*) FROM jobs"
DONE: Final = "SELECT count(*) FROM jobs WHERE state = 'done'"
RUNNING: Final = "SELECT count(*) FROM jobs WHERE state = 'running'"


async def measure_lines(folder: Path, rate: float) -> list[Throughput]:
    """Let more and more workers relay large files over lines of that rate."""
    path = folder / "large.bin"
    await asyncio.to_thread(path.write_bytes, os.urandom(LARGE))
    found = []
    settings = {"RELAY_TRANSFER__PER_OWNER": "2"}
    async with running_stage(folder / f"lines-{rate:.0f}", settings) as stage:
        for count in COUNTS:
            await stage.add_workers(count, rate=rate, at_once=2)
            seconds = WARM + WINDOW + 2
            await stage.send(path, count * (round(seconds * rate / LARGE) + 3))
            await stage.until(RUNNING, 2 * count)
            await asyncio.sleep(WARM)
            before, up = stage.reading(), await stage.up()
            await asyncio.sleep(WINDOW)
            after, more = stage.reading(), await stage.up()
            moved = sum(more) - sum(up)
            found.append(_throughput(count, moved / (after.at - before.at), before, after))
            if found[-1].busy >= FULL:
                # With more workers it is worse.
                break
            await stage.until(DONE, stage.sent)
    return found


async def measure_small(folder: Path) -> list[Throughput]:
    """Let more and more workers relay small files, with a latency of each request."""
    path = folder / "small.bin"
    await asyncio.to_thread(path.write_bytes, os.urandom(SMALL))
    found = []
    settings = {"RELAY_TRANSFER__AT_ONCE": "8", "RELAY_TRANSFER__PER_OWNER": "8"}
    async with running_stage(folder / "small", settings) as stage:
        telegram, oss = stage.cluster.sandbox.telegram, stage.cluster.sandbox.oss
        await telegram.set_shape(latency=LATENCY)
        for count in COUNTS:
            await stage.add_workers(count, rate=None, at_once=8)
            done = stage.sent
            # The workers wait for OSS until all files wait for the workers.
            await oss.set_shape(latency=HELD)
            await stage.send(path, SMALL_FILES)
            await stage.until(TAKEN_IN, stage.sent)
            await oss.set_shape(latency=LATENCY)
            await stage.until(DONE, done + SMALL_FILES // 5)
            before, first = stage.reading(), (await stage.cluster.ask(DONE))[0][0]
            await stage.until(DONE, done + SMALL_FILES * 9 // 10)
            after, last = stage.reading(), (await stage.cluster.ask(DONE))[0][0]
            rate = (last - first) / (after.at - before.at)
            found.append(_throughput(count, rate, before, after))
            await stage.until(DONE, stage.sent)
    return found


def _throughput(count: int, rate: float, before: Reading, after: Reading) -> Throughput:
    return Throughput(count, rate, after.share_since(before), after.shares_since(before))


def measure() -> Sheet:
    """Measure large files over lines, small files, and the front alone."""
    rows: list[Row] = []
    notes = [
        f"Shares are those of the {PROCESSORS} processors of the machine: all of it, and in"
        " parentheses those who had most."
    ]
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        rows += _lines(Path(name), notes)
        rows += _small(Path(name), notes)
    columns = ("figure", "rate", "to N × one worker", "processors busy", "bar")
    return Sheet("workers: what each adds", columns, rows, notes)


def _lines(folder: Path, notes: list[str]) -> list[Row]:
    rows: list[Row] = []
    for rate in RATES:
        found = asyncio.run(measure_lines(folder, rate))
        one = found[0].rate
        rows += [
            (
                f"{LARGE / 1e6:.0f} MB, {rate / 1e6:.0f} MB/s each, {run.workers} at work",
                f"{run.rate / rate:.2f} lines",
                f"{run.rate / one / run.workers:.2f}",
                _busy(run),
                least([run.rate / one / run.workers], WANTED, "{:.2f}"),
            )
            for run in found
        ]
        if found[-1].busy < FULL:
            return rows
        notes.append(
            f"At {rate / 1e6:.0f} MB/s the processors were {FULL:.0%} busy: a lower rate."
        )
    return rows


def _small(folder: Path, notes: list[str]) -> list[Row]:
    found = asyncio.run(measure_small(folder))
    one = found[0].rate
    notes.append(
        f"{SMALL_FILES} files of {SMALL // 1000} kB, {LATENCY * 1000:.0f} ms for each request, 8"
        " at once for each worker."
    )
    return [
        (
            f"{SMALL // 1000} kB, {run.workers} at work",
            f"{run.rate:.0f} files/s",
            f"{run.rate / one / run.workers:.2f}",
            _busy(run),
            "",
        )
        for run in found
    ]


def _busy(run: Throughput) -> str:
    most = sorted(run.shares.items(), key=lambda item: -item[1])[:4]
    shown = ", ".join(f"{name} {share:.0%}" for name, share in most)
    return f"{run.busy:.0%} ({shown})"
